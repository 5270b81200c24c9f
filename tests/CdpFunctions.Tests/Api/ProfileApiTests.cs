using System.Net;
using System.Text;
using System.Text.Json;
using Xunit;

namespace CdpFunctions.Tests.Api;

public sealed class ProfileApiTests(ApiApp app) : IClassFixture<ApiApp>
{
    private readonly string user = "u" + Guid.NewGuid().ToString("n");

    [Fact]
    public async Task Profile_OfAnEvent_IsReadBackInEveryWay()
    {
        var status = await app.CollectAsync("identify", $$$"""{"messageId":"i-{{{user}}}","userId":"{{{user}}}","anonymousId":"a-{{{user}}}","traits":{"email":"{{{user}}}@Shop.example","plan":"pro"}}""");
        var id = status.GetProperty("profileId").GetString()!;
        Assert.Equal("committed", status.GetProperty("outcome").GetString());
        Assert.Equal(24, status.GetProperty("at").GetString()!.Length);

        var byId = await app.CallAsync("GET", "/v1/profiles/" + id);
        Assert.Equal(HttpStatusCode.OK, byId.Status);
        Assert.Equal("no-store", byId.Header("Cache-Control"));
        Assert.Equal($$"""{"user_id":["{{user}}"],"email":["{{user}}@shop.example"],"anonymous_id":["a-{{user}}"]}""", byId.Json.GetProperty("identifiers").GetRawText());
        var encoded = Convert.ToBase64String(Encoding.UTF8.GetBytes(user)).TrimEnd('=').Replace('+', '-').Replace('/', '_');
        foreach (var key in new[] { $"user_id:{user}", $"user_id%3A{user}", $"email:{user}%40SHOP.example", $"anonymous_id:a-{user}", $"user_id:~{encoded}" })
            Assert.Equal(byId.Text, (await app.CallAsync("GET", "/v1/profiles/" + key)).Text);
        var lookup = await app.CallAsync("POST", "/v1/profiles/lookup", $$"""{"type":"email","value":" {{user}}@SHOP.example"}""");
        Assert.Equal((HttpStatusCode.OK, byId.Text), (lookup.Status, lookup.Text));

        var traits = (await app.CallAsync("GET", $"/v1/profiles/{id}/traits")).Json.GetProperty("data");
        Assert.Equal(("pro", "local", $"i-{user}"), (
            traits.GetProperty("plan").GetProperty("value").GetString(), traits.GetProperty("plan").GetProperty("sourceId").GetString(), traits.GetProperty("plan").GetProperty("messageId").GetString()));
        var identities = (await app.CallAsync("GET", $"/v1/profiles/{id}/identities")).Json;
        Assert.Equal(["active", "active", "active"], identities.GetProperty("data").EnumerateArray().Select(i => i.GetProperty("state").GetString()));
        Assert.Equal((0, 0), (identities.GetProperty("merges").GetArrayLength(), identities.GetProperty("decisions").GetArrayLength()));
    }

    [Fact]
    public async Task Events_PageByPage_NewestFirstWithTheTextThatWasSent()
    {
        string[] sent = [""" "n":1.2300e5,"s":"\ud83d\ude00<&>'" """, """ "s":"\ud800" """, """ "deep":[[[{"a":null}]]] """];
        for (var i = 0; i < sent.Length; i++)
            await app.CollectAsync("track", $$$"""{"messageId":"e{{{i}}}-{{{user}}}","userId":"{{{user}}}","event":"E{{{i % 2}}}","timestamp":"2026-01-02T03:04:0{{{i}}}.678Z","properties":{{{{sent[i].Trim()}}}},"custom":true}""");

        var texts = new List<string>();
        string? cursor = null;
        do
        {
            var page = await app.CallAsync("GET", $"/v1/profiles/user_id:{user}/events?limit=1" + (cursor is null ? "" : "&cursor=" + cursor));
            Assert.Equal(HttpStatusCode.OK, page.Status);
            texts.AddRange(page.Json.GetProperty("data").EnumerateArray().Select(e => e.GetRawText()));
            cursor = page.Json.TryGetProperty("next", out var next) ? next.GetString() : null;
        }
        while (cursor is not null);
        Assert.Equal(3, texts.Count);
        for (var i = 0; i < sent.Length; i++)
        {
            Assert.Contains($$"""{{{sent[i].Trim()}}}""", texts[2 - i], StringComparison.Ordinal);
            Assert.Contains("\"custom\":true", texts[2 - i], StringComparison.Ordinal);
            Assert.StartsWith("prf_", JsonDocument.Parse(texts[i]).RootElement.GetProperty("firstProfileId").GetString(), StringComparison.Ordinal);
        }

        var path = $"/v1/profiles/user_id:{user}/events";
        Assert.Equal(2, await CountAsync(path + "?name=E0"));
        Assert.Equal(3, await CountAsync(path + "?name=E0&name=E1&name=E2&type=track"));
        Assert.Equal(0, await CountAsync(path + "?type=page&type=screen"));
        Assert.Equal(1, await CountAsync(path + "?from=2026-01-02T03:04:01.678Z&to=2026-01-02T03:04:02.678Z"));
        Assert.Equal(1, await CountAsync(path + "?from=2026-01-02T04:04:01.678+01:00&to=2026-01-02T04:04:02.678%2B01:00"));
    }

