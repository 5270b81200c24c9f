using Cdp.Identity;
using Cdp.Sources;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Identity;

/// <summary>A write key in a web page is public: what comes by it must not join people who are known.</summary>
public sealed class SourceTrustTests
{
    /// <summary>Two customer numbers may be one person here, but only the shop's server may say so.</summary>
    private static readonly IdentityRules Customers = new(
    [
        .. IdentityRules.Default.Types.Where(t => t.Name != "user_id"),
        IdentityRules.Default.Find("user_id")! with { Unique = false, Limit = new IdentifierLimit(5), QuarantineAfter = null },
    ]);

    [Theory]
    [InlineData(SourceTrust.Client, 2)]
    [InlineData(SourceTrust.Server, 1)]
    public async Task OnlyAServerJoinsTwoIdentifiedProfiles(SourceTrust trust, int profiles)
    {
        var world = await World.CreateAsync(1, Customers);
        await world.AddSourceAsync("shop", "shop-key", trust);
        await world.SettleAsync("""{"type":"identify","messageId":"m1","userId":"u1","anonymousId":"a1"}""");
        await world.SettleAsync("""{"type":"identify","messageId":"m2","userId":"u2","anonymousId":"a2"}""");

        await world.SendAsync(WorldExtensions.Batch("""{"type":"alias","messageId":"m3","userId":"u1","previousId":"u2"}"""), "shop-key");
        await world.DrainAsync();

        Assert.Equal(profiles, world.Live().Count);
        if (trust == SourceTrust.Client)
            Assert.Contains(world.Owners("user_id", "u1").Single().Decisions, d => d is { Action: "refused", Rule: "source.trust" });
        world.Describe();
    }

    [Theory]
    [InlineData("web", 2)]
    [InlineData("crm", 1)]
    public async Task OnlyTheSourcesOfATypeJoinByIt(string sender, int profiles)
    {
        var rules = new IdentityRules([.. IdentityRules.Default.Types.Select(t => t.Name == "email" ? t with { MergeSources = MergeSources.Of(["crm"]) } : t)]);
        var world = await World.CreateAsync(1, rules);
        await world.AddSourceAsync("crm", "crm-key");
        await world.SettleAsync("""{"type":"identify","messageId":"m1","traits":{"email":"ann@mail.test"}}""");
        await world.SettleAsync("""{"type":"page","messageId":"m2","anonymousId":"a1"}""");

        var link = WorldExtensions.Batch("""{"type":"identify","messageId":"m3","anonymousId":"a1","traits":{"email":"ann@mail.test"}}""");
        await world.SendAsync(link, sender == "crm" ? "crm-key" : World.WriteKey);
        await world.DrainAsync();

        Assert.Equal(profiles, world.Live().Count);
        if (profiles == 2)
            Assert.Contains(world.Owners("email", "ann@mail.test").Single().Decisions, d => d is { Action: "dropped", Rule: "email.source" });
        world.Describe();
    }
}
