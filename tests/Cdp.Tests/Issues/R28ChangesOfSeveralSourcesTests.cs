using Cdp.Collect;
using Cdp.Destinations;
using Cdp.Storage;
using Cdp.Tests.Deliveries;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>
/// Requests that come in at once share a message, and so a commit. The last event spoke for all: who excepts its source was not told of what another
/// source had changed.
/// </summary>
public sealed class R28ChangesOfSeveralSourcesTests
{
    private const string Crm = "hubspot";

    [Fact]
    public async Task OneCommitOfTwoSources_IsToldToWhoExceptsTheLast()
    {
        var world = await DeliveryWorld.CreateAsync(1, isState: false, new Subscription(SubscriptionOn.Profile, ExceptSources: [Crm]));
        await world.World.AddSourceAsync(Crm, Crm);
        await world.World.Worker.CollectAsync("""{"batch":[{"type":"identify","messageId":"m1","userId":"ann","traits":{"plan":"pro"}}]}""");
        await world.World.Worker.CollectAsync("""{"batch":[{"type":"identify","messageId":"m2","userId":"ann","traits":{"stage":"customer"}}]}""", Crm);
        var together = new List<CollectedEvent>();
        while (world.Store.Receive(QueueName.Events) is { } message)
        {
            together.AddRange(await EventMessageCodec.DecodeAsync(message.Body, world.Store, CancellationToken.None));
            world.Store.Delete(message);
        }

        await world.Store.SendAsync(QueueName.Events, EventMessageCodec.Encode(together), null, CancellationToken.None);
        await world.World.DrainAsync();
        await world.DrainAsync();
        Assert.Equal(2, together.Count);
        Assert.Equal(2, Assert.Single(Assert.Single(world.Type.Requests)).View.GetProperty("profile").GetProperty("traits").GetPropertyCount());
    }
}
