using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Tests.Processing;
using Cdp.Tests.Reading;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Issues;

/// <summary>Readers while a profile is merged or parted.</summary>
public sealed class R18ReadsDuringUnmergeTests
{
    private const int Events = 60;

    private static readonly IdentityRulesRegistry Rules = IdentityRulesRegistry.Of(IdentityRules.Default);

    /// <summary>A person and a visitor, with as many events each; the person was there first.</summary>
    private static async Task<World> TwoAsync()
    {
        var world = await World.CreateAsync(1);
        foreach (var (identity, prefix, second) in new[] { ("\"userId\":\"u1\"", "u", 0), ("\"anonymousId\":\"a1\"", "a", 100) })
        {
            await world.SettleAsync([.. Enumerable.Range(0, Events).Select(i =>
                $$"""{"type":"page","messageId":"{{prefix}}{{i:D2}}",{{identity}},"timestamp":"2026-03-01T00:{{(second + i) / 60:D2}}:{{(second + i) % 60:D2}}Z"}""")]);
        }

        return world;
    }

    private static async Task<World> MergedAsync()
    {
        var world = await TwoAsync();
        await world.SettleAsync("""{"type":"page","messageId":"link","userId":"u1","anonymousId":"a1"}""");
        return world;
    }

    private static ProfileReader Profiles(World world) => new(world.Store, new IdentityIndex(world.Store, world.Time), new ProfileStore(world.Store), Rules);

    private static Task BeginUnmergeAsync(World world, Profile merged) =>
        new Unmerges(new ProfileStore(world.Store), new IdentityIndex(world.Store, world.Time), world.Store).RequestAsync(merged, merged.Merges[0].Id, CancellationToken.None);

    /// <summary>The worker dies when it has moved a first chunk, and the reader comes.</summary>
    private static async Task<World> HalfPartedAsync()
    {
        var world = await MergedAsync();
        var merged = world.Live().Single();
        await BeginUnmergeAsync(world, merged);
        var moved = 0;
        world.Store.Before = call => call.Operation == StoreOperation.Commit && call.Keys.Any(k => k.StartsWith("e|", StringComparison.Ordinal)) && ++moved == 2
            ? throw new SimulatedCrashException(call)
            : Task.CompletedTask;
        await world.DeliverAsync(world.Next()!);
        world.Store.Before = null;
        Assert.Equal(2, moved);
        return world;
    }

    [Theory]
    [InlineData("user_id:u1")]
    [InlineData("anonymous_id:a1")]
    public async Task APage_WhileTheOtherSidesEventsAreInTheWay_ReadsNoMoreThanItsShare(string key)
    {
        const int mostScanned = 10;
        var world = await HalfPartedAsync();
        var timelines = new TimelineReader(world.Store, new Cursors(world.Store), mostScanned);
        var profiles = Profiles(world);
        var found = new List<string>();
        var pages = 0;
        for (string? cursor = null; ; pages++)
        {
            var shown = 0;
            var profile = await profiles.FindAsync(key, CancellationToken.None);
            var counting = profile with { Shows = (owner, row) => ++shown > 0 && profile.Shows!(owner, row) };
            var page = await timelines.ReadAsync(counting, ReadingHarness.Query(5, cursor), CancellationToken.None);
            found.AddRange(page.Events.Select(e => e.Event.MessageId));
            // An absorbed side is looked at in windows, here all of it at once.
            Assert.InRange(shown, 0, (2 * Events) + 1 + mostScanned + 1);
            if (page.Next is null)
                break;
            cursor = page.Next;
        }

        Assert.True(pages >= 2 * Events / mostScanned, $"{pages} pages");
        var prefix = key[0] == 'u' ? "u" : "a";
        Assert.Equal(
            Enumerable.Range(0, Events).Select(i => $"{prefix}{i:D2}").Concat(key[0] == 'u' ? ["link"] : []).Order(StringComparer.Ordinal),
            found.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task TheOneThatComesBack_IsNotCountedTwice_WhileItsEventsAreMoved()
    {
        var world = await HalfPartedAsync();
        Assert.Equal(Events, (await Profiles(world).FindAsync("anonymous_id:a1", CancellationToken.None)).Profile.EventCount);
    }

    [Theory]
    [InlineData("user_id:u1", Events + 1)]
    [InlineData("anonymous_id:a1", Events)]
    public async Task TheUnmergeEnds_BetweenADocumentAndWhatItWasBefore_TheReaderSeesItWhole(string key, int expected)
    {
        var world = await HalfPartedAsync();
        world.Store.Before = async call =>
        {
            if (call.Operation != StoreOperation.GetRow || !call.Keys[0].StartsWith("b|", StringComparison.Ordinal))
                return;
            world.Store.Before = null;
            await world.DrainAsync();
        };
        Assert.Equal(expected, (await Profiles(world).FindAsync(key, CancellationToken.None)).Profile.EventCount);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task MergedOrParted_BetweenTheDocumentAndTheTimeline_NothingIsMissing(bool merge)
    {
        var world = merge ? await TwoAsync() : await MergedAsync();
        var visitor = merge ? world.Owners("anonymous_id", "a1").Single().Id : world.Live().Single().Merges[0].Loser;
        if (merge)
            await world.SendAsync(WorldExtensions.Batch("""{"type":"page","messageId":"link","userId":"u1","anonymousId":"a1"}"""));
        else
            await BeginUnmergeAsync(world, world.Live().Single());
        var timelines = new TimelineReader(world.Store, new Cursors(world.Store));
        world.Store.Before = async call =>
        {
            if (call.Operation != StoreOperation.ReadPage || !call.Keys[0].StartsWith("e|", StringComparison.Ordinal))
                return;
            world.Store.Before = null;
            await world.DrainAsync();
        };

        foreach (var key in new[] { "anonymous_id:a1", visitor.Value })
        {
            var (_, page) = await Profiles(world).ReadAsync(
                key, found => timelines.ReadAsync(found, ReadingHarness.Query(1000), CancellationToken.None), CancellationToken.None);
            Assert.Equal(
                Enumerable.Range(0, Events).Select(i => $"a{i:D2}"),
                page.Events.Select(e => e.Event.MessageId).Where(id => id[0] == 'a').Order(StringComparer.Ordinal));
        }
    }
}