    [Fact]
    public async Task MergeCall_LinksItsIdentifiers_AndIsOnTheTimeline()
    {
        const string path = "/v1/profiles/user_id:";
        var phone = "+49" + Random.Shared.NextInt64(1_000_000_000, 9_999_999_999);
        await app.CollectAsync("identify", $$$"""{"messageId":"1-{{{user}}}","userId":"{{{user}}}","traits":{"email":"{{{user}}}@shop.example"}}""");
        var properties = $$"""[{"type":"email","value":"{{user}}@Shop.example"},{"type":"mobile","value":"{{phone}}"},{"type":"shoe size","value":43.0}]""";
        await app.CollectAsync("merge", $$$"""{"messageId":"2-{{{user}}}","mergeProperties":{{{properties}}},"traits":{"plan":"pro"}}""");

        var profile = (await app.CallAsync("GET", path + user)).Json;
        Assert.Equal($$"""{"user_id":["{{user}}"],"email":["{{user}}@shop.example"],"phone":["{{phone}}"]}""", profile.GetProperty("identifiers").GetRawText());
        Assert.False(profile.GetProperty("traits").TryGetProperty("plan", out _));
        var page = (await app.CallAsync("GET", $"{path}{user}/events?type=merge")).Json.GetProperty("data");
        Assert.Equal(("merge", properties), (Assert.Single(page.EnumerateArray()).GetProperty("type").GetString()!, page[0].GetProperty("mergeProperties").GetRawText()));
    }

    [Fact]
    public async Task MergedProfile_OldIdAnswersTheWinner()
    {
        var first = (await app.CollectAsync("track", $$"""{"messageId":"1-{{user}}","anonymousId":"a-{{user}}","event":"E"}""")).GetProperty("profileId").GetString()!;
        var second = (await app.CollectAsync("track", $$"""{"messageId":"2-{{user}}","userId":"{{user}}","event":"E"}""")).GetProperty("profileId").GetString()!;
        Assert.NotEqual(first, second);
        await app.CollectAsync("identify", $$"""{"messageId":"3-{{user}}","userId":"{{user}}","anonymousId":"a-{{user}}"}""");
        var (winner, loser) = string.CompareOrdinal(first, second) < 0 ? (first, second) : (second, first);

        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        Answered answer;
        JsonElement merge;
        while ((merge = (answer = await app.CallAsync("GET", $"/v1/profiles/{loser}/identities")).Json.GetProperty("merges").EnumerateArray().SingleOrDefault()).ValueKind != JsonValueKind.Object
            || merge.GetProperty("state").GetString() != "done")
        {
            await Task.Delay(20, patience.Token);
        }

        Assert.Equal(loser, answer.Header("Cdp-Merged-From"));
        Assert.Equal(
            (winner, loser, $"3-{user}"),
            (merge.GetProperty("winner").GetString(), merge.GetProperty("loser").GetString(), merge.GetProperty("messageId").GetString()));
        Assert.Equal(2, merge.GetProperty("link").GetArrayLength());
        Assert.False(merge.TryGetProperty("undoneAt", out _));

        var profile = await app.CallAsync("GET", "/v1/profiles/" + loser);
        Assert.Equal((winner, 3), (profile.Json.GetProperty("id").GetString(), profile.Json.GetProperty("counts").GetProperty("events").GetInt32()));
        Assert.Equal($"[\"{loser}\"]", profile.Json.GetProperty("mergedFrom").GetRawText());
        Assert.Null((await app.CallAsync("GET", "/v1/profiles/" + winner)).Header("Cdp-Merged-From"));
        var events = (await app.CallAsync("GET", $"/v1/profiles/{loser}/events")).Json.GetProperty("data").EnumerateArray().ToList();
        Assert.Equal(3, events.Count);
        Assert.Contains(events, e => e.GetProperty("firstProfileId").GetString() == loser);
        Assert.Equal(winner, (await app.App.ReadJsonAsync($"/v1/messages/local/{(loser == first ? 1 : 2)}-{user}")).GetProperty("profileId").GetString());
    }

