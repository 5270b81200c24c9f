using System.Net;
using System.Text.Json;
using CdpFunctions.Tests.Api;
using Xunit;

namespace CdpFunctions.Tests.Webhooks;

public sealed class WebhookTests(ApiApp app) : IClassFixture<ApiApp>
{
    private const string Secret = "shpss_4f6b1c";

    private readonly string source = "s" + Guid.NewGuid().ToString("n");

    [Fact]
    public async Task ShopifyOrder_IsOnTheTimelineOfItsCustomer_Once()
    {
        await PutAsync("""{"name":"Shop","type":"webhook","mapping":{"preset":"shopify"},"signature":{"scheme":"shopify","secret":"shpss_4f6b1c"}}""");
        var email = source + "@shop.example";
        var body = Payloads.Read("shopify-order").Replace("jon@example.com", email, StringComparison.Ordinal).Replace("+13125550142", Phone(), StringComparison.Ordinal);
        var headers = Signed.Shopify(body, Secret, "orders/create", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043");

        var answered = await SendAsync(body, headers);
        Assert.Equal("""{"success":true,"accepted":2,"rejected":[]}""", answered.Text);
        // Shopify sends again what was not answered in time: the same webhook id.
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(body, headers)).Status);
        await app.App.WaitForMessageAsync("b54557e4-bdd9-4b37-8a5f-bf7d70bcd043:order-completed", source);
        await app.App.WaitForMessageAsync("b54557e4-bdd9-4b37-8a5f-bf7d70bcd043:customer", source);

        var profile = (await app.CallAsync("GET", $"/v1/profiles/email:{email}")).Json;
        Assert.Equal(("Jon", "Smith", "Ottawa"), (Trait(profile, "firstName"), Trait(profile, "lastName"), profile.GetProperty("traits").GetProperty("address").GetProperty("city").GetString()));
        Assert.Equal(2, profile.GetProperty("counts").GetProperty("events").GetInt32());
        var order = Assert.Single((await app.CallAsync("GET", $"/v1/profiles/email:{email}/events?name=Order%20Completed")).Json.GetProperty("data").EnumerateArray().ToList());
        Assert.Equal("2026-01-02T15:00:00.000Z", order.GetProperty("timestamp").GetString());
        var properties = order.GetProperty("properties");
        Assert.Equal(
            ("820982911946154508", "195.67", "209.65", "10.00", "TENOFF"),
            (properties.GetProperty("order_id").GetString(), Raw(properties, "revenue"), Raw(properties, "total"), Raw(properties, "shipping"), properties.GetProperty("coupon").GetString()));
        var product = properties.GetProperty("products")[0];
        Assert.Equal(("IPOD2008PINK", "199.00", "1"), (product.GetProperty("sku").GetString(), Raw(product, "price"), Raw(product, "quantity")));
        // The provider's address is not the person's.
        Assert.False(order.GetProperty("context").TryGetProperty("ip", out _));
    }

    private static string Phone() => "+1" + Random.Shared.NextInt64(2_000_000_000, 9_999_999_999);

    private static string? Trait(JsonElement profile, string name) => profile.GetProperty("traits").GetProperty(name).GetString();

    private static string Raw(JsonElement json, string name) => json.GetProperty(name).GetRawText();

    private async Task PutAsync(string json)
    {
        var put = await app.CallAsync("PUT", "/v1/sources/" + source, json);
        Assert.True(put.Status is HttpStatusCode.Created or HttpStatusCode.OK, put.Text);
    }

    private Task<Answered> SendAsync(string body, params (string Name, string Value)[] headers) => app.CallAsync("POST", "/v1/webhooks/" + source, body, key: null, headers);
}
