using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>An identifier was claimed for a profile and then dropped from the event. It belongs to nobody, least of all to a stranger.</summary>
public sealed class R10DroppedClaimTests
{
    [Fact]
    public async Task ClaimThatWasDropped_DoesNotLeadTheDeviceToAnotherUser()
    {
        var world = await World.CreateAsync(1);
        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"m1","userId":"u1","traits":{"email":"family@mail.test"}}"""));
        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"m2","userId":"u2","anonymousId":"a2","traits":{"email":"family@mail.test"}}"""));
        var (first, second) = (world.Next()!, world.Next()!);
        var (a, b) = (world.NewWorker(), world.NewWorker());
        var (bIsThere, aIsDone) = (new TaskCompletionSource(), new TaskCompletionSource());
        Task? runB = null;
        world.Store.Before = async call =>
        {
            if (call.Operation != Storage.StoreOperation.Commit || call.Place != "Profiles")
                return;
            if (Worker.Current == a.Name && runB is null)
            {
                // u1 and the address are claimed. Now the other one claims u2 and a2 for the same profile.
                runB = Task.Run(() => b.ProcessAsync(second));
                await bIsThere.Task;
            }
            else if (Worker.Current == b.Name && bIsThere.TrySetResult())
            {
                await aIsDone.Task;
            }
        };
        await a.ProcessAsync(first);
        aIsDone.SetResult();
        await runB!;
        world.Store.Before = null;
        world.Store.Delete(first);
        world.Store.Delete(second);
        await world.DrainAsync();
        await world.SettleAsync("""{"type":"page","messageId":"p2","anonymousId":"a2"}""");

        Assert.NotEqual(world.Owners("user_id", "u1").Single().Id, world.Owners("anonymous_id", "a2").Single().Id);
    }
}
