using System.Net;
using System.Text.Json;
using CdpFunctions.Tests.Api;
using CdpFunctions.Tests.Webhooks;
using Xunit;

namespace CdpFunctions.Tests.Interactions;

public sealed class InteractionTests(ApiApp app) : IClassFixture<ApiApp>
{
    private readonly string name = "i" + Guid.NewGuid().ToString("n");

    [Fact]
    public async Task SalesTeamWithoutACrm_NotesDown_AndReadsOneHistory()
    {
        await RecordAsync("call", "2026-01-02T10:00:00Z", ""","direction":"outbound","outcome":"connected","text":"Wants two weeks","by":"sam@acme.example","durationSeconds":120""");
        await RecordAsync("email", "2026-01-02T11:00:00Z", ""","direction":"inbound","subject":"Offer","properties":{"thread":7}""");
        await RecordAsync("meeting", "2026-01-02T12:00:00Z", "");
        await RecordAsync("note", "2026-01-02T13:00:00Z", ""","text":"Prefers mail" """);
        // Again: counts once.
        await RecordAsync("call", "2026-01-02T10:00:00Z", ""","direction":"outbound","outcome":"connected","text":"Wants two weeks","by":"sam@acme.example","durationSeconds":120""");
        await app.CollectAsync("identify", $$$$"""{"messageId":"{{{{name}}}}","traits":{"email":"{{{{name}}}}@shop.example"},"context":{"interaction":{"kind":"call"}}}""");

        var page = (await HistoryAsync()).Json.GetProperty("data").EnumerateArray().ToList();
        // A page's event does not become an interaction by saying so.
        Assert.Equal(
            ["note 2026-01-02T13:00:00.000Z", "meeting 2026-01-02T12:00:00.000Z", "email 2026-01-02T11:00:00.000Z", "call 2026-01-02T10:00:00.000Z"],
            page.Select(item => $"{item.GetProperty("kind").GetString()} {item.GetProperty("at").GetString()}"));
        Assert.Equal(
            ("Call Logged", "outbound", "connected", "sam@acme.example", "Wants two weeks", "interactions", "120"),
            (Text(page[3], "event"), Text(page[3], "direction"), Text(page[3], "outcome"), Text(page[3], "by"), Text(page[3], "text"), Text(page[3], "sourceId"), page[3].GetProperty("properties").GetProperty("durationSeconds").GetRawText()));
        Assert.Equal(7, page[2].GetProperty("properties").GetProperty("thread").GetInt32());

        var first = (await HistoryAsync("?limit=3")).Json;
        Assert.Equal(3, first.GetProperty("data").GetArrayLength());
        var second = (await HistoryAsync("?limit=3&cursor=" + first.GetProperty("next").GetString())).Json;
        Assert.Equal("call", Assert.Single(second.GetProperty("data").EnumerateArray().ToList()).GetProperty("kind").GetString());
        Assert.False(second.TryGetProperty("next", out _));
        Assert.Equal(2, (await HistoryAsync("?kind=call&kind=note")).Json.GetProperty("data").GetArrayLength());
        Assert.Equal(1, (await HistoryAsync("?from=2026-01-02T12:00:00Z&to=2026-01-02T13:00:00Z")).Json.GetProperty("data").GetArrayLength());
        Assert.Equal("400 invalid-field", (await HistoryAsync("?kind=chat")).Problem);
        Assert.Equal("400 invalid-cursor", (await HistoryAsync("?kind=call&cursor=" + first.GetProperty("next").GetString())).Problem);
    }

