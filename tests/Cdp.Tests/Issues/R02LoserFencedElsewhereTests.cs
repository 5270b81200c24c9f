using Cdp.Storage;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>Two merges want the same loser. The second fences it while the first has only reserved it.</summary>
public sealed class R02LoserFencedElsewhereTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ReservedProfileIsFencedByAnotherMerge_FoldedOnceAndNobodyWaitsForEver(bool reserverIsSmallest)
    {
        var world = await World.CreateAsync(1);
        var mail = """{"type":"identify","messageId":"w","traits":{"email":"w@mail.test"},"timestamp":"2026-03-01T00:00:01Z"}""";
        var phone = """{"type":"identify","messageId":"y","traits":{"phone":"+49301234567"},"timestamp":"2026-03-01T00:00:01Z"}""";
        await world.SettleAsync(reserverIsSmallest ? mail : phone);
        await world.SettleAsync(reserverIsSmallest ? phone : mail);
        await world.SettleAsync("""{"type":"page","messageId":"l","anonymousId":"l","timestamp":"2026-03-01T00:00:01Z"}""");
        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"wl","anonymousId":"l","traits":{"email":"w@mail.test"},"timestamp":"2026-03-01T00:00:02Z"}"""));
        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"yl","anonymousId":"l","traits":{"phone":"+49301234567"},"timestamp":"2026-03-01T00:00:03Z"}"""));
        while (world.Store.Receive(QueueName.Events) is { } events)
            await world.DeliverAsync(events);
        var byMail = world.Store.Receive(QueueName.Merges)!;
        var byPhone = world.Store.Receive(QueueName.Merges)!;
        var loser = world.Owners("anonymous_id", "l").Single().Id;

        var (a, b) = (world.NewWorker(), world.NewWorker());
        var interrupted = false;
        world.Store.Before = async call =>
        {
            if (interrupted || Worker.Current != a.Name || call.Operation != Storage.StoreOperation.Commit || !call.Keys.Contains($"p|{loser}"))
                return;
            interrupted = true;
            await b.ProcessAsync(byPhone);
        };
        await a.ProcessAsync(byMail);
        world.Store.Before = null;
        world.Store.Delete(byMail);
        world.Store.Delete(byPhone);
        Assert.True(interrupted);

        var deliveries = 0;
        while (world.Next() is { } message)
        {
            await world.DeliverAsync(message);
            Assert.True(++deliveries < 100, "the merges wait for each other");
        }

        var all = Assert.Single(world.Profiles(), p => p.MergedInto is null);
        Assert.Empty(all.Absorbing);
        Assert.Equal(5, all.EventCount);
    }
}
