using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using CdpFunctions.Tests.Destinations;
using CdpFunctions.Tests.Webhooks;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace CdpFunctions.Tests.Crm;

/// <summary>A HubSpot that is told of persons and tells of contacts, over HTTP both ways, on Azurite.</summary>
public sealed class CrmRoundTripTests : IAsyncLifetime
{
    private const string Secret = "client-secret";
    private const long App = 1160452;

    private TestApp? app;
    private Receiver? receiver;
    private string webKey = "";
    private long clock = TimeProvider.System.GetUtcNow().AddMinutes(-2).ToUnixTimeMilliseconds();
    private int events;

    private TestApp Cdp => app!;

    private Receiver HubSpot => receiver!;

    public async Task InitializeAsync()
    {
        receiver = await Receiver.StartAsync(TakeAsync);
        app = await DeliveryApp.StartAsync(settings: new Dictionary<string, string?> { ["Cdp:Secrets:HUBSPOT"] = "pat-1", ["Cdp:Secrets:HUBSPOT_APP"] = Secret });
        await PutAsync("/v1/identity-rules", """
            {"types":[{"type":"user_id"},{"type":"hubspot_contact_id","unique":true},{"type":"email"},{"type":"phone"},{"type":"anonymous_id"}]}
            """);
        await PutAsync("/v1/sources/hubspot", """
            {"type":"webhook","trust":"server","mapping":{"preset":"hubspot"},"signature":{"scheme":"hubspot","secret":{"setting":"HUBSPOT_APP"} } }
            """);
        await PutAsync("/v1/sources/web", """{"type":"http"}""");
        webKey = (await Cdp.PostAsync("/v1/sources/web/write-keys", "{}", HttpStatusCode.Created)).GetProperty("writeKey").GetString()!;
        await PutAsync("/v1/segments/regulars", """{"where":{"event":"Order Completed","count":{"gte":2}}}""");
        await Cdp.PutDestinationAsync("crm", $$"""
            {"type":"hubspot","settings":{"baseUrl":"{{HubSpot.Address}}"},"secrets":{"accessToken":{"setting":"HUBSPOT"} },
             "subscriptions":[{"on":"segment","traits":["firstName","lifecycleStage","plan","visits"],"exceptSources":["hubspot"]},
                              {"on":"profile","traits":["firstName","lifecycleStage","plan","visits"],"exceptSources":["hubspot"]}]}
            """);
    }

    public async Task DisposeAsync()
    {
        await Cdp.DisposeAsync();
        await HubSpot.DisposeAsync();
    }