    [Fact]
    public async Task History_OutlivesAMerge_AndHasWhatTheCrmSends()
    {
        var rules = """{"types":[{"type":"user_id"},{"type":"hubspot_contact_id","unique":true},{"type":"hubspot_deal_id"},{"type":"hubspot_ticket_id"},{"type":"email"},{"type":"phone"},{"type":"anonymous_id"}]}""";
        Assert.True((await app.CallAsync("PUT", "/v1/identity-rules", rules)).Status is HttpStatusCode.OK or HttpStatusCode.Created);
        await app.CallAsync("PUT", "/v1/sources/" + name, """{"type":"webhook","mapping":{"preset":"hubspot"},"signature":{"scheme":"bearer","secret":"t"}}""");
        await TestApp.WaitUntilAsync(async () => (await app.CallAsync("POST", $"/v1/sources/{name}/preview", """{"payload":[{"subscriptionType":"contact.creation","objectId":1,"eventId":1,"occurredAt":1}]}""")).Json.GetProperty("events").GetArrayLength() == 1);
        var contact = Random.Shared.NextInt64(1_000_000_000, 9_000_000_000);
        var changes = Payloads.Read("hubspot-changes").Replace("1246965", contact.ToString(), StringComparison.Ordinal).Replace("\"objectId\":501", $"\"objectId\":{contact + 1}", StringComparison.Ordinal)
            .Replace("\"toObjectId\":501", $"\"toObjectId\":{contact + 1}", StringComparison.Ordinal).Replace("emelia@example.com", name + "@shop.example", StringComparison.Ordinal);
        // By e-mail, before the CRM's contact is known to have it: two profiles that become one.
        await RecordAsync("call", "2026-01-01T10:00:00Z", "");
        var sent = await app.CallAsync("POST", "/v1/webhooks/" + name, changes, key: null, ("Authorization", "Bearer t"));
        Assert.Equal(8, sent.Json.GetProperty("accepted").GetInt32());

        await TestApp.WaitUntilAsync(async () => (await HistoryAsync()).Json.GetProperty("data").GetArrayLength() == 3);
        var history = (await HistoryAsync()).Json.GetProperty("data").EnumerateArray().Select(item => $"{Text(item, "kind")} {Text(item, "event")}").ToList();
        Assert.Equal(["deal Deal Stage Changed", "deal Deal Associated", "call Call Logged"], history);
        var profile = (await app.CallAsync("GET", $"/v1/profiles/hubspot_contact_id:{contact}")).Json;
        Assert.Equal(("Emelia", name + "@shop.example"), (Text(profile.GetProperty("traits"), "firstName"), Text(profile.GetProperty("identifiers"), "email")));
        // The same again, as HubSpot does after a time-out: nothing changes.
        var events = profile.GetProperty("counts").GetProperty("events").GetInt32();
        await app.CallAsync("POST", "/v1/webhooks/" + name, changes.Replace("\"attemptNumber\":0", "\"attemptNumber\":1", StringComparison.Ordinal), key: null, ("Authorization", "Bearer t"));
        await RecordAsync("note", "2026-01-03T10:00:00Z", "");
        Assert.Equal(events + 1, (await app.CallAsync("GET", $"/v1/profiles/hubspot_contact_id:{contact}")).Json.GetProperty("counts").GetProperty("events").GetInt32());
    }

    [Fact]
    public async Task WriteKeyOfAServer_OrAKeyWithTheScope_IsNeeded()
    {
        var body = $$$"""{"kind":"note","messageId":"{{{name}}}","person":{"type":"user_id","value":"{{{name}}}"}}""";
        Assert.Equal("401 invalid-api-key", (await app.CallAsync("POST", "/v1/interactions", body, key: null)).Problem);
        Assert.Equal("401 invalid-api-key", (await app.CallAsync("POST", "/v1/interactions", body, key: "wk_wrong")).Problem);
        Assert.Equal("403 scope-missing", (await app.CallAsync("POST", "/v1/interactions", body, key: await app.KeyAsync("stats:read"))).Problem);
        Assert.Equal("403 scope-missing", (await app.CallAsync("POST", "/v1/interactions", body, key: "local")).Problem);
        Assert.Equal(HttpStatusCode.OK, (await app.CallAsync("POST", "/v1/interactions", body, key: await app.KeyAsync("interactions:write"))).Status);
        await app.CallAsync("PUT", "/v1/sources/" + name, """{"trust":"server"}""");
        var key = (await app.CallAsync("POST", $"/v1/sources/{name}/write-keys")).Json.GetProperty("writeKey").GetString();
        var recorded = (await app.CallAsync("POST", "/v1/interactions", body, key: key)).Json;
        Assert.Equal((name, name), (Text(recorded, "sourceId"), Text(recorded, "messageId")));
        Assert.Equal("401 invalid-api-key", (await app.CallAsync("GET", "/v1/profiles/user_id:x/interactions", key: null)).Problem);
    }

    [Theory]
    [InlineData("{}", "kind person")]
    [InlineData("""{"kind":"deal","person":{"type":"email","value":"a@b.c"}}""", "kind")]
    [InlineData("""{"kind":"call","person":{"type":"shoe_size","value":"42"}}""", "person.type")]
    [InlineData("""{"kind":"call","person":{"type":"user_id","value":"null"}}""", "person.value")]
    [InlineData("""{"kind":"call","person":{"type":"email","value":"a@b.c"},"direction":"sideways","at":"yesterday","durationSeconds":-5}""", "direction durationSeconds at")]
    [InlineData("""{"kind":"call","person":{"type":"email","value":"a@b.c"},"properties":{"text":"x"},"extra":1}""", "properties.text extra")]
    public async Task WhatIsWrong_IsNamed(string body, string errors)
    {
        var answered = await app.CallAsync("POST", "/v1/interactions", body);
        Assert.Equal(("400 invalid-field", errors), (answered.Problem, answered.Errors));
    }

    private static string Text(JsonElement json, string member) => json.GetProperty(member) is var value && value.ValueKind == JsonValueKind.Array ? value[0].GetString()! : value.GetString()!;

    private Task<Answered> HistoryAsync(string query = "") => app.CallAsync("GET", $"/v1/profiles/email:{name}@shop.example/interactions{query}");

    private async Task RecordAsync(string kind, string at, string more)
    {
        var body = $$$"""{"kind":"{{{kind}}}","messageId":"{{{name}}}-{{{kind}}}","person":{"type":"email","value":"{{{name}}}@shop.example"},"at":"{{{at}}}"{{{more}}}}""";
        var answered = await app.CallAsync("POST", "/v1/interactions", body);
        Assert.True(answered.Status == HttpStatusCode.OK, answered.Text);
        await app.App.WaitForMessageAsync($"{name}-{kind}", "interactions");
    }
}
