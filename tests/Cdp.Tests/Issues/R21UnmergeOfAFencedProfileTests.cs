using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>An unmerge is asked for while the profile that has the merge is itself fenced, and its records are not folded into the winner's yet.</summary>
public sealed class R21UnmergeOfAFencedProfileTests
{
    [Fact]
    public async Task UnmergeIsDeliveredBetweenFenceAndFold_IsNotForgotten()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"identify","messageId":"other","traits":{"phone":"+4930123456"}}""");
        await Saga.TwoAsync(world, knownFirst: true);
        await world.SettleAsync(Saga.Login);
        var known = world.Owners("user_id", "u1").Single();
        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"link","userId":"u1","traits":{"phone":"+4930123456"}}"""));
        await world.DeliverAsync(world.Store.Receive(QueueName.Events)!);
        await Saga.PartAsync(world);
        var interrupted = false;
        world.Store.After = async call =>
        {
            if (interrupted || call.Operation != Storage.StoreOperation.Commit || !call.Keys.Contains($"p|{known.Id}"))
                return;
            interrupted = true;
            var unmerge = world.Store.Receive(QueueName.Merges)!;
            await world.NewWorker().ProcessAsync(unmerge);
            world.Store.Delete(unmerge);
        };
        await world.DrainAsync();
        world.Store.After = null;

        Assert.True(interrupted);
        Assert.NotEqual(world.Owners("user_id", "u1").Single().Id, world.Owners("anonymous_id", "a1").Single().Id);
        Assert.Equal(world.Owners("phone", "+4930123456").Single().Id, world.Owners("user_id", "u1").Single().Id);
        world.Describe();
    }
}
