using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Issues;

/// <summary>Several messages ask for the same merge: one does it, and the others do not read all of the timeline again and again.</summary>
public sealed class R20MergesThatRaceTests
{
    private const int Events = 600;

    [Fact]
    public async Task TwoRunsOfOneMerge_TheOneThatIsOvertaken_LeavesItToTheOther()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"page","messageId":"u","userId":"u1"}""");
        await world.SettleAsync([.. Enumerable.Range(0, Events).Select(i => $$"""{"type":"page","messageId":"a{{i}}","anonymousId":"a1"}""")]);
        await world.SendAsync(WorldExtensions.Batch("""{"type":"page","messageId":"link","userId":"u1","anonymousId":"a1"}"""));
        await world.DeliverAsync(world.Next()!);
        var first = world.Store.Receive(QueueName.Merges)!;
        await world.Store.SendAsync(QueueName.Merges, first.Body, null, CancellationToken.None);
        var second = world.Store.Receive(QueueName.Merges)!;

        var pages = 0;
        world.Store.Before = async call =>
        {
            if (call.Operation == StoreOperation.ReadPage && call.Keys[0].StartsWith("e|", StringComparison.Ordinal))
                Interlocked.Increment(ref pages);
            await Task.Yield();
        };
        await Task.WhenAll(new[] { first, second }.Select(message => Task.Run(() => world.NewWorker().ProcessAsync(message))));
        world.Store.Before = null;
        world.Store.Delete(first);
        world.Store.Delete(second);

        // Each looks once at what is to be copied and once at what is to be deleted.
        Assert.InRange(pages, 1, 4);
        await world.DrainAsync();
        Assert.Equal(Events + 2, Assert.Single(world.Live()).EventCount);
        world.Describe();
    }
}
