using System.Text.Json;
using Cdp.Deliveries;
using Cdp.Destinations;
using Cdp.Tests.Deliveries;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>
/// What a CRM had set was kept from it only as long as nothing else changed: the next delivery about the person sent it back. And what the person then set to the
/// value that was sent before the CRM's change was not sent at all.
/// </summary>
public sealed class R27OwnChangesSentBackTests
{
    private const string Crm = "hubspot";

    [Fact]
    public async Task WhatTheCrmSetOrRemoved_DoesNotGoBack_AndWhatIsSetAgainDoes()
    {
        var mapping = JsonDocument.Parse("""{"plan":{"path":"profile.traits.plan"},"stage":{"path":"profile.traits.stage"}}""").RootElement;
        var world = await DeliveryWorld.CreateAsync(1, isState: true, new Subscription(SubscriptionOn.Profile, Mapping: mapping, ExceptSources: [Crm]));
        await world.World.AddSourceAsync(Crm, Crm);
        await SetAsync(world, World.WriteKey, 1, """{"plan":"free","stage":"lead"}""");
        await SetAsync(world, Crm, 2, """{"stage":"customer"}""");
        await SetAsync(world, World.WriteKey, 3, """{"plan":"pro"}""");
        Assert.Equal(["plan=free,stage=lead", "plan=pro"], Sent(world));
        // As it was sent first; there it is something else now.
        await SetAsync(world, World.WriteKey, 4, """{"stage":"lead"}""");
        await SetAsync(world, Crm, 5, """{"stage":null}""");
        await SetAsync(world, World.WriteKey, 6, """{"plan":"free"}""");
        await SetAsync(world, World.WriteKey, 7, """{"stage":"lead"}""");
        Assert.Equal(["plan=free,stage=lead", "plan=pro", "stage=lead", "plan=free", "stage=lead"], Sent(world));
        Assert.All(world.Deliveries(), delivery => Assert.Equal(DeliveryState.Delivered, delivery.State));
    }

    /// <summary>Both are looked at by one worker, and the row of what was sent is written once.</summary>
    [Fact]
    public async Task SeveralDeliveriesAboutOnePersonInABatch_AreAllDone()
    {
        var mapping = JsonDocument.Parse("""{"plan":{"path":"profile.traits.plan"},"stage":{"path":"profile.traits.stage"}}""").RootElement;
        var world = await DeliveryWorld.CreateAsync(10, isState: true, new Subscription(SubscriptionOn.Profile, Mapping: mapping, ExceptSources: [Crm]));
        await world.World.AddSourceAsync(Crm, Crm);
        await SetAsync(world, World.WriteKey, 1, """{"plan":"free"}""");
        for (var second = 2; second <= 4; second++)
        {
            await world.World.SendAsync(Identify(second, $$"""{"stage":"s{{second}}"}"""), Crm);
            await world.World.DrainAsync();
        }

        await world.DrainAsync();
        Assert.Equal(["plan=free"], Sent(world));
        Assert.Equal(4, world.Deliveries().Count);
        Assert.All(world.Deliveries(), delivery => Assert.Equal((DeliveryState.Delivered, 0), (delivery.State, world.Pending())));
    }

    private static string Identify(int second, string traits) =>
        $$"""{"batch":[{"type":"identify","messageId":"i{{second}}","userId":"ann","traits":{{traits}},"timestamp":"2026-03-01T00:00:0{{second}}Z"}]}""";

    private static async Task SetAsync(DeliveryWorld world, string writeKey, int second, string traits)
    {
        await world.World.SendAsync(Identify(second, traits), writeKey);
        await world.World.DrainAsync();
        await world.DrainAsync();
    }

    private static IEnumerable<string> Sent(DeliveryWorld world) => world.Type.Requests.Select(request => string.Join(
        ',', request[0].Changed!.Order().Select(name => $"{name}={request[0].Payload.GetProperty(name)}")));
}
