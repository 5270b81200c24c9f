using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Issues;

public sealed class R12LostSightingTests
{
    /// <summary>
    /// An event links two profiles by a phone that is only claimed for the second one. After their merge the phone is adopted for that event; meanwhile
    /// another worker adopts it for its own event. The first event's sighting must not be lost over that.
    /// </summary>
    [Fact]
    public async Task ClaimIsAdoptedByTwoAtOnce_BothEventsAreSeen()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"track","event":"Ordered","messageId":"m1","userId":"u1","timestamp":"2026-03-01T00:00:01Z"}""");
        await world.SettleAsync("""{"type":"page","messageId":"m2","anonymousId":"a1","timestamp":"2026-03-01T00:00:02Z"}""");
        var claims = await TakeAsync(world, """{"type":"identify","messageId":"m3","anonymousId":"a1","traits":{"phone":"+491700000001"},"timestamp":"2026-03-01T00:00:03Z"}""");
        var links = await TakeAsync(world, """{"type":"identify","messageId":"m4","userId":"u1","traits":{"phone":"+491700000001"},"timestamp":"2026-03-01T00:00:04Z"}""");
        var adopts = await TakeAsync(world, """{"type":"identify","messageId":"m5","userId":"u1","traits":{"phone":"+491700000001"},"timestamp":"2026-03-01T00:00:02Z"}""");

        // The first worker claims the phone for the anonymous profile and dies before it commits.
        var first = world.NewWorker();
        world.Store.Before = call => Worker.Current == first.Name && call is { Operation: StoreOperation.Commit, Place: nameof(TableName.Profiles) }
            ? throw new SimulatedCrashException(call)
            : Task.CompletedTask;
        await Assert.ThrowsAsync<SimulatedCrashException>(() => first.ProcessAsync(claims));

        world.Store.Before = null;
        await world.DeliverAsync(links);
        var merge = world.Store.Receive(QueueName.Merges)!;

        // Another worker's event adopts the claim just before the merge does.
        var (merger, other) = (world.NewWorker(), world.NewWorker());
        var interrupted = false;
        world.Store.Before = async call =>
        {
            if (interrupted || Worker.Current != merger.Name || call is not { Operation: StoreOperation.Commit, Place: nameof(TableName.Identities) } || !call.Keys[0].StartsWith("phone", StringComparison.Ordinal))
                return;
            interrupted = true;
            await other.ProcessAsync(adopts);
        };
        await merger.ProcessAsync(merge);
        world.Store.Before = null;
        Assert.True(interrupted);

        var owner = Assert.Single(world.Owners("phone", "+491700000001"));
        var phone = owner.Identifiers.Single(i => i.Identifier.Type == "phone");
        Assert.Equal(("2026-03-01T00:00:02.000Z", "2026-03-01T00:00:04.000Z"), (phone.FirstSeenAt.ToString(), phone.LastSeenAt.ToString()));
    }

    private static async Task<FakeMessage> TakeAsync(World world, string e)
    {
        await world.SendAsync(WorldExtensions.Batch(e));
        return world.Next()!;
    }
}
