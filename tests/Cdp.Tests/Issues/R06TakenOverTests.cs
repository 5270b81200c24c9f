using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>Identifiers that are only pending must not push a listed one out of its profile.</summary>
public sealed class R06TakenOverTests
{
    [Fact]
    public async Task ListedIdentifierAndFullProfile_StaysInItsProfile()
    {
        var world = await World.CreateAsync(1);
        // The winner-to-be has the email, the loser user u1 and four devices.
        await world.SettleAsync("""{"type":"identify","messageId":"e","traits":{"email":"one@mail.test"}}""");
        foreach (var device in new[] { "a1", "a2", "a3", "a4" })
            await world.SettleAsync($$"""{"type":"page","messageId":"{{device}}","userId":"u1","anonymousId":"{{device}}"}""");
        var (stale, other) = (world.NewWorker(), world.NewWorker());

        // This worker remembers the profile that is then merged away.
        await world.SendAsync(WorldExtensions.Batch("""{"type":"page","messageId":"warm","userId":"u1","anonymousId":"a1"}"""));
        var warm = world.Next()!;
        await stale.ProcessAsync(warm);
        world.Store.Delete(warm);
        await world.SettleAsync("""{"type":"identify","messageId":"link","userId":"u1","traits":{"email":"one@mail.test"}}""");

        await world.SendAsync(WorldExtensions.Batch(
            """{"type":"page","messageId":"m1","userId":"u1","anonymousId":"a5"}""",
            """{"type":"page","messageId":"m2","userId":"u1"}"""));
        var batch = world.Next()!;
        await world.SendAsync(WorldExtensions.Batch("""{"type":"page","messageId":"m4","userId":"u1","anonymousId":"a6"}"""));
        var meanwhile = world.Next()!;
        var interrupted = false;
        var reads = 0;
        world.Store.Before = async call =>
        {
            // Its memory has proven stale, and it resolves the second event anew.
            if (interrupted || Worker.Current != stale.Name || call.Operation != Storage.StoreOperation.GetRow || !call.Keys.Contains("user_id|u1") || ++reads < 2)
                return;
            interrupted = true;
            await other.ProcessAsync(meanwhile);
            world.Store.Delete(meanwhile);
        };
        await stale.ProcessAsync(batch);
        world.Store.Before = null;
        world.Store.Delete(batch);

        Assert.True(interrupted);
        Assert.Single(world.Owners("user_id", "u1"));
    }
}
