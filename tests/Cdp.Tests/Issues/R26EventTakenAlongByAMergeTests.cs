using Cdp.Deliveries;
using Cdp.Storage;
using Cdp.Tests.Deliveries;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>A merge took an event along between the moment its profile was found and the moment the event was read: nobody was told of it.</summary>
public sealed class R26EventTakenAlongByAMergeTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AMergeBetweenAnyTwoCalls_TheEventIsDelivered(bool ofTheWinner)
    {
        for (var pause = 1; pause <= 60; pause++)
        {
            var world = await DeliveryWorld.CreateAsync();
            // The first profile wins.
            await world.World.SettleAsync("""{"type":"track","event":"A","messageId":"first","userId":"ann"}""");
            await world.World.SettleAsync("""{"type":"track","event":"A","messageId":"second","anonymousId":"x1"}""");
            var (one, other) = (world.Store.Receive(QueueName.Deliveries)!, world.Store.Receive(QueueName.Deliveries)!);
            if (!ofTheWinner)
                (one, other) = (other, one);
            var start = world.Store.Calls;
            var paused = false;
            world.Store.Before = async call =>
            {
                if (paused || call.Number != start + pause)
                    return;
                paused = true;
                await world.World.SettleAsync("""{"type":"identify","messageId":"link","userId":"ann","anonymousId":"x1"}""");
                Assert.Single(world.World.Live());
            };
            await world.Worker.ProcessAsync(one.Body);
            world.Store.Delete(one);
            while (!paused && world.Store.Receive(QueueName.Deliveries) is { } task)
            {
                await world.Worker.ProcessAsync(task.Body);
                world.Store.Delete(task);
            }

            world.Store.Before = null;
            if (!paused)
                return;
            world.Store.Release(other);
            await world.DrainAsync();
            Assert.All(world.Deliveries(), delivery => Assert.Equal(DeliveryState.Delivered, delivery.State));
            Assert.Contains(world.Type.Requests.SelectMany(r => r), sent => sent.Key == Change.Parse(one.Body).Id);
        }

        Assert.Fail("A delivery takes more calls than were tried.");
    }
}