    [Fact]
    public async Task Contact_ComesIn_BehaviourJoinsIt_MembershipGoesOut_AndTheEchoChangesNothing()
    {
        // A salesperson makes a contact.
        await ChangeAsync("userId:9", ("", ""), ("email", "Emelia@Shop.example"), ("firstname", "Emelia"), ("lifecyclestage", "lead"));
        var contact = await ProfileAsync("email:emelia@shop.example");
        Assert.Equal(contact.GetProperty("id").GetString(), (await ProfileAsync("hubspot_contact_id:77")).GetProperty("id").GetString());
        Assert.Equal(("Emelia", "lead"), (Trait(contact, "firstName"), Trait(contact, "lifecycleStage")));

        await SettleAsync();

        // The contact is somebody who has been looking around, and says so.
        await WebAsync("w1", """{"type":"page","anonymousId":"a1","name":"Tents"}""");
        await WebAsync("w2", """{"type":"track","anonymousId":"a1","event":"Order Completed","properties":{"total":90}}""");
        await WebAsync("w3", """{"type":"identify","anonymousId":"a1","traits":{"email":"emelia@shop.example","firstName":"Emelia","plan":"pro","visits":12}}""");
        await WebAsync("w4", """{"type":"track","anonymousId":"a1","event":"Order Completed","properties":{"total":120}}""");
        await TestApp.WaitUntilAsync(async () => (await ProfileAsync("anonymous_id:a1")).GetProperty("counts").GetProperty("events").GetInt32() == 8);
        var joined = await ProfileAsync("anonymous_id:a1");
        Assert.Equal(joined.GetProperty("id").GetString(), (await ProfileAsync("hubspot_contact_id:77")).GetProperty("id").GetString());
        Assert.Equal(
            ["hubspot", "hubspot", "hubspot", "hubspot", "web", "web", "web", "web"],
            (await Cdp.ReadJsonAsync("/v1/profiles/hubspot_contact_id:77/events")).GetProperty("data").EnumerateArray().Select(e => e.GetProperty("sourceId").GetString()).Order());

        // Out goes what it did not know, each property once.
        await TestApp.WaitUntilAsync(async () => Written().Contains("cdp_segments=regulars") && await IsSettledAsync());
        Assert.Equal(["cdp_segments=regulars", "plan=pro", "visits=12"], Written().Where(static p => p != "cdp_segments=").Order());
        Assert.All(Inputs(), input => Assert.Equal(("email", "emelia@shop.example"), (input.GetProperty("idProperty").GetString(), input.GetProperty("id").GetString())));

        // It tells of what was written; what its own app wrote is nothing new, and what another program copied changes no value.
        var (requests, before) = (HubSpot.Arrived, await ProfileAsync("anonymous_id:a1"));
        await ChangeAsync(App.ToString(CultureInfo.InvariantCulture), ("cdp_segments", "regulars"), ("plan", "pro"), ("visits", "12"));
        var copied = await ChangeAsync("4711", ("plan", "pro"), ("firstname", "Emelia"));
        // HubSpot repeats what it was not answered in time.
        await PostAsync(copied.Replace("\"attemptNumber\":0", "\"attemptNumber\":1", StringComparison.Ordinal));
        await SettleAsync();
        var after = await ProfileAsync("anonymous_id:a1");
        foreach (var name in (string[])["id", "identifiers", "traits", "segments"])
            Assert.Equal(before.GetProperty(name).GetRawText(), after.GetProperty(name).GetRawText());
        Assert.Equal(before.GetProperty("counts").GetProperty("events").GetInt32() + 2, after.GetProperty("counts").GetProperty("events").GetInt32());
        Assert.Equal(requests, HubSpot.Arrived);

        // A salesperson edits the contact: it is known here, and is not sent back, now or with what changes later.
        await ChangeAsync("userId:9", ("lifecyclestage", "customer"));
        await SettleAsync();
        Assert.Equal("customer", Trait(await ProfileAsync("anonymous_id:a1"), "lifecycleStage"));
        Assert.Equal(requests, HubSpot.Arrived);
        await WebAsync("w5", """{"type":"identify","anonymousId":"a1","traits":{"visits":13}}""");
        await TestApp.WaitUntilAsync(() => Task.FromResult(HubSpot.Arrived > requests));
        await SettleAsync();
        Assert.Equal("""{"visits":"13"}""", Assert.Single(Inputs().Skip(requests)).GetProperty("properties").GetRawText());
        Assert.Equal("regulars", Assert.Single((await ProfileAsync("hubspot_contact_id:77")).GetProperty("segments").EnumerateArray()).GetProperty("id").GetString());
    }

    [Fact]
    public async Task Batch_OfWhichAPartIsRefused_IsDeliveredButForThat()
    {
        HubSpot.Answer = async (context, body) =>
        {
            var ids = JsonDocument.Parse(body).RootElement.GetProperty("inputs").EnumerateArray().Select(static i => i.GetProperty("id").GetString()).ToList();
            var isBad = ids.Contains("bad@shop.example");
            context.Response.StatusCode = isBad ? StatusCodes.Status207MultiStatus : StatusCodes.Status200OK;
            await context.Response.WriteAsync(isBad
                ? """{"status":"COMPLETE","results":[],"numErrors":1,"errors":[{"status":"error","category":"VALIDATION_ERROR","context":{"ids":["bad@shop.example"]}}]}"""
                : """{"status":"COMPLETE","results":[]}""");
        };
        foreach (var name in (string[])["ann", "bad", "cem", "dea"])
            await WebAsync(name, $$"""{"type":"identify","userId":"{{name}}","traits":{"email":"{{name}}@shop.example","plan":"pro"} }""");
        await TestApp.WaitUntilAsync(async () => (await Cdp.DeliveriesAsync("crm")).Count == 4 && await IsSettledAsync());
        var bad = (await ProfileAsync("user_id:bad")).GetProperty("id").GetString();
        foreach (var delivery in await Cdp.DeliveriesAsync("crm"))
            Assert.Equal(delivery.GetProperty("profileId").GetString() == bad ? "dead" : "delivered", delivery.State());
        Assert.Contains("VALIDATION_ERROR", Assert.Single(await Cdp.DeliveriesAsync("crm", "&state=dead")).GetRawText(), StringComparison.Ordinal);
        // What was taken is not sent again.
        Assert.Equal(3, Inputs().Count(static i => i.GetProperty("id").GetString() != "bad@shop.example"));
    }

