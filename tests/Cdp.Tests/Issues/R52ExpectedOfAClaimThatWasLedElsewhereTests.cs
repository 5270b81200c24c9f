using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Issues;

/// <summary>
/// An event was resolved by another worker's claim, which that worker then led to the profile it had found. The next event of the group, with this user and
/// a device, was taken to join two known people: the profile it was found at, and the one that the claim had been for. It lost the device.
/// </summary>
public sealed class R52ExpectedOfAClaimThatWasLedElsewhereTests
{
    [Fact]
    public async Task TheClaimIsLedElsewhere_WhileAGroupIsResolved_NothingIsDropped()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"page","messageId":"m1","anonymousId":"a2","timestamp":"2026-03-01T00:00:01Z"}""");
        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"m2","userId":"u1","anonymousId":"a2","timestamp":"2026-03-01T00:00:02Z"}"""));
        var ofFirst = world.Store.Receive(QueueName.Events)!;
        await world.SendAsync(WorldExtensions.Batch(
            """{"type":"page","messageId":"m3","anonymousId":"a1","timestamp":"2026-03-01T00:00:03Z"}""",
            """{"type":"track","event":"A","messageId":"m4","userId":"u1","timestamp":"2026-03-01T00:00:04Z"}""",
            """{"type":"identify","messageId":"m5","userId":"u1","anonymousId":"a1","timestamp":"2026-03-01T00:00:05Z"}"""));
        var ofSecond = world.Store.Receive(QueueName.Events)!;
        var (first, second) = (world.NewWorker(), world.NewWorker());
        var (hasRead, hasMoved) = (new TaskCompletionSource(), new TaskCompletionSource());
        var (reading, reads) = ((Task?)null, 0);
        world.Store.After = async call =>
        {
            if (!call.Keys.Contains("user_id|u1"))
                return;
            if (reading is null)
            {
                // The first has claimed the user for a new profile, and will find that the device has one.
                reading = Task.CompletedTask;
                // The later of two new profiles yields.
                world.Time.Advance(TimeSpan.FromMilliseconds(1));
                reading = second.ProcessAsync(ofSecond);
                await hasRead.Task;
            }
            else if (call.Operation == StoreOperation.GetRow && ++reads == 2)
            {
                // For the track call it read the claim, and again for the identify call.
                hasRead.SetResult();
                await hasMoved.Task;
            }
        };

        await first.ProcessAsync(ofFirst);
        world.Store.After = null;
        hasMoved.SetResult();
        await reading!;
        world.Store.Delete(ofFirst);
        world.Store.Delete(ofSecond);
        await world.DrainAsync();

        var profile = Assert.Single(world.Live());
        Assert.Empty(profile.Decisions);
        Assert.Equal(["a1", "a2", "u1"], profile.Identifiers.Select(i => i.Identifier.Value).Order());
        Assert.Equal(5, profile.EventCount);
    }
}
