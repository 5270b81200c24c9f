using System.Net;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Failures;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace CdpFunctions.Tests.Api;

public sealed class AdminApiTests(ApiApp app) : IClassFixture<ApiApp>
{
    private readonly string name = "n" + Guid.NewGuid().ToString("n");

    [Theory]
    [InlineData("GET", "/v1/profiles/user_id:x", "profiles:read")]
    [InlineData("GET", "/v1/profiles/user_id:x/events", "profiles:read")]
    [InlineData("GET", "/v1/profiles/user_id:x/traits", "profiles:read")]
    [InlineData("GET", "/v1/profiles/user_id:x/identities", "profiles:read")]
    [InlineData("POST", "/v1/profiles/lookup", "profiles:read")]
    [InlineData("GET", "/v1/messages/local/m", "profiles:read")]
    [InlineData("GET", "/v1/stats", "stats:read")]
    [InlineData("GET", "/v1/sources", "admin")]
    [InlineData("GET", "/v1/sources/local", "admin")]
    [InlineData("PUT", "/v1/sources/local", "admin")]
    [InlineData("DELETE", "/v1/sources/local", "admin")]
    [InlineData("POST", "/v1/sources/local/write-keys", "admin")]
    [InlineData("POST", "/v1/sources/local/preview", "admin")]
    [InlineData("GET", "/v1/mapping-schema", "admin")]
    [InlineData("GET", "/v1/mapping-presets", "admin")]
    [InlineData("GET", "/v1/profiles/user_id:x/interactions", "profiles:read")]
    [InlineData("DELETE", "/v1/sources/local/write-keys/local", "admin")]
    [InlineData("GET", "/v1/identity-rules", "admin")]
    [InlineData("PUT", "/v1/identity-rules", "admin")]
    [InlineData("GET", "/v1/api-keys", "admin")]
    [InlineData("POST", "/v1/api-keys", "admin")]
    [InlineData("GET", "/v1/api-keys/local", "admin")]
    [InlineData("DELETE", "/v1/api-keys/local", "admin")]
    [InlineData("GET", "/v1/failures", "admin")]
    [InlineData("POST", "/v1/failures/redrive", "admin")]
    [InlineData("DELETE", "/v1/failures/local/x", "admin")]
    public async Task EveryCall_NeedsAKeyWithItsScope(string method, string path, string scope)
    {
        var none = await app.CallAsync(method, path, key: null);
        Assert.Equal(("401 invalid-api-key", "Bearer realm=\"cdp\""), (none.Problem, none.Header("WWW-Authenticate")));
        var other = scope == "stats:read" ? "profiles:read" : "stats:read";
        Assert.Equal("403 scope-missing", (await app.CallAsync(method, path, key: await app.KeyAsync(other))).Problem);
    }

    [Fact]
    public async Task WrongKey_OrWriteKey_IsRefused()
    {
        Assert.Equal("401 invalid-api-key", (await app.CallAsync("GET", "/v1/stats", key: "ak_wrong")).Problem);
        Assert.Equal("401 invalid-api-key", (await app.CallAsync("GET", "/v1/stats", key: "local")).Problem);
    }

    [Fact]
    public async Task ApiKey_IsShownOnce_WorksAtOnce_AndAsUserNameToo()
    {
        var created = await app.CallAsync("POST", "/v1/api-keys", $$"""{"name":"{{name}}","scopes":["stats:read","profiles:read"]}""");
        Assert.Equal(HttpStatusCode.Created, created.Status);
        var (id, key) = (created.Json.GetProperty("id").GetString()!, created.Json.GetProperty("key").GetString()!);
        Assert.Matches("^ak_[0-9A-Za-z]{32}$", key);
        Assert.Equal(key[..7], created.Json.GetProperty("prefix").GetString());

        Assert.Equal(HttpStatusCode.OK, (await app.CallAsync("GET", "/v1/stats", key: key)).Status);
        var basic = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(key + ":ignored"));
        Assert.Equal(HttpStatusCode.OK, (await app.CallAsync("GET", "/v1/stats", key: null, headers: ("Authorization", basic))).Status);

