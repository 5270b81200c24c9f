using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>
/// Between the first two steps of an unmerge the profile that comes back is a tombstone yet, and the one that stays has given its identifiers away: who asked
/// by one of them was told that nobody has it.
/// </summary>
public sealed class R24LookUpDuringUnmergeTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task AnIdentifierOfEitherSide_AtEveryCallOfTheUnmerge_IsFoundWithItsEvents(int seed)
    {
        var world = await World.CreateAsync(seed);
        await world.SettleAsync("""{"type":"identify","messageId":"u","userId":"u1","timestamp":"2026-03-01T00:00:01Z"}""");
        await world.SettleAsync("""{"type":"page","messageId":"p","anonymousId":"a1","timestamp":"2026-03-01T00:00:02Z"}""");
        await world.SettleAsync("""{"type":"page","messageId":"link","userId":"u1","anonymousId":"a1","timestamp":"2026-03-01T00:00:03Z"}""");
        var merged = Assert.Single(world.Live());
        var asked = 0;
        var asking = false;
        world.Store.After = async _ =>
        {
            if (asking)
                return;
            asking = true;
            Assert.Contains("u", await ReadAsync(world, "user_id:u1"));
            Assert.Contains("p", await ReadAsync(world, "anonymous_id:a1"));
            asked++;
            asking = false;
        };

        await world.UnmergeAsync(merged, merged.Merges[0].Id);
        world.Store.After = null;

        Assert.True(asked > 20, $"asked {asked} times only");
        Assert.Equal(2, world.Live().Count);
    }

    private static async Task<IReadOnlyList<string>> ReadAsync(World world, string key)
    {
        var profiles = new ProfileReader(
            world.Store, new IdentityIndex(world.Store, world.Time), new ProfileStore(world.Store), IdentityRulesRegistry.Of(IdentityRules.Default));
        var timelines = new TimelineReader(world.Store, new Cursors(world.Store));
        var query = new TimelineQuery(new HashSet<string>(), new HashSet<Cdp.Events.EventType>(), From: null, To: null, Limit: 10);
        var (_, page) = await profiles.ReadAsync(key, found => timelines.ReadAsync(found, query, CancellationToken.None), CancellationToken.None);
        return [.. page.Events.Select(row => row.Event.MessageId)];
    }
}
