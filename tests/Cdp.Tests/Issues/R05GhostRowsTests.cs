using Cdp.Storage;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>Two events asked for the same merge; the slower of the two runs still copies when the winner was itself merged away.</summary>
public sealed class R05GhostRowsTests
{
    [Fact]
    public async Task SlowRunOfAMergeCopiesIntoAProfileThatIsGone_LeavesNoRows()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"identify","messageId":"x","traits":{"email":"x@mail.test"}}""");
        await world.SettleAsync("""{"type":"identify","messageId":"w","traits":{"phone":"+49301234567"}}""");
        await world.SettleAsync("""{"type":"page","messageId":"l","anonymousId":"l"}""");
        var winner = world.Owners("phone", "+49301234567").Single().Id;
        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"l1","anonymousId":"l","traits":{"phone":"+49301234567"}}"""));
        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"l2","anonymousId":"l","traits":{"phone":"+49301234567"}}"""));
        while (world.Store.Receive(QueueName.Events) is { } events)
            await world.DeliverAsync(events);
        var slow = world.Store.Receive(QueueName.Merges)!;

        var (a, b) = (world.NewWorker(), world.NewWorker());
        var interrupted = false;
        world.Store.Before = async call =>
        {
            if (interrupted || Worker.Current != b.Name || call.Operation != Storage.StoreOperation.Commit || !call.Keys.Any(key => key.StartsWith($"e|{winner}", StringComparison.Ordinal)))
                return;
            interrupted = true;
            await a.CollectAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"xw","traits":{"email":"x@mail.test","phone":"+49301234567"}}"""));
            while (world.Next() is { } message)
            {
                await a.ProcessAsync(message);
                world.Store.Delete(message);
            }
        };
        await b.ProcessAsync(slow);
        world.Store.Before = null;
        world.Store.Delete(slow);
        await world.DrainAsync();

        Assert.True(interrupted);
        world.Describe();
    }
}
