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

    [Fact]
    public async Task Secret_IsNeverShown_AndStaysUntilItIsReplaced()
    {
        var put = await app.CallAsync("PUT", "/v1/sources/" + source, """{"type":"webhook","mapping":{"preset":"shopify"},"signature":{"scheme":"shopify","secret":"shpss_4f6b1c"}}""");
        var read = await app.CallAsync("GET", "/v1/sources/" + source);
        var list = await app.CallAsync("GET", "/v1/sources?limit=1000");
        foreach (var answered in new[] { put, read, list })
            Assert.DoesNotContain("shpss_4f6b1c", answered.Text);
        var secret = read.Json.GetProperty("signature").GetProperty("secret");
        Assert.True(secret.GetProperty("set").GetBoolean());
        Assert.Equal("""{"preset":"shopify"}""", read.Json.GetProperty("mapping").GetRawText());

        // What was answered is put again: the secret is the same.
        await PutAsync(read.Text);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync("{}", Signed.Shopify("{}", Secret, "shop/update"))).Status);
        await PutAsync("""{"type":"webhook","mapping":{"preset":"shopify"},"signature":{"scheme":"shopify","secret":"other"}}""");
        Assert.Equal("401 invalid-signature", (await SendAsync("{}", Signed.Shopify("{}", Secret, "shop/update"))).Problem);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync("{}", Signed.Shopify("{}", "other", "shop/update"))).Status);
    }

    [Fact]
    public async Task Shopify_WithAnotherSecretBodyOrNoSignature_Is401_AndAnUnknownTopicIsNothing()
    {
        await PutAsync("""{"type":"webhook","mapping":{"preset":"shopify"},"signature":{"scheme":"shopify","secret":"shpss_4f6b1c"}}""");
        Assert.Equal("""{"success":true,"accepted":0,"rejected":[]}""", (await SendAsync("""{"a":1}""", Signed.Shopify("""{"a":1}""", Secret, "shop/update"))).Text);
        Assert.Equal("401 invalid-signature", (await SendAsync("""{"a":1}""", Signed.Shopify("""{"a":1}""", "wrong", "shop/update"))).Problem);
        Assert.Equal("401 invalid-signature", (await SendAsync("""{"a":2}""", Signed.Shopify("""{"a":1}""", Secret, "shop/update"))).Problem);
        Assert.Equal("401 invalid-signature", (await SendAsync("""{"a":1}""")).Problem);
        Assert.Equal("404 not-found", (await app.CallAsync("POST", "/v1/webhooks/no-such-source", "{}", key: null)).Problem);
    }

    [Fact]
    public async Task Stripe_TakesASignatureOfNow_OnceHoweverOftenItComes_AndNoOldOne()
    {
        await PutAsync("""{"type":"webhook","mapping":{"preset":"stripe"},"signature":{"scheme":"stripe","secret":"whsec_1"}}""");
        var body = Payloads.Read("stripe-charge").Replace("evt_3MmlLrLkdIwHu7ix0uke3Ezy", source, StringComparison.Ordinal).Replace("jenny.rosen", source, StringComparison.Ordinal);
        var now = TimeProvider.System.GetUtcNow();
        Assert.Equal("401 invalid-signature", (await SendAsync(body, Signed.Stripe(body, "whsec_1", now.AddMinutes(-6)))).Problem);
        Assert.Equal("401 invalid-signature", (await SendAsync(body, Signed.Stripe(body, "whsec_1", now.AddMinutes(6)))).Problem);
        Assert.Equal("401 invalid-signature", (await SendAsync(body, Signed.Stripe(body, "whsec_2", now))).Problem);
        var signed = Signed.Stripe(body, "whsec_1", now.AddMinutes(-4));
        for (var i = 0; i < 3; i++)
            Assert.Equal(HttpStatusCode.OK, (await SendAsync(body, signed)).Status);
        await app.App.WaitForMessageAsync(source + ":charge-succeeded", source);
        await app.CollectAsync("identify", $$$"""{"messageId":"{{{source}}}","traits":{"email":"{{{source}}}@example.com"}}""");
        var profile = (await app.CallAsync("GET", $"/v1/profiles/email:{source}@example.com")).Json;
        Assert.Equal(2, profile.GetProperty("counts").GetProperty("events").GetInt32());
    }

    [Fact]
    public async Task GitHub_SignsInHex()
    {
        await PutAsync("""{"type":"webhook","mapping":{"events":[{"event":"Push","userId":"$.sender.login","properties":{"repository":"$.repository.full_name"}}]},"signature":{"scheme":"github","secret":"gh"}}""");
        var body = $$$"""{"ref":"refs/heads/main","repository":{"full_name":"octo/repo"},"sender":{"login":"{{{source}}}"}}""";
        Assert.Equal(1, (await SendAsync(body, Signed.GitHub(body, "gh"))).Json.GetProperty("accepted").GetInt32());
        Assert.Equal("401 invalid-signature", (await SendAsync(body, Signed.GitHub(body, "hg"))).Problem);
        Assert.Equal("401 invalid-signature", (await SendAsync(body, ("X-Hub-Signature-256", "sha256=00"))).Problem);
        Assert.Equal("401 invalid-signature", (await SendAsync(body, ("X-Hub-Signature-256", "sha1=abc"))).Problem);
    }

    [Fact]
    public async Task HubSpot_SignsTheUrlToo_AndATime()
    {
        await PutAsync("""{"type":"webhook","mapping":{"preset":"hubspot"},"signature":{"scheme":"hubspot","secret":"hs"}}""");
        var url = new Uri(app.App.Client.BaseAddress!, "/v1/webhooks/" + source).ToString();
        var now = TimeProvider.System.GetUtcNow();
        Assert.Equal(HttpStatusCode.OK, (await SendAsync("[]", Signed.HubSpot(url, "[]", "hs", now))).Status);
        Assert.Equal("401 invalid-signature", (await SendAsync("[]", Signed.HubSpot(url + "x", "[]", "hs", now))).Problem);
        Assert.Equal("401 invalid-signature", (await SendAsync("[]", Signed.HubSpot(url, "[]", "sh", now))).Problem);
        Assert.Equal("401 invalid-signature", (await SendAsync("[]", Signed.HubSpot(url, "[]", "hs", now.AddMinutes(-6)))).Problem);
        // Behind a proxy that says what it was asked for.
        var proxied = Signed.HubSpot($"https://cdp.shop.example/v1/webhooks/{source}", "[]", "hs", now);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync("[]", [.. proxied, ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "cdp.shop.example")])).Status);
    }

    [Fact]
    public async Task HubSpot_SignsTheConfiguredUrl_WhateverTheRequestSays()
    {
        await using var behind = await TestApp.StartAsync(new Dictionary<string, string?> { ["Cdp:PublicUrl"] = "https://cdp.shop.example/data" });
        using var put = await behind.SendAsync(
            HttpMethod.Put, "/v1/sources/hs", """{"type":"webhook","mapping":{"preset":"hubspot"},"signature":{"scheme":"hubspot","secret":"hs"}}""", new("Bearer", TestApp.ApiKey));
        Assert.Equal(HttpStatusCode.Created, put.StatusCode);
        foreach (var (url, status) in new[] { ("https://cdp.shop.example/data/v1/webhooks/hs", HttpStatusCode.OK), ("https://other.example/v1/webhooks/hs", HttpStatusCode.Unauthorized) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(behind.Client.BaseAddress!, "/v1/webhooks/hs")) { Content = new StringContent("[]") };
            foreach (var (name, value) in Signed.HubSpot(url, "[]", "hs", TimeProvider.System.GetUtcNow()))
                request.Headers.Add(name, value);
            request.Headers.Add("X-Forwarded-Host", "other.example");
            request.Headers.Add("X-Forwarded-Proto", "https");
            using var answered = await behind.Client.SendAsync(request);
            Assert.Equal(status, answered.StatusCode);
        }
    }

    [Fact]
    public async Task BearerBasicAndWriteKey_LetIn_AndNothingElse()
    {
        const string mapping = """{"events":[{"event":"Visit","anonymousId":"$.id"}]}""";
        await PutAsync($$$"""{"type":"webhook","mapping":{{{mapping}}},"signature":{"scheme":"bearer","secret":"token-1"}}""");
        Assert.Equal(HttpStatusCode.OK, (await SendAsync("""{"id":"v1"}""", ("Authorization", "Bearer token-1"))).Status);
        Assert.Equal("401 invalid-signature", (await SendAsync("""{"id":"v1"}""", ("Authorization", "Bearer token-2"))).Problem);
        await PutAsync($$$"""{"type":"webhook","mapping":{{{mapping}}},"signature":{"scheme":"basic","user":"pipedrive","secret":"pass:word"}}""");
        Assert.Equal(HttpStatusCode.OK, (await SendAsync("""{"id":"v1"}""", Basic("pipedrive:pass:word"))).Status);
        Assert.Equal("401 invalid-signature", (await SendAsync("""{"id":"v1"}""", Basic("pipedrive:password"))).Problem);
        Assert.Equal("401 invalid-signature", (await SendAsync("""{"id":"v1"}""", ("Authorization", "Basic ???"))).Problem);
        // Without a scheme a write key of this source is needed.
        await PutAsync($$"""{"type":"webhook","mapping":{{mapping}}}""");
        Assert.Equal("401 unknown-write-key", (await SendAsync("""{"id":"v1"}""")).Problem);
        Assert.Equal("401 unknown-write-key", (await SendAsync("""{"id":"v1"}""", ("Authorization", "Bearer local"))).Problem);
        var key = (await app.CallAsync("POST", $"/v1/sources/{source}/write-keys")).Json.GetProperty("writeKey").GetString();
        Assert.Equal(HttpStatusCode.OK, (await app.CallAsync("POST", $"/v1/webhooks/{source}?writeKey={key}", """{"id":"v1"}""", key: null)).Status);
    }

    [Fact]
    public async Task WhatCannotBeTaken_IsSaid()
    {
        await PutAsync("""{"type":"webhook","mapping":{"events":[{"name":"r","forEach":"$","event":"Sale","userId":"@.user","messageId":"@.id","properties":{"total":{"path":"@.total","as":"number"}}}]},"signature":{"scheme":"bearer","secret":"t"}}""");
        var bearer = ("Authorization", "Bearer t");
        var mixed = await SendAsync($$"""[{"id":"a","user":"{{source}}","total":"1.50"},{"id":"b","user":"{{source}}","total":"much"},{"id":"c","total":"2"}]""", bearer);
        Assert.Equal(1, mixed.Json.GetProperty("accepted").GetInt32());
        Assert.Equal(["1 /problems/invalid-field", "2 /problems/no-identity"], mixed.Json.GetProperty("rejected").EnumerateArray().Select(r => $"{r.GetProperty("index")} {r.GetProperty("type").GetString()}"));
        Assert.DoesNotContain("much", mixed.Text);
        var none = await SendAsync($$"""[{"id":"d","user":"{{source}}","total":"much"}]""", bearer);
        Assert.Equal(("400 invalid-field", "events[0].properties.total"), (none.Problem, none.Errors));
        // Nobody is named: the sender can do nothing about it.
        var nobody = await SendAsync("""[{"id":"e","total":"1"}]""", bearer);
        Assert.Equal((HttpStatusCode.OK, 0), (nobody.Status, nobody.Json.GetProperty("accepted").GetInt32()));
        Assert.Equal("400 not-json", (await SendAsync("{", bearer)).Problem);
        Assert.Equal("400 not-json", (await SendAsync("""{"a":1,"a":2}""", bearer)).Problem);
        Assert.Equal("413 request-too-large", (await SendAsync("\"" + new string('x', 1024 * 1024) + "\"", bearer)).Problem);
        await PutAsync("""{"type":"webhook","enabled":false,"mapping":{"events":[{"event":"E","userId":"$.a"}]},"signature":{"scheme":"bearer","secret":"t"}}""");
        Assert.Equal("403 source-disabled", (await SendAsync("""{"a":"u"}""", bearer)).Problem);
        Assert.Equal("422 mapping-invalid", (await app.CallAsync("PUT", "/v1/sources/" + source, """{"mapping":{"events":[{"event":"E","properties":{"x":{"path":"a"}}}]}}""")).Problem);
        Assert.Equal("400 invalid-field", (await app.CallAsync("PUT", "/v1/sources/" + source, """{"signature":{"scheme":"shopify"}}""")).Problem);
    }

    [Fact]
    public async Task Preview_ShowsEvents_Rejections_AndTheRules_AndStoresNothing()
    {
        await PutAsync("""{"type":"webhook","mapping":{"preset":"receipt"}}""");
        var receipt = Payloads.Read("receipt").Replace("\"email\":null", $"\"email\":\"{source}@shop.example\"", StringComparison.Ordinal);
        var own = (await app.CallAsync("POST", $"/v1/sources/{source}/preview", $$"""{"payload":{{receipt}}}""")).Json;
        var made = Assert.Single(own.GetProperty("events").EnumerateArray().ToList());
        Assert.Equal(("sale", "Order Completed", source), (made.GetProperty("rule").GetString(), made.GetProperty("event").GetProperty("event").GetString(), made.GetProperty("event").GetProperty("sourceId").GetString()));
        Assert.Equal("return", Assert.Single(own.GetProperty("skipped").EnumerateArray().ToList()).GetProperty("rule").GetString());
        var tried = (await app.CallAsync(
            "POST", $"/v1/sources/{source}/preview",
            $$$"""{"payload":[{"u":"{{{source}}}"},{"u":""}],"headers":{"X-Topic":"t"},"mapping":{"events":[{"name":"mine","forEach":"$","when":{"path":"header:x-topic","eq":"t"},"event":"Mine","userId":"@.u"}]}}""")).Json;
        Assert.Equal("mine", tried.GetProperty("events")[0].GetProperty("rule").GetString());
        Assert.Equal((1, "/problems/no-identity"), (tried.GetProperty("rejected")[0].GetProperty("index").GetInt32(), tried.GetProperty("rejected")[0].GetProperty("type").GetString()));
        Assert.Equal("422 mapping-invalid", (await app.CallAsync("POST", $"/v1/sources/{source}/preview", """{"payload":{},"mapping":{"events":[{}]}}""")).Problem);
        Assert.Equal("400 invalid-field", (await app.CallAsync("POST", $"/v1/sources/{source}/preview", "{}")).Problem);
        Assert.Equal("404 not-found", (await app.CallAsync("POST", "/v1/sources/nobody/preview", """{"payload":{}}""")).Problem);
        Assert.Equal("404 profile-not-found", (await app.CallAsync("GET", $"/v1/profiles/email:{source}@shop.example")).Problem);
    }

    [Fact]
    public async Task SchemaAndPresets_AreServed()
    {
        Assert.Equal("Mapping", (await app.CallAsync("GET", "/v1/mapping-schema")).Json.GetProperty("title").GetString());
        Assert.Equal(
            ["shopify", "stripe", "hubspot", "salesforce", "pipedrive", "receipt", "sendgrid"],
            (await app.CallAsync("GET", "/v1/mapping-presets")).Json.GetProperty("data").EnumerateArray().Select(preset => preset.GetProperty("preset").GetString()!));
    }

    private static (string Name, string Value) Basic(string credentials) => ("Authorization", "Basic " + Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(credentials)));

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