        var read = await app.CallAsync("GET", "/v1/api-keys/" + id);
        Assert.Equal((HttpStatusCode.OK, false), (read.Status, read.Json.TryGetProperty("key", out _)));
        Assert.DoesNotContain(key, (await app.CallAsync("GET", "/v1/api-keys?limit=1000")).Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", "/v1/api-keys/" + id)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", "/v1/api-keys/" + id)).Status);
        Assert.Equal("404 not-found", (await app.CallAsync("GET", "/v1/api-keys/" + id)).Problem);
    }

    [Fact]
    public async Task ApiKey_WithMistakes_NamesEach()
    {
        var refused = await app.CallAsync("POST", "/v1/api-keys", """{"scopes":["root"],"key":"mine"}""");
        Assert.Equal(("400 invalid-field", "name scopes[0] key"), (refused.Problem, refused.Errors));
    }

    [Fact]
    public async Task Source_PutGetDelete_WithConditions()
    {
        var path = "/v1/sources/" + name;
        Assert.Equal("404 not-found", (await app.CallAsync("GET", path)).Problem);
        Assert.Equal("412 precondition-failed", (await app.CallAsync("PUT", path, "{}", headers: ("If-Match", "*"))).Problem);
        const string Body = """{"name":"Shop","type":"http","enabled":true,"origins":["https://shop.example"],"trust":"server","rateLimit":{"eventsPerSecond":1000,"scope":"instance"},"fieldRules":[{"path":"context.ip","action":"drop"}],"mapping":null,"requireConsent":null}""";
        var created = await app.CallAsync("PUT", path, Body, headers: ("If-None-Match", "*"));
        Assert.Equal(HttpStatusCode.Created, created.Status);
        Assert.Equal(
            $$"""{"id":"{{name}}","name":"Shop","type":"http","enabled":true,"trust":"server","writeKeys":[],"origins":["https://shop.example"],"rateLimit":{"eventsPerSecond":1000,"scope":"instance"},"fieldRules":[{"path":"context.ip","action":"drop"}]}""",
            created.Text);
        var read = await app.CallAsync("GET", path);
        Assert.Equal((created.Text, created.Header("ETag")), (read.Text, read.Header("ETag")));
        Assert.Matches("^\"[0-9a-f]{32}\"$", read.Header("ETag"));

        Assert.Equal("412 precondition-failed", (await app.CallAsync("PUT", path, Body, headers: ("If-None-Match", "*"))).Problem);
        Assert.Equal("412 precondition-failed", (await app.CallAsync("PUT", path, Body, headers: ("If-Match", "\"0\""))).Problem);
        var replaced = await app.CallAsync("PUT", path, read.Text.Replace("Shop", "Store", StringComparison.Ordinal), headers: ("If-Match", read.Header("ETag")!));
        Assert.Equal((HttpStatusCode.OK, "Store"), (replaced.Status, replaced.Json.GetProperty("name").GetString()));
        Assert.Equal("412 precondition-failed", (await app.CallAsync("PUT", path, Body, headers: ("If-Match", read.Header("ETag")!))).Problem);

        Assert.Equal("412 precondition-failed", (await app.CallAsync("DELETE", path, headers: ("If-Match", read.Header("ETag")!))).Problem);
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", path)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", path)).Status);
        Assert.Equal("404 not-found", (await app.CallAsync("GET", path)).Problem);
    }

    [Fact]
    public async Task WriteKey_IsMade_SurvivesAPut_AndIsDisabled()
    {
        var path = "/v1/sources/" + name;
        Assert.Equal("404 not-found", (await app.CallAsync("POST", path + "/write-keys")).Problem);
        await app.CallAsync("PUT", path, "{}");
        var created = await app.CallAsync("POST", path + "/write-keys");
        Assert.Equal(HttpStatusCode.Created, created.Status);
        var key = created.Json.GetProperty("writeKey").GetString()!;
        Assert.Matches("^wk_[0-9A-Za-z]{32}$", key);
        var replaced = (await app.CallAsync("PUT", path, """{"name":"again"}""")).Json;
        Assert.Equal((key[..7], true), (replaced.GetProperty("writeKeys")[0].GetProperty("prefix").GetString(), replaced.GetProperty("writeKeys")[0].GetProperty("enabled").GetBoolean()));

        using var sent = await app.App.SendAsync(HttpMethod.Post, "/v1/track", $$"""{"messageId":"m","userId":"{{name}}","event":"E"}""", TestApp.Basic(key));
        Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
        Assert.Equal("committed", (await app.App.WaitForMessageAsync("m", name)).GetProperty("outcome").GetString());

        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", $"{path}/write-keys/{key[..7]}")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", $"{path}x/write-keys/none")).Status);
        Assert.False((await app.CallAsync("GET", path)).Json.GetProperty("writeKeys")[0].GetProperty("enabled").GetBoolean());
    }

    [Fact]
    public async Task FieldRules_OfASource_LeaveMembersOutOfItsEvents()
    {
        var path = "/v1/sources/" + name;
        const string Rules = """{"fieldRules":[{"path":"context.ip","action":"drop"},{"path":"context.userAgent","action":"drop"},{"path":"properties.card.number","action":"drop"},{"path":"traits.email","action":"drop"}]}""";
        Assert.Equal(HttpStatusCode.Created, (await app.CallAsync("PUT", path, Rules)).Status);
        var key = (await app.CallAsync("POST", path + "/write-keys")).Json.GetProperty("writeKey").GetString()!;
        using var sent = await app.App.SendAsync(
            HttpMethod.Post, "/v1/track", $$$"""{"messageId":"m","properties":{"card":{"number":"4111","type":"visa"}},"userId":"{{{name}}}","event":"E"}""", TestApp.Basic(key));
        Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
        await app.App.WaitForMessageAsync("m", name);
        var stored = (await app.CallAsync("GET", $"/v1/profiles/user_id:{name}/events")).Json.GetProperty("data")[0];
        Assert.Equal("""{"card":{"type":"visa"}}""", stored.GetProperty("properties").GetRawText());
        Assert.False(stored.TryGetProperty("context", out _));

        using var nobody = await app.App.SendAsync(HttpMethod.Post, "/v1/identify", """{"traits":{"email":"ann@shop.example"}}""", TestApp.Basic(key));
        Assert.Equal(HttpStatusCode.BadRequest, nobody.StatusCode);
        Assert.Contains("/problems/no-identity", await nobody.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a", """{"id":"b","name":7,"type":"ftp","enabled":"yes","origins":["https://shop.example/","*"],"rateLimit":{"eventsPerSecond":0,"burst":1},"trust":"full","fieldRules":[{"path":"x","action":"hash"},1],"mapping":{},"requireConsent":["marketing"],"typo":1}""",
        "id name type enabled trust origins[0] origins[1] rateLimit.eventsPerSecond rateLimit.burst fieldRules[1] fieldRules[0].action requireConsent typo")]
    [InlineData("a", """{"fieldRules":[{"path":"userId","action":"drop"},{"path":"context.ip","action":"drop"},{"path":"context..ip","action":"drop"},{"path":"event.x","action":"drop"}]}""",
        "fieldRules[0].path fieldRules[2].path fieldRules[3].path")]
    [InlineData("A", "{}", "id")]
    [InlineData("lookup", "{}", "id")]
    [InlineData("a.b", "{}", "id")]
    public async Task Source_WithMistakes_NamesEach(string id, string json, string paths)
    {
        var refused = await app.CallAsync("PUT", "/v1/sources/" + id, json);
        Assert.Equal(("400 invalid-field", paths), (refused.Problem, refused.Errors));
    }

    /// <summary>Names that are no text made the parser throw, which was a 500.</summary>
    [Theory]
    [InlineData("""{"\ud800":1}""", "400 invalid-field")]
    [InlineData("""{"name":"x","rateLimit":{"\udc00":1}}""", "400 invalid-field")]
    [InlineData("""{"name":"\ud800"}""", "400 invalid-field")]
    [InlineData("{\"\xff\":1}", "400 not-json")]
    [InlineData("{\"name\":\"\xff\"}", "400 not-json")]
    [InlineData("""{"name":"a","name":"b"}""", "400 not-json")]
    public async Task Body_ThatIsNoText_IsRefused(string latin1, string problem)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, "/v1/sources/a") { Content = new ByteArrayContent(Encoding.Latin1.GetBytes(latin1)) };
        request.Headers.Authorization = new("Bearer", TestApp.ApiKey);
        using var response = await app.App.Client.SendAsync(request);
        Assert.Equal(problem, new Answered(response.StatusCode, await response.Content.ReadAsStringAsync(), response.Headers).Problem);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1001")]
    [InlineData("-1")]
    [InlineData("%201")]
    [InlineData("x")]
    public async Task List_WithALimitThatIsNone_IsRefused(string limit)
    {
        var refused = await app.CallAsync("GET", "/v1/sources?limit=" + limit);
        Assert.Equal(("400 invalid-field", "limit"), (refused.Problem, refused.Errors));
    }

    [Fact]
    public async Task Sources_ListedPageByPage_ByIdAndEachOnce()
    {
        for (var i = 0; i < 5; i++)
            await app.CallAsync("PUT", $"/v1/sources/{name}-{i}", "{}");
        var ids = new List<string>();
        string? next = null;
        do
        {
            var page = (await app.CallAsync("GET", "/v1/sources?limit=2" + (next is null ? "" : "&cursor=" + next))).Json;
            ids.AddRange(page.GetProperty("data").EnumerateArray().Select(source => source.GetProperty("id").GetString()!));
            next = page.TryGetProperty("next", out var cursor) ? cursor.GetString() : null;
        }
        while (next is not null);
        Assert.Equal(ids.Distinct().Order(StringComparer.Ordinal), ids);
        Assert.Equal(5, ids.Count(id => id.StartsWith(name, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Failure_IsListed_SentAgain_AndForgotten()
    {
        await app.CallAsync("PUT", "/v1/sources/" + name, "{}");
        var failures = app.App.Services.GetRequiredService<FailureLog>();
        await RecordAsync(failures, "again");
        await RecordAsync(failures, "away");
        Assert.Equal("failed poisoned", await OutcomeAsync("again"));

        var listed = (await app.CallAsync("GET", "/v1/failures?sourceId=" + name)).Json.GetProperty("data").EnumerateArray().ToDictionary(f => f.GetProperty("messageId").GetString()!);
        Assert.Equal(2, listed.Count);
        Assert.Equal(("poisoned", "It broke.", "E"), (
            listed["again"].GetProperty("reason").GetString(), listed["again"].GetProperty("detail").GetString(), listed["again"].GetProperty("event").GetProperty("event").GetString()));
        var all = (await app.CallAsync("GET", "/v1/failures?limit=1000")).Json.GetProperty("data").EnumerateArray().Count(f => f.GetProperty("sourceId").GetString() == name);
        Assert.Equal(2, all);
        var first = (await app.CallAsync("GET", $"/v1/failures?sourceId={name}&limit=1")).Json;
        var second = (await app.CallAsync("GET", $"/v1/failures?sourceId={name}&limit=1&cursor={first.GetProperty("next").GetString()}")).Json;
        Assert.NotEqual(first.GetProperty("data")[0].GetProperty("id").GetString(), second.GetProperty("data")[0].GetProperty("id").GetString());
        Assert.False(second.TryGetProperty("next", out _));

        var redrive = JsonSerializer.Serialize(new { sourceId = name, id = listed["again"].GetProperty("id").GetString() });
        Assert.Equal(HttpStatusCode.Accepted, (await app.CallAsync("POST", "/v1/failures/redrive", redrive)).Status);
        Assert.Equal("404 not-found", (await app.CallAsync("POST", "/v1/failures/redrive", redrive)).Problem);
        Assert.Equal("committed", (await app.App.WaitForMessageAsync("again", name)).GetProperty("outcome").GetString());

        var path = $"/v1/failures/{name}/{Uri.EscapeDataString(listed["away"].GetProperty("id").GetString()!)}";
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", path)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", path)).Status);
        Assert.Equal(0, (await app.CallAsync("GET", "/v1/failures?sourceId=" + name)).Json.GetProperty("data").GetArrayLength());
        Assert.Equal("queued ", await OutcomeAsync("away"));
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", $"/v1/failures/{name}/a%23b")).Status);
        Assert.Equal("400 invalid-field", (await app.CallAsync("POST", "/v1/failures/redrive", "{}")).Problem);
    }

    [Fact]
    public async Task Stats_CountWhatWasSent()
    {
        await app.CallAsync("PUT", "/v1/sources/" + name, "{}");
        var key = (await app.CallAsync("POST", $"/v1/sources/{name}/write-keys")).Json.GetProperty("writeKey").GetString()!;
        using var sent = await app.App.SendAsync(
            HttpMethod.Post, "/v1/batch", $$"""{"batch":[{"type":"track","messageId":"m1","userId":"{{name}}","event":"E"},{"type":"track","messageId":"m2","event":"E"}]}""", TestApp.Basic(key));
        Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
        await app.App.WaitForMessageAsync("m1", name);
        var stats = await app.App.ReadJsonAsync("/v1/stats?sourceId=" + name);
        Assert.Equal("""{"received":2,"accepted":1,"rejected":{"no-identity":1},"committed":1,"duplicates":0,"failed":0}""", stats.GetProperty("events").GetRawText());
        Assert.Equal(["events", "merges", "segments", "deliveries", "exports", "imports"], stats.GetProperty("queues").EnumerateArray().Select(queue => queue.GetProperty("name").GetString()!));
        Assert.True(stats.GetProperty("profiles").GetProperty("total").GetInt64() >= 1);
        Assert.True(stats.GetProperty("latencySeconds").GetProperty("p99").GetDouble() > 0);
        Assert.Equal("400 invalid-field", (await app.CallAsync("GET", "/v1/stats?from=2026-01-02&to=2026-01-01")).Problem);
        Assert.Equal("400 invalid-field", (await app.CallAsync("GET", "/v1/stats?from=now")).Problem);
    }

    [Fact]
    public async Task Health_NeedsNoKey()
    {
        foreach (var path in new[] { "/healthz", "/readyz" })
            Assert.Equal((HttpStatusCode.OK, """{"status":"ok"}"""), await StatusAsync(path));

        async Task<(HttpStatusCode, string)> StatusAsync(string path)
        {
            var answer = await app.CallAsync("GET", path, key: null);
            return (answer.Status, answer.Text);
        }
    }

    private async Task<string> OutcomeAsync(string messageId)
    {
        var status = await app.App.ReadJsonAsync($"/v1/messages/{name}/{messageId}");
        return $"{status.GetProperty("outcome").GetString()} {(status.TryGetProperty("reason", out var reason) ? reason.GetString() : "")}";
    }

    private Task RecordAsync(FailureLog failures, string messageId)
    {
        var json = $$"""{"type":"track","messageId":"{{messageId}}","sourceId":"{{name}}","timestamp":"2026-01-02T03:04:05.000Z","originalTimestamp":"2026-01-02T03:04:05.000Z","receivedAt":"2026-01-02T03:04:05.000Z","event":"E","userId":"{{name}}"}""";
        return failures.RecordAsync(Event.Parse(Encoding.UTF8.GetBytes(json)), FailureReason.Poisoned, "It broke.", null, CancellationToken.None);
    }
}
