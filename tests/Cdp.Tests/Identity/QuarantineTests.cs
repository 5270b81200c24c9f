using Cdp.Archive;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Identity;

/// <summary>A till's address, a tester's: seen with too many others it links nobody, is shown, and can be released.</summary>
public sealed class QuarantineTests
{
    private static readonly Identifier Till = new("email", "till@shop.test");

    [Fact]
    public async Task SeenWithMoreThanTwentyPhones_IsQuarantinedAndLinksNobody()
    {
        var world = await World.CreateAsync(1);
        for (var i = 0; i < 20; i++)
            await world.SettleAsync(Receipt(i));
        Assert.Equal(LinkState.Linking, (await EntryAsync(world)).State);

        await world.SettleAsync(Receipt(20));
        var entry = await EntryAsync(world);
        Assert.Equal(LinkState.Quarantined, entry.State);
        Assert.False(entry.Suspension!.Pending);
        var till = world.Owners(Till.Type, Till.Value).Single();
        Assert.True(till.Identifiers.Find(i => i.Identifier == Till)!.Quarantined);
        Assert.Contains(till.Decisions, d => d is { Action: DecisionAction.Quarantined, Rule: "email.quarantine.phone" });
        Assert.Equal(Till, Assert.Single(await ListAsync(world)).Identifier);
        Assert.Contains(world.ControlLines(), line => line.Contains("\"type\":\"quarantined\"", StringComparison.Ordinal));

        await world.SettleAsync(Receipt(21));
        await world.SettleAsync("""{"type":"identify","messageId":"alone","traits":{"email":"till@shop.test"}}""");

        Assert.Equal(["r21"], world.Timeline(world.Owners("phone", "+493012345021").Single().Id));
        Assert.Contains("alone", world.Timeline(till.Id));
        world.Describe();
    }

    [Fact]
    public async Task Released_LinksAgain()
    {
        var world = await World.CreateAsync(1);
        for (var i = 0; i <= 21; i++)
            await world.SettleAsync(Receipt(i));

        Assert.True(await Suspender(world).ReleaseAsync(Till, CancellationToken.None));

        Assert.Empty(await ListAsync(world));
        world.ReplaceWorker();
        await world.SettleAsync("""{"type":"identify","messageId":"new","anonymousId":"a9","traits":{"email":"till@shop.test"}}""");
        Assert.Contains("new", world.Timeline(world.Owners(Till.Type, Till.Value).Single().Id));
        Assert.Equal("a9", world.Owners("anonymous_id", "a9").Single().Identifiers.Find(i => i.Identifier.Type == "anonymous_id")!.Identifier.Value);
        Assert.False(await Suspender(world).ReleaseAsync(Till, CancellationToken.None));
    }

    /// <summary>With two user ids it is detached at once; with more it is shown as what it is.</summary>
    [Fact]
    public async Task SeenWithManyUserIds_IsDetachedFirstAndQuarantinedThen()
    {
        var world = await World.CreateAsync(1);
        for (var i = 0; i <= 21; i++)
            await world.SettleAsync($$$"""{"type":"identify","messageId":"m{{{i}}}","userId":"u{{{i}}}","traits":{"email":"till@shop.test"}}""");

        Assert.Equal(LinkState.Quarantined, (await EntryAsync(world)).State);
        Assert.Equal(22, world.Live().Count);
        var first = world.Owners("user_id", "u0").Single();
        Assert.True(first.FindReleased(Till)!.Quarantined);
        world.Describe();
    }

    [Fact]
    public async Task MergesItCaused_AreUndoneInOneCall()
    {
        var world = await World.CreateAsync(1);
        for (var i = 0; i < 3; i++)
        {
            await world.SettleAsync($$"""{"type":"page","messageId":"p{{i}}","anonymousId":"a{{i}}"}""");
            await world.SettleAsync($$$"""{"type":"identify","messageId":"e{{{i}}}","anonymousId":"a{{{i}}}","traits":{"email":"till@shop.test"}}""");
        }

        for (var i = 0; i <= 21; i++)
            await world.SettleAsync(Receipt(i));
        Assert.Equal(LinkState.Quarantined, (await EntryAsync(world)).State);
        Assert.Equal(2, world.Owners(Till.Type, Till.Value).Single().Merges.Count);

        await new Unmerges(new ProfileStore(world.Store), new IdentityIndex(world.Store, world.Time), world.Store).RequestAllAsync(Till, CancellationToken.None);
        await world.DrainAsync();

        var owners = Enumerable.Range(0, 3).Select(i => world.Owners("anonymous_id", $"a{i}").Single().Id).ToList();
        Assert.Equal(3, owners.Distinct().Count());
        world.Describe();
    }

    private static string Receipt(int i) =>
        $$$"""{"type":"identify","messageId":"r{{{i}}}","traits":{"email":"till@shop.test","phone":"+4930123450{{{i:D2}}}"}}""";

    private static async Task<IdentityEntry> EntryAsync(World world) =>
        (await new IdentityIndex(world.Store, world.Time).ReadAsync(Till, CancellationToken.None))!;

    private static async Task<List<QuarantinedIdentifier>> ListAsync(World world)
    {
        var listed = new List<QuarantinedIdentifier>();
        await foreach (var (_, quarantined) in new QuarantineList(world.Store).AllAsync(after: null, CancellationToken.None))
            listed.Add(quarantined);
        return listed;
    }

    private static IdentifierSuspender Suspender(World world)
    {
        var ids = new IdGenerator(world.Time);
        return new IdentifierSuspender(
            new IdentityIndex(world.Store, world.Time), new ProfileStore(world.Store), new QuarantineList(world.Store),
            new ControlLog(new RawArchive(world.Store, ids, world.Time)), ids, world.Time);
    }
}
