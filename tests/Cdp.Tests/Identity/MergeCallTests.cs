using System.Text;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Sources;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Identity;

/// <summary>What RudderStack's merge call links, by the rules that hold for every event.</summary>
public sealed class MergeCallTests
{
    private const string Alex = """{"type":"merge","messageId":"m3","mergeProperties":[{"type":"email","value":" Alex@Example.org"},{"type":"mobile","value":"+1-202-555-0146"},{"type":"shoe size","value":43}]}""";

    [Fact]
    public async Task TwoProfilesOfItsIdentifiers_BecomeOne()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"identify","messageId":"m1","userId":"u1","traits":{"email":"alex@example.org","plan":"pro"}}""");
        await world.SettleAsync("""{"type":"identify","messageId":"m2","anonymousId":"a1","traits":{"phone":"+12025550146"}}""");
        Assert.Equal(2, world.Live().Count);

        await world.SettleAsync(Alex.Replace("mergeProperties", "traits\":{\"plan\":\"free\"},\"mergeProperties", StringComparison.Ordinal));

        var profile = Assert.Single(world.Live());
        Assert.Equal(["anonymous_id:a1", "email:alex@example.org", "phone:+12025550146", "user_id:u1"], Identifiers(profile));
        Assert.Equal(["m1", "m2", "m3"], world.Timeline(profile.Id));
        Assert.Equal("\"pro\"", Encoding.UTF8.GetString(profile.Traits["plan"].Value.Span));
        Assert.Empty(profile.Decisions);
        world.Describe();
    }

    [Fact]
    public async Task NobodyKnown_MakesAProfile_AndARepetitionChangesNothing()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync(Alex);
        Assert.Equal(["email:alex@example.org", "phone:+12025550146"], Identifiers(Assert.Single(world.Live())));
        var before = world.Describe();

        await world.SettleAsync(Alex);
        Assert.Equal(before, world.Describe());

        await world.SettleAsync(Alex.Replace("0146", "0147", StringComparison.Ordinal));
        Assert.Contains("message-id-reused", Assert.Single(world.Failures()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TwoUserIds_StayTwoPeople()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"identify","messageId":"m1","userId":"u1"}""");
        await world.SettleAsync("""{"type":"identify","messageId":"m2","userId":"u2"}""");
        await world.SettleAsync("""{"type":"merge","messageId":"m3","userId":"u1","mergeProperties":[{"type":"user_id","value":"u2"}]}""");

        Assert.Equal(2, world.Live().Count);
        var decision = Assert.Single(world.Owners("user_id", "u1").Single().Decisions);
        Assert.Equal((new Identifier("user_id", "u2"), "dropped"), (decision.Identifier, decision.Action));
        Assert.Equal(["m1", "m3"], world.Timeline(world.Owners("user_id", "u1").Single().Id));
        world.Describe();
    }

    /// <summary>A write key in a page is public: by it nobody joins two customers whose numbers may be one person's.</summary>
    [Theory]
    [InlineData(SourceTrust.Client, 2)]
    [InlineData(SourceTrust.Server, 1)]
    public async Task OnlyAServerJoinsTwoIdentifiedProfiles(SourceTrust trust, int profiles)
    {
        var rules = new IdentityRules([.. IdentityRules.Default.Types.Select(t => t.Name == "user_id" ? t with { Unique = false, Limit = new IdentifierLimit(5), QuarantineAfter = null } : t)]);
        var world = await World.CreateAsync(1, rules);
        await world.AddSourceAsync("shop", "shop-key", trust);
        await world.SettleAsync("""{"type":"identify","messageId":"m1","userId":"u1"}""");
        await world.SettleAsync("""{"type":"identify","messageId":"m2","userId":"u2"}""");

        await world.SendAsync(WorldExtensions.Batch("""{"type":"merge","messageId":"m3","mergeProperties":[{"type":"user_id","value":"u1"},{"type":"user_id","value":"u2"}]}"""), "shop-key");
        await world.DrainAsync();

        Assert.Equal(profiles, world.Live().Count);
        world.Describe();
    }

    private static IEnumerable<string> Identifiers(Profile profile) => profile.Identifiers.Select(i => i.Identifier.ToString()).Order(StringComparer.Ordinal);
}