    [Theory]
    [InlineData("lookup", "400 invalid-key")]
    [InlineData("prf_x", "400 invalid-key")]
    [InlineData("hat_size:7", "400 invalid-key")]
    [InlineData("user_id:~%20", "400 invalid-key")]
    [InlineData("user_id:nobody/traits", "404 profile-not-found")]
    [InlineData("user_id:undefined/identities", "404 profile-not-found")]
    [InlineData("email:a@b.example/events", "404 profile-not-found")]
    [InlineData("user_id:nobody/events?limit=0", "400 invalid-field")]
    [InlineData("user_id:nobody/events?limit=1001", "400 invalid-field")]
    [InlineData("user_id:nobody/events?type=click", "400 invalid-field")]
    [InlineData("user_id:nobody/events?from=yesterday", "400 invalid-field")]
    public async Task Get_WhatCannotBeAnswered(string path, string problem) =>
        Assert.Equal(problem, (await app.CallAsync("GET", "/v1/profiles/" + path)).Problem);

    [Fact]
    public async Task Events_CursorOfAnotherRequest_IsRefused()
    {
        for (var i = 0; i < 2; i++)
            await app.CollectAsync("track", $$"""{"messageId":"{{i}}-{{user}}","userId":"{{user}}","event":"E"}""");
        var path = $"/v1/profiles/user_id:{user}/events?limit=1";
        var next = (await app.CallAsync("GET", path)).Json.GetProperty("next").GetString()!;
        Assert.Equal(HttpStatusCode.OK, (await app.CallAsync("GET", $"{path}&cursor={next}")).Status);
        Assert.Equal("400 invalid-cursor", (await app.CallAsync("GET", $"{path}&name=E&cursor={next}")).Problem);
        Assert.Equal("400 invalid-cursor", (await app.CallAsync("GET", $"{path}&cursor={next}x")).Problem);
        Assert.Equal("400 invalid-cursor", (await app.CallAsync("GET", $"/v1/sources?cursor={next}")).Problem);
    }

    [Theory]
    [InlineData("""{"type":"email"}""", "400 invalid-field")]
    [InlineData("""{"type":"email","value":7}""", "400 invalid-field")]
    [InlineData("""{"type":"email","value":"\ud800"}""", "400 invalid-field")]
    [InlineData("""{"type":"email","type":"email","value":"x"}""", "400 not-json")]
    [InlineData("""{"type":"shoe","value":"x"}""", "400 invalid-key")]
    [InlineData("""{"type":"email","value":"nobody@shop.example"}""", "404 profile-not-found")]
    [InlineData("[]", "400 not-an-object")]
    [InlineData("{", "400 not-json")]
    [InlineData("", "400 not-json")]
    public async Task LookUp_WhatCannotBeAnswered(string json, string problem) =>
        Assert.Equal(problem, (await app.CallAsync("POST", "/v1/profiles/lookup", json)).Problem);

    [Theory]
    [InlineData("a/b", "a%2Fb")]
    [InlineData("c/d", "c/d")]
    [InlineData("100%25 #?&+", "100%2525%20%23%3F%26%2B")]
    [InlineData("\u00e4\ud83d\ude00", "%C3%A4%F0%9F%98%80")]
    [InlineData("..", "~Li4")]
    [InlineData("e%2Ff", "e%252Ff")]
    public async Task Message_WithAnyId_IsFound(string messageId, string path)
    {
        var json = JsonSerializer.Serialize(new { messageId, userId = user, @event = "E" });
        using var response = await app.App.CollectAsync("/v1/track", json);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        JsonElement status;
        while ((status = (await app.CallAsync("GET", "/v1/messages/local/" + path)).Json).GetProperty("outcome").GetString() == "queued")
            await Task.Delay(20, patience.Token);
        Assert.Equal((messageId, "local", "committed"), (status.GetProperty("messageId").GetString(), status.GetProperty("sourceId").GetString(), status.GetProperty("outcome").GetString()));
    }

    [Fact]
    public async Task Message_NotKnown_IsQueued_AndWithoutAnId_NotFound()
    {
        Assert.Equal("""{"messageId":"unheard","sourceId":"local","outcome":"queued"}""", (await app.CallAsync("GET", "/v1/messages/local/unheard")).Text);
        Assert.Equal("404 not-found", (await app.CallAsync("GET", "/v1/messages/local/")).Problem);
        Assert.Equal("400 invalid-key", (await app.CallAsync("GET", "/v1/messages/Local/m")).Problem);
        Assert.Equal("400 invalid-key", (await app.CallAsync("GET", "/v1/messages/local/" + new string('m', 101))).Problem);
    }

    private async Task<int> CountAsync(string path) => (await app.CallAsync("GET", path)).Json.GetProperty("data").GetArrayLength();
}
