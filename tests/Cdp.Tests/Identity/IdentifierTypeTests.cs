using System.Security.Cryptography;
using System.Text;
using Cdp.Identity;
using Cdp.Sources;

namespace Cdp.Tests.Identity;

public sealed class IdentifierTypeTests
{
    private static readonly string Hash = Convert.ToHexString(SHA256.HashData("ann@shop.example"u8));

    [Theory]
    [InlineData(Normalisation.Trim, " Ab c\t", "Ab c")]
    [InlineData(Normalisation.Trim, " \t", null)]
    [InlineData(Normalisation.Trim, "", null)]
    [InlineData(Normalisation.Trim, null, null)]
    [InlineData(Normalisation.Lower, " ÄB-c ", "äb-c")]
    [InlineData(Normalisation.Email, " Ann.Lee+x@Shop.Example ", "ann.lee+x@shop.example")]
    [InlineData(Normalisation.Email, "ann", null)]
    [InlineData(Normalisation.Email, "@shop.example", null)]
    [InlineData(Normalisation.Email, "ann@", null)]
    [InlineData(Normalisation.Email, "a@b@c", null)]
    [InlineData(Normalisation.Email, "ann lee@shop.example", null)]
    [InlineData(Normalisation.Digits, " 1234-5678/90 ", "1234567890")]
    [InlineData(Normalisation.Digits, "0012", "0012")]
    [InlineData(Normalisation.Digits, "A123", null)]
    [InlineData(Normalisation.Digits, "--", null)]
    [InlineData(Normalisation.Digits, "0-0", null)]
    [InlineData(Normalisation.Digits, "١٢٣", null)]
    [InlineData(Normalisation.Sha256, "abc", null)]
    public void Normalise_ByKind(Normalisation normalisation, string? text, string? expected) =>
        Assert.Equal(expected, Type(normalisation).Normalise(text));

    [Theory]
    [InlineData(null, "+49 (151) 234-567", "+49151234567")]
    [InlineData(null, "0049 151 234567", "+49151234567")]
    [InlineData(null, "0151/23 45 67", "0151234567")]
    [InlineData(null, "1234", null)]
    [InlineData(null, "1234567890123456", null)]
    [InlineData(null, "123456 ext. 7", null)]
    [InlineData(null, "12+345678", null)]
    [InlineData(null, "+", null)]
    [InlineData("49", "0151 234567", "+49151234567")]
    [InlineData("49", "151 234567", "+49151234567")]
    [InlineData("49", "+43 1 234567", "+431234567")]
    [InlineData("49", "0043 1 234567", "+431234567")]
    [InlineData("49", "12345678901234", null)]
    [InlineData("1", "(415) 555-2671", "+14155552671")]
    [InlineData("1", "1-415-555-2671", "+14155552671")]
    [InlineData("7", "8 912 345-67-89", "+79123456789")]
    [InlineData("36", "06 20 123 4567", "+36201234567")]
    [InlineData("39", "06 1234 5678", "+390612345678")]
    [InlineData("49", "000-000-0000", null)]
    public void Normalise_Phone_WithAndWithoutCountryCode(string? countryCode, string text, string? expected) =>
        Assert.Equal(expected, (Type(Normalisation.Phone) with { CountryCode = countryCode }).Normalise(text));

