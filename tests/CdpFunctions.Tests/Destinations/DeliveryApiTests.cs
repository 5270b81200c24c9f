using System.Text;
using System.Text.Json;
using Cdp.Destinations.Webhooks;
using Xunit;

namespace CdpFunctions.Tests.Destinations;

/// <summary>Destinations over HTTP, on Azurite, with real servers to deliver to.</summary>
public sealed class DeliveryApiTests : IAsyncLifetime
{
    private TestApp? app;
    private Receiver? receiver;

    private TestApp App => app!;

    private Receiver To => receiver!;

    public async Task InitializeAsync()
    {
        app = await DeliveryApp.StartAsync(settings: new Dictionary<string, string?> { ["Cdp:Secrets:HOOK"] = "from-settings" });
        receiver = await Receiver.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await App.DisposeAsync();
        await To.DisposeAsync();
    }

    [Fact]
    public async Task Event_OfASubscribedName_ArrivesSigned_WithItsKeyAndTheProfile()
    {
        await App.IdentifyAsync("i1", "ann", """{"firstName":"Ann","secret":"s"}""");
        await App.PutDestinationAsync("hook", $$"""
            {"type":"webhook","settings":{"url":"{{To.Address}}in?a=1","headers":{"X-Team":"growth"} },"secrets":{"signingKey":"shhh","bearerToken":{"setting":"HOOK"} },
             "subscriptions":[{"on":"event","events":["Order Completed"],"filter":{"properties.total":{"gte":100} },"traits":["firstName"]}]}
            """);
        await App.TrackAsync("t1", "ann", "Viewed");
        await App.TrackAsync("t2", "ann", "Order Completed", """{"total":5}""");
        await App.TrackAsync("t3", "ann", "Order Completed", """{"total":100.50,"name":"Zoë"}""");
        await TestApp.WaitUntilAsync(() => Task.FromResult(To.All.Count > 0));

        var request = Assert.Single(To.All);
        Assert.Equal(("/in", "growth", "Bearer from-settings"), (request.Path, request.Headers["X-Team"], request.Headers["Authorization"]));
        var stamp = long.Parse(request.Signature!.Split(',')[0][2..], null);
        Assert.Equal(WebhookDestination.Sign(Encoding.UTF8.GetBytes(request.Body), "shhh", stamp), request.Signature);
        var body = JsonDocument.Parse(request.Body).RootElement;
        Assert.Equal("""{"firstName":"Ann"}""", body.GetProperty("profile").GetProperty("traits").GetRawText());
        Assert.Equal("""{"total":100.50,"name":"Zoë"}""", body.GetProperty("event").GetProperty("properties").GetRawText());
        var profile = await App.ReadJsonAsync("/v1/profiles/user_id:ann");
        Assert.Equal(profile.GetProperty("version").GetRawText(), request.Version);
        Assert.StartsWith($"event:{profile.GetProperty("id").GetString()}:", request.Key, StringComparison.Ordinal);

        await TestApp.WaitUntilAsync(async () => (await App.DeliveriesAsync("hook")).All(d => d.State() == "delivered"));
        var delivery = Assert.Single(await App.DeliveriesAsync("hook"));
        Assert.Equal((request.DeliveryId, request.Key, "t3"), (delivery.GetProperty("id").GetString(), delivery.GetProperty("key").GetString(), delivery.GetProperty("cause").GetProperty("messageId").GetString()));
        var attempt = Assert.Single(delivery.GetProperty("attempts").EnumerateArray());
        Assert.Equal(($"{To.Address}in", 200), (attempt.GetProperty("request").GetProperty("url").GetString(), attempt.GetProperty("response").GetProperty("status").GetInt32()));
        Assert.Equal(delivery.GetRawText(), (await App.ReadJsonAsync("/v1/destinations/hook/deliveries/" + request.DeliveryId)).GetRawText());
        var shown = await App.ReadJsonAsync("/v1/destinations/hook");
        Assert.Equal(("closed", 0), (shown.GetProperty("health").GetProperty("breaker").GetString(), shown.GetProperty("health").GetProperty("pending").GetInt32()));
        Assert.True(shown.GetProperty("health").TryGetProperty("lastSuccessAt", out _));
        Assert.DoesNotContain("shhh", shown.GetRawText(), StringComparison.Ordinal);
        Assert.True(shown.GetProperty("secrets").GetProperty("signingKey").GetProperty("set").GetBoolean());
    }
}
