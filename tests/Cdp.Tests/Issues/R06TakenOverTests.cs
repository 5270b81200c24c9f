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

        // Both in one group, for they share u1 through the first; the second is known by a1 alone once u1... is left out.
        await world.SendAsync(WorldExtensions.Batch(
            """{"type":"page","messageId":"m1","userId":"u1","anonymousId":"a5"}""",
            """{"type":"page","messageId":"m2","anonymousId":"a1"}""",
            """{"type":"page","messageId":"m3","userId":"u1","anonymousId":"a1"}"""));
        var batch = world.Next()!;
        await world.SendAsync(WorldExtensions.Batch("""{"type":"page","messageId":"m4","userId":"u1","anonymousId":"a6"}"""));
        var meanwhile = world.Next()!;
        var interrupted = false;
        world.Store.After = async call =>
        {
            if (interrupted || Worker.Current != stale.Name || call.Operation != Storage.StoreOperation.Commit || !call.Keys.Contains("anonymous_id|a5"))
                return;
            interrupted = true;
            await other.ProcessAsync(meanwhile);
            world.Store.Delete(meanwhile);
        };
        await stale.ProcessAsync(batch);
        world.Store.After = null;
        world.Store.Delete(batch);
        await world.DrainAsync();

        Assert.True(interrupted);
        Assert.Single(world.Owners("anonymous_id", "a1"));
    }
}
