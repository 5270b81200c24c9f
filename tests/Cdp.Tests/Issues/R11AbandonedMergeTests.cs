using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Issues;

/// <summary>An outage was longer than a message is tried, so a merge stopped half-way. Others must not wait for it for ever.</summary>
public sealed class R11AbandonedMergeTests
{
    [Fact]
    public async Task MessageOfAHalfDoneMergeIsGone_NextMergeOfTheWinnerFinishesIt()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"identify","messageId":"x","traits":{"email":"x@mail.test"}}""");
        await world.SettleAsync("""{"type":"identify","messageId":"w","traits":{"phone":"+49301234567"}}""");
        await world.SettleAsync("""{"type":"page","messageId":"l","anonymousId":"l"}""");
        var winner = world.Owners("phone", "+49301234567").Single().Id;
        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"wl","anonymousId":"l","traits":{"phone":"+49301234567"}}"""));
        await world.DeliverAsync(world.Store.Receive(QueueName.Events)!);
        var given = world.Store.Receive(QueueName.Merges)!;
        world.Store.Before = call => call.Operation == StoreOperation.Commit && call.Keys.Any(key => key.StartsWith($"e|{winner}", StringComparison.Ordinal))
            ? throw new SimulatedCrashException(call)
            : Task.CompletedTask;
        await world.DeliverAsync(given);
        world.Store.Before = null;
        world.Store.Delete(given);

        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"xw","traits":{"email":"x@mail.test","phone":"+49301234567"}}"""));
        var deliveries = 0;
        while (world.Next() is { } message)
        {
            await world.DeliverAsync(message);
            Assert.True(++deliveries < 50, "the merge waits for one that nobody works on");
        }

        world.Describe();
    }
}
