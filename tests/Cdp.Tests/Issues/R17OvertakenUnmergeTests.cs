using Cdp.Storage;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>
/// A worker stops before it deletes what its unmerge has moved. The unmerge is finished by another one, the two are merged again, and a second
/// unmerge begins.
/// </summary>
public sealed class R17OvertakenUnmergeTests
{
    [Fact]
    public async Task FirstUnmergesDeletionGoesOnBeforeTheSecondHasMoved_NothingIsLost()
    {
        var world = await World.CreateAsync(1);
        await Saga.TwoAsync(world, knownFirst: true);
        await world.SettleAsync(Saga.Login);
        var stays = world.Owners("user_id", "u1").Single().Id;
        await Saga.PartAsync(world);
        var slow = world.NewWorker();
        var (stopped, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var begun = 0;
        Task? run = null;
        world.Store.Before = async call =>
        {
            if (Worker.Current == slow.Name && call.Operation == Storage.StoreOperation.GetRow && call.Keys.Contains($"w|{stays}") && stopped.TrySetResult())
                await goOn.Task;
        };
        world.Store.After = async call =>
        {
            // Of each unmerge the first such transaction begins it, the second ends it: this is the third, of the second unmerge.
            if (call.Operation == Storage.StoreOperation.Commit && call.Keys.Contains($"w|{stays}") && call.Keys.Contains($"p|{stays}")
                && ++begun == 3)
            {
                goOn.SetResult();
                await run!;
            }
        };
        var message = world.Store.Receive(QueueName.Merges)!;
        run = slow.ProcessAsync(message);
        await stopped.Task;
        world.Store.Release(message);
        await world.DrainAsync();
        await world.SettleAsync("""{"type":"identify","messageId":"n1","anonymousId":"a1","traits":{"phone":"+4930123456"}}""");
        await world.SettleAsync("""{"type":"identify","messageId":"n2","userId":"u1","traits":{"phone":"+4930123456"}}""");

        await Saga.PartAsync(world);
        await world.DrainAsync();

        await run;
        Assert.Equal(["n1", "p"], world.Timeline(world.Owners("anonymous_id", "a1").Single().Id));
        world.Describe();
    }
}
