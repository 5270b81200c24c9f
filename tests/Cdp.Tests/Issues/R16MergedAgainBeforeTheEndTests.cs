using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Issues;

/// <summary>
/// An unmerge has released the profile that comes back; the worker dies before it closes the other one. When the message comes again, the
/// released profile is a tombstone again: another merge has taken it.
/// </summary>
public sealed class R16MergedAgainBeforeTheEndTests
{
    [Fact]
    public async Task ReleasedProfileIsMergedElsewhereBeforeTheUnmergeEnds_ItIsNotBroughtBackOnceMore()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"identify","messageId":"other","traits":{"phone":"+4930123456"}}""");
        await Saga.TwoAsync(world, knownFirst: true);
        await world.SettleAsync(Saga.Login);
        var stays = world.Owners("user_id", "u1").Single().Id;
        await Saga.PartAsync(world);
        var unmerge = world.Store.Receive(QueueName.Merges)!;
        var begun = false;
        world.Store.Before = call =>
        {
            if (call.Operation != Storage.StoreOperation.Commit || !call.Keys.Contains($"w|{stays}") || !call.Keys.Contains($"p|{stays}"))
                return Task.CompletedTask;
            if (begun)
                throw new SimulatedCrashException(call);
            begun = true;
            return Task.CompletedTask;
        };
        await world.DeliverAsync(unmerge);
        world.Store.Before = null;
        Assert.Equal(2, world.Store.Receive(QueueName.Merges)!.DequeueCount);

        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"link","anonymousId":"a1","traits":{"phone":"+4930123456"}}"""));
        await world.DeliverAsync(world.Store.Receive(QueueName.Events)!);
        await world.DeliverAsync(world.Store.Receive(QueueName.Merges)!);
        world.Store.Release(unmerge);
        await world.DrainAsync();

        Assert.Equal(world.Owners("phone", "+4930123456").Single().Id, world.Owners("anonymous_id", "a1").Single().Id);
        Assert.Equal(["link", "other", "p"], world.Timeline(world.Owners("anonymous_id", "a1").Single().Id));
        world.Describe();
    }
}
