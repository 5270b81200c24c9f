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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WhatTheCrmSetOrRemoved_DoesNotGoBack_AndWhatIsSetAgainDoes(bool mapped)
    {
        var mapping = JsonDocument.Parse("""{"plan":{"path":"profile.traits.plan"},"stage":{"path":"profile.traits.stage"}}""").RootElement;
        var world = await WorldAsync(mapped ? new Subscription(SubscriptionOn.Profile, Mapping: mapping, ExceptSources: [Crm]) : new Subscription(SubscriptionOn.Profile, ExceptSources: [Crm]));
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

    [Fact]
    public async Task OneCommitOfTwoSources_IsToldToWhoExceptsOneOfThem()
    {
        var world = await DeliveryWorld.CreateAsync(1, isState: false, new Subscription(SubscriptionOn.Profile, ExceptSources: [Crm]));
        await world.World.AddSourceAsync(Crm, Crm);
        await world.World.SettleAsync("""{"type":"track","event":"A","messageId":"m0","userId":"ann"}""");
        await world.World.Worker.CollectAsync("""{"type":"identify","messageId":"m1","userId":"ann","traits":{"plan":"pro"}}""");
        await world.World.Worker.CollectAsync("""{"type":"identify","messageId":"m2","userId":"ann","traits":{"stage":"customer"}}""", Crm);
        await world.World.DrainAsync();
        await world.DrainAsync();
        Assert.NotEmpty(world.Type.Requests);
    }

    private static async Task<DeliveryWorld> WorldAsync(Subscription subscription)
    {
        var world = await DeliveryWorld.CreateAsync(1, isState: true, subscription);
        await world.World.AddSourceAsync(Crm, Crm);
        return world;
    }

    private static async Task SetAsync(DeliveryWorld world, string writeKey, int second, string traits)
    {
        await world.World.SendAsync($$"""{"batch":[{"type":"identify","messageId":"i{{second}}","userId":"ann","traits":{{traits}},"timestamp":"2026-03-01T00:00:0{{second}}Z"}]}""", writeKey);
        await world.World.DrainAsync();
        await world.DrainAsync();
    }

    private static IEnumerable<string> Sent(DeliveryWorld world) => world.Type.Requests.Select(request => string.Join(
        ',', request[0].Changed!.Order().Select(name => $"{name}={request[0].Payload.GetProperty(name)}")));
}
