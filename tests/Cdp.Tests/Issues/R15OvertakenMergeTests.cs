using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>
/// A worker stops before it deletes the loser's rows. The merge is finished by another one, taken back, and the two are merged again by another link.
/// </summary>
public sealed class R15OvertakenMergeTests
{
    [Fact]
    public async Task FirstMergesDeletionGoesOnBeforeTheSecondHasCopied_NothingIsLost()
    {
        var world = await World.CreateAsync(1);
        await Saga.TwoAsync(world, knownFirst: true);
        await Saga.LinkAsync(world);
        var loser = world.Owners("anonymous_id", "a1").Single().Id;
        var slow = world.NewWorker();
        var (stopped, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        Task? run = null;
        world.Store.Before = async call =>
        {
            var deletes = call.Operation == Storage.StoreOperation.Commit && call.Keys.Any(key => key.StartsWith($"e|{loser}", StringComparison.Ordinal));
            if (Worker.Current == slow.Name && deletes && stopped.TrySetResult())
                await goOn.Task;
            // The second merge has folded, and is about to copy.
            if (Worker.Current != slow.Name && world.Live() is [{ Merges: [_, { State: MergeState.Copying }] }] && goOn.TrySetResult())
                await run!;
        };
        var message = world.Store.Receive(QueueName.Merges)!;
        run = slow.ProcessAsync(message);
        await stopped.Task;
        world.Store.Release(message);
        await world.DrainAsync();
        await Saga.PartAsync(world);
        await world.DrainAsync();

        await world.SettleAsync("""{"type":"identify","messageId":"n1","anonymousId":"a1","traits":{"phone":"+4930123456"}}""");
        await world.SettleAsync("""{"type":"identify","messageId":"n2","userId":"u1","traits":{"phone":"+4930123456"}}""");

        await run;
        Assert.Equal(["login", "n1", "n2", "p", "u"], world.Timeline(Assert.Single(world.Live()).Id));
        world.Describe();
    }
}