    private static Task TakeAsync(HttpContext context, string body)
    {
        var isRight = context.Request.Headers.Authorization == "Bearer pat-1" && context.Request.Path == "/crm/v3/objects/contacts/batch/upsert";
        context.Response.StatusCode = isRight ? StatusCodes.Status200OK : StatusCodes.Status401Unauthorized;
        return context.Response.WriteAsync("""{"status":"COMPLETE","results":[]}""");
    }

    private static string? Trait(JsonElement profile, string name) => profile.GetProperty("traits").GetProperty(name).GetString();

    private List<JsonElement> Inputs() => [.. HubSpot.All.SelectMany(r => JsonDocument.Parse(r.Body).RootElement.GetProperty("inputs").EnumerateArray())];

    private List<string> Written() => [.. Inputs().SelectMany(i => i.GetProperty("properties").EnumerateObject()).Select(p => $"{p.Name}={p.Value}")];

    /// <summary>HubSpot tells of properties of contact 77 that this changed; the one without a name is that it was made. Waits until all is on the timeline.</summary>
    private async Task<string> ChangeAsync(string by, params (string Property, string Value)[] properties)
    {
        var (parts, ids) = (new List<string>(), new List<string>());
        foreach (var (property, value) in properties)
        {
            var (id, at) = (++events, clock += 1000);
            var type = property.Length == 0 ? "contact.creation" : "contact.propertyChange";
            var named = property.Length == 0 ? "" : $""","propertyName":"{property}","propertyValue":"{value}" """;
            parts.Add($$"""{"eventId":{{id}},"subscriptionId":1,"portalId":33,"appId":{{App}},"occurredAt":{{at}},"subscriptionType":"{{type}}","attemptNumber":0,"objectId":77{{named}},"changeSource":"{{(by.StartsWith('u') ? "CRM_UI" : "INTEGRATION")}}","sourceId":"{{by}}"}""");
            if (by != App.ToString(CultureInfo.InvariantCulture))
                ids.Add($"{type}:77:{property}:{at}:{id}");
        }

        var body = "[" + string.Join(',', parts) + "]";
        await PostAsync(body);
        foreach (var id in ids)
            Assert.Equal("committed", (await Cdp.WaitForMessageAsync(id, "hubspot")).GetProperty("outcome").GetString());
        return body;
    }

    private async Task PostAsync(string body)
    {
        var url = new Uri(Cdp.Client.BaseAddress!, "/v1/webhooks/hubspot");
        using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        foreach (var (name, value) in Signed.HubSpot(url.ToString(), body, Secret, TimeProvider.System.GetUtcNow()))
            request.Headers.Add(name, value);
        using var answer = await Cdp.Client.SendAsync(request);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
    }

    private async Task WebAsync(string messageId, string json)
    {
        using var sent = await Cdp.SendAsync(HttpMethod.Post, "/v1/batch", $$"""{"batch":[{"messageId":"{{messageId}}",{{json[1..]}}]}""", TestApp.Basic(webKey));
        Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
        Assert.Equal("committed", (await Cdp.WaitForMessageAsync(messageId, "web")).GetProperty("outcome").GetString());
    }

    /// <summary>A later change has been planned and delivered: whatever the earlier ones would send was sent before.</summary>
    private async Task SettleAsync()
    {
        await TestApp.WaitUntilAsync(async () => await Cdp.WaitingAsync() == 0);
        await TestApp.WaitUntilAsync(async () => await DeliveryMessagesAsync() == 0 && await IsSettledAsync());
    }

    private async Task<int> DeliveryMessagesAsync()
    {
        var queues = new Azure.Storage.Queues.QueueServiceClient(
            Cdp.ConnectionString, new Azure.Storage.Queues.QueueClientOptions { MessageEncoding = Azure.Storage.Queues.QueueMessageEncoding.None });
        return (await queues.GetQueueClient("deliveries").GetPropertiesAsync()).Value.ApproximateMessagesCount;
    }

    private async Task<bool> IsSettledAsync() => (await Cdp.DeliveriesAsync("crm")).TrueForAll(d => d.State() is not ("queued" or "retrying"));

    private Task<JsonElement> ProfileAsync(string key) => Cdp.ReadJsonAsync("/v1/profiles/" + key);

    private async Task PutAsync(string path, string json)
    {
        using var put = await Cdp.SendAsync(HttpMethod.Put, path, json, new AuthenticationHeaderValue("Bearer", TestApp.ApiKey));
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
    }
}
