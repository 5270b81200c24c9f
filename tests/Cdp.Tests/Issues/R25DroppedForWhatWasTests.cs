using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>
/// Two profiles were merged while an event that carries identifiers of both was resolved: the one as it was before the merge and the other as it was after it
/// looked like two known people, and the event lost an identifier.
/// </summary>
public sealed class R25DroppedForWhatWasTests
{
    private const string OfBoth = """{"type":"identify","messageId":"both","anonymousId":"a1","traits":{"email":"e@mail.test"},"timestamp":"2026-03-01T00:00:09Z"}""";

    [Fact]
    public async Task TheLoserIsCached_NothingIsDropped()
    {
        var world = await CreateAsync();
        var other = world.NewWorker();
        await ProcessAsync(world, other, """{"type":"page","messageId":"known","userId":"u1","anonymousId":"a1","timestamp":"2026-03-01T00:00:04Z"}""");
        // Not drained: the clock would run on, and what is cached be too old.
        await world.DeliverAsync(world.Store.Receive(QueueName.Merges)!);

        await ProcessAsync(world, other, OfBoth);

        await AssertKeptAsync(world);
    }

    [Fact]
    public async Task TheMergeRunsBetweenAnyTwoCalls_NothingIsDropped()
    {
        var mergedInBetween = 0;
        for (var at = 0; ; at++)
        {
            var world = await CreateAsync();
            var merge = world.Store.Receive(QueueName.Merges)!;
            var merging = world.NewWorker();
            var (calls, hasRun) = (0, false);
            await world.SendAsync(WorldExtensions.Batch(OfBoth));
            var message = world.Store.Receive(QueueName.Events)!;
            world.Store.After = async _ =>
            {
                if (calls++ != at)
                    return;
                hasRun = true;
                await merging.ProcessAsync(merge);
            };
            await world.NewWorker().ProcessAsync(message);
            world.Store.After = null;
            world.Store.Delete(message);
            if (!hasRun)
                break;
            mergedInBetween++;
            world.Store.Delete(merge);

            await AssertKeptAsync(world);
        }

        Assert.True(mergedInBetween > 5, $"merged {mergedInBetween} times only");
    }

    /// <summary>A visitor and, later, somebody known; that they are the same is in the queue <c>merges</c>.</summary>
    private static async Task<World> CreateAsync()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"page","messageId":"visitor","anonymousId":"a0","timestamp":"2026-03-01T00:00:01Z"}""");
        await world.SettleAsync("""{"type":"identify","messageId":"login","userId":"u1","anonymousId":"a1","traits":{"email":"e@mail.test"},"timestamp":"2026-03-01T00:00:02Z"}""");
        await ProcessAsync(world, world.NewWorker(), """{"type":"page","messageId":"link","userId":"u1","anonymousId":"a0","timestamp":"2026-03-01T00:00:03Z"}""");
        Assert.Single(world.Store.Messages(QueueName.Merges));
        return world;
    }

    private static async Task ProcessAsync(World world, Worker worker, string e)
    {
        await world.SendAsync(WorldExtensions.Batch(e));
        var message = world.Store.Receive(QueueName.Events)!;
        await worker.ProcessAsync(message);
        world.Store.Delete(message);
    }

    private static async Task AssertKeptAsync(World world)
    {
        await world.DrainAsync();
        var profile = Assert.Single(world.Live());
        Assert.Empty(profile.Decisions);
        foreach (var identifier in (Identifier[])[new("anonymous_id", "a1"), new("email", "e@mail.test")])
            Assert.Equal("2026-03-01T00:00:09.000Z", profile.Identifiers.Find(i => i.Identifier == identifier)!.LastSeenAt.ToString());
    }
}