    [Fact]
    public void Normalise_Sha256_IsLowerCased_AndHashesOfNobodyAreBlocked()
    {
        var type = Type(Normalisation.Sha256);
        Assert.Equal(Hash.ToLowerInvariant(), type.Normalise(" " + Hash + " "));
        Assert.Null(type.Normalise(Hash[1..]));
        Assert.Null(type.Normalise("g" + Hash[1..]));
        foreach (var nobody in new[] { "", "null", "undefined", "test@example.com" })
            Assert.Null(type.Normalise(Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(nobody)))));
    }

    [Fact]
    public void Normalise_TooLong_IsNoValue()
    {
        var type = Type(Normalisation.Trim);
        Assert.NotNull(type.Normalise(new string('x', IdentifierType.LongestValue)));
        Assert.Null(type.Normalise(new string('x', IdentifierType.LongestValue + 1)));
        Assert.Null(Type(Normalisation.Email).Normalise(new string('x', 250) + "@a.bc"));
        Assert.Equal(IdentifierType.LongestValue, Type(Normalisation.Digits).Normalise(new string('1', IdentifierType.LongestValue))!.Length);
    }

    [Theory]
    [InlineData("null")]
    [InlineData(" Anonymous ")]
    [InlineData("UNDEFINED")]
    [InlineData("NaN")]
    [InlineData("[object Object]")]
    [InlineData("-1")]
    [InlineData("0")]
    [InlineData("---")]
    [InlineData("00000000-0000-0000-0000-000000000000")]
    [InlineData("Test@example.com")]
    [InlineData("noreply@EXAMPLE.org")]
    public void Defaults_AreBlocked_UnlessSwitchedOff(string text)
    {
        Assert.Null(Type(Normalisation.Trim).Normalise(text));
        Assert.Equal(text.Trim(), (Type(Normalisation.Trim) with { Blocked = new BlockedValues([], [], defaults: false) }).Normalise(text));
    }

    [Theory]
    [InlineData("ann@example.com")]
    [InlineData("0x")]
    [InlineData("nullable")]
    public void Defaults_LetOthersThrough(string text) => Assert.Equal(text, Type(Normalisation.Trim).Normalise(text));

    [Theory]
    [InlineData("Till@shop.example")]
    [InlineData(" till@SHOP.example ")]
    [InlineData("test17@shop.example")]
    [InlineData("TEST+x@shop.example")]
    [InlineData("null@x.example")]
    public void Blocked_ValuesAndPatterns(string text)
    {
        var type = Type(Normalisation.Email) with { Blocked = new BlockedValues([" till@shop.example"], ["^test.*@", "^null@"]) };
        Assert.Null(type.Normalise(text));
        Assert.Equal("tills@shop.example", type.Normalise("tills@shop.example"));
        Assert.Null(type.Normalise("test@example.com"));
    }

    [Fact]
    public void Blocked_AsSentAndAsNormalised()
    {
        var blocked = new BlockedValues(["+49151234567", "0699/999"], []);
        var type = Type(Normalisation.Phone) with { CountryCode = "49", Blocked = blocked };
        Assert.Null(type.Normalise("0151 234567"));
        Assert.Null(type.Normalise(" 0699/999 "));
        Assert.NotNull(type.Normalise("0699 998"));
    }

    [Theory]
    [InlineData("^a.*b$", null)]
    [InlineData("^[0-]*$", null)]
    [InlineData("", "not a pattern")]
    [InlineData("(", "not a regular expression")]
    [InlineData("(?=a)b", "cannot be matched in linear time")]
    [InlineData(@"(a)\1", "cannot be matched in linear time")]
    [InlineData("(?>a+)b", "cannot be matched in linear time")]
    [InlineData("(a{1000}){1000}", "cannot be matched in linear time")]
    public void Refusal_OfPatterns(string pattern, string? reason)
    {
        var refusal = BlockedValues.Refusal(pattern);
        if (reason is null)
            Assert.Null(refusal);
        else
            Assert.StartsWith(reason, refusal, StringComparison.Ordinal);
        Assert.NotNull(BlockedValues.Refusal(new string('a', BlockedValues.LongestPattern + 1)));
    }

    [Fact]
    public void Limit_Window_IsRolling()
    {
        Assert.Null(new IdentifierLimit(5).Window);
        Assert.Equal(
            [1, 7, 30, 365],
            new[] { LimitPeriod.Day, LimitPeriod.Week, LimitPeriod.Month, LimitPeriod.Year }.Select(period => (int)new IdentifierLimit(5, period).Window!.Value.TotalDays));
    }

    [Fact]
    public void QuarantineAfter_IsTwenty_AndNeverForUniqueTypes()
    {
        Assert.Equal(20, Type(Normalisation.Trim).QuarantineAfter);
        Assert.Null(new IdentifierType("x", 1, Unique: true, new IdentifierLimit(1), Normalisation.Trim).QuarantineAfter);
    }

    [Fact]
    public void MayJoin_BySource()
    {
        var client = new Source("web", "", "http", true, []);
        var server = new Source("crm", "", "http", true, [], Trust: SourceTrust.Server);
        Assert.Equal((true, true, true), May(MergeSources.Any));
        Assert.Equal((false, true, false), May(MergeSources.Server));
        Assert.Equal((true, false, false), May(MergeSources.Of(["web"])));
        Assert.Equal((false, false, false), May(MergeSources.Of([])));

        (bool Client, bool Server, bool Unknown) May(MergeSources sources)
        {
            var type = Type(Normalisation.Trim) with { MergeSources = sources };
            return (IdentityRules.MayJoin(type, client), IdentityRules.MayJoin(type, server), IdentityRules.MayJoin(type, null));
        }
    }

    private static IdentifierType Type(Normalisation normalisation) => new("t", 1, Unique: false, new IdentifierLimit(5), normalisation);
}
