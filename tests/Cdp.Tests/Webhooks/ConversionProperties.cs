using System.Globalization;
using System.Text.Json;
using Cdp.Events;
using Cdp.Webhooks.Mapping;
using FsCheck;
using FsCheck.Fluent;

namespace Cdp.Tests.Webhooks;

public sealed class ConversionProperties
{
    [Fact]
    public void DecimalText_KeepsItsValue_AndIsAJsonNumber() => Prop.ForAll(ArbMap.Default.ArbFor<decimal>(), number =>
    {
        var text = number.ToString(CultureInfo.InvariantCulture);
        var lexeme = Conversions.Lexeme("+" + text.TrimStart('-'))!;
        return JsonDocument.Parse(lexeme).RootElement.GetDecimal() == Math.Abs(number)
            && JsonDocument.Parse(Conversions.Lexeme(text)!).RootElement.GetRawText() == text;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void AnyText_IsANumberOrNone_ButNeverBrokenJson() => Prop.ForAll(ArbMap.Default.ArbFor<string?>(), text =>
        Conversions.Lexeme(text) is not { } lexeme || JsonDocument.Parse(lexeme).RootElement.ValueKind == JsonValueKind.Number).QuickCheckThrowOnFailure();

    [Fact]
    public void MinorUnits_AreShiftedExactly() => Prop.ForAll(ArbMap.Default.ArbFor<long>(), amount =>
    {
        var json = Conversions.To("money", JsonSerializer.SerializeToElement(amount), "usd");
        return JsonDocument.Parse(json).RootElement.GetDecimal() == amount / 100m;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Milliseconds_AreTheTimeTheyAre() => Prop.ForAll(ArbMap.Default.ArbFor<ulong>(), number =>
        JsonDocument.Parse(Conversions.To("unix-ms", JsonSerializer.SerializeToElement(number % 253_402_300_800_000), null)).RootElement.GetString() == new Instant((long)(number % 253_402_300_800_000)).ToString())
        .QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("007.50", "7.50")]
    [InlineData(".5", "0.5")]
    [InlineData("5.", "5")]
    [InlineData("-0", "-0")]
    [InlineData("1e3", "1e3")]
    [InlineData("1,234", null)]
    [InlineData("1.2.3", null)]
    [InlineData("0x10", null)]
    [InlineData("NaN", null)]
    [InlineData("", null)]
    [InlineData("-", null)]
    [InlineData(".", null)]
    [InlineData("1e", null)]
    public void Number_IsDecimal(string text, string? lexeme) => Assert.Equal(lexeme, Conversions.Lexeme(text));

    [Theory]
    [InlineData("Fri, 02 Jan 2026 03:04:05 GMT", "2026-01-02T03:04:05.000Z")]
    [InlineData("2 Jan 2026 03:04 -0500", "2026-01-02T08:04:00.000Z")]
    [InlineData("2026-01-02T10:00:00-05:00", "2026-01-02T15:00:00.000Z")]
    [InlineData("2026-01-02T03:04:05.000+0000", "2026-01-02T03:04:05.000Z")]
    [InlineData("01/02/2026", null)]
    [InlineData("yesterday", null)]
    [InlineData("Fri, 02 Jan 2026 03:04:05 PST", null)]
    public void Time_IsOfIso8601OrMail(string text, string? time) => Assert.Equal(time, Conversions.Mail(text)?.ToString());
}
