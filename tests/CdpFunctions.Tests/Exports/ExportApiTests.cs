using System.Net;
using CdpFunctions.Tests.Api;
using Xunit;

namespace CdpFunctions.Tests.Exports;

/// <summary>The calls of exports, what they refuse, and schedules, over HTTP.</summary>
public sealed class ExportApiTests(ApiApp app) : IClassFixture<ApiApp>
{
    [Fact]
    public async Task AnExport_IsAskedFor_ListedAndDownloaded()
    {
        Assert.Equal(HttpStatusCode.Created, (await app.CallAsync("PUT", "/v1/segments/fans", """{"where":{"trait":"fan","eq":true},"export":{"fields":["email","traits.name"]}}""")).Status);
        await app.CollectAsync("identify", """{"messageId":"fan-1","userId":"fan","traits":{"fan":true,"name":"=1+1","email":"fan@shop.example"}}""");
        var key = await app.KeyAsync("profiles:read");

        var asked = await app.CallAsync("POST", "/v1/segments/fans/exports", "{}", key);
        Assert.Equal(HttpStatusCode.Accepted, asked.Status);
        var id = asked.Json.GetProperty("id").GetString()!;
        Assert.Equal("/v1/exports/" + id, asked.Header("Location"));
        Assert.Equal(("fans", "running", "full", 1), (Text(asked, "segmentId"), Text(asked, "state"), Text(asked, "mode"), asked.Json.GetProperty("definitionVersion").GetInt32()));
        var done = await Downloads.WaitAsync(async () => (await app.CallAsync("GET", "/v1/exports/" + id, key: key)).Json);
        var files = await Downloads.ReadAsync(done);
        var row = Assert.Single(files.Rows);
        Assert.Equal(("fan@shop.example", "'=1+1"), (row["email"], row["traits.name"]));
        Assert.Equal(id, files.Manifest.GetProperty("exportId").GetString());

        var next = await app.CallAsync("POST", "/v1/segments/fans/exports", """{"mode":"delta","format":"jsonl"}""", key);
        Assert.Equal(id, Text(next, "since"));
        var page = (await app.CallAsync("GET", "/v1/segments/fans/exports?limit=1", key: key)).Json;
        Assert.Equal(Text(next, "id"), Assert.Single(page.GetProperty("data").EnumerateArray()).GetProperty("id").GetString());
        page = (await app.CallAsync("GET", "/v1/segments/fans/exports?limit=1&cursor=" + page.GetProperty("next").GetString(), key: key)).Json;
        Assert.Equal(id, Assert.Single(page.GetProperty("data").EnumerateArray()).GetProperty("id").GetString());
        Assert.False(page.TryGetProperty("next", out _));
    }

    [Fact]
    public async Task AllProfiles_AreExportedWithEverything()
    {
        await app.CollectAsync("identify", """{"messageId":"all-1","userId":"everybody","traits":{"email":"everybody@shop.example","height":1.80}}""");

        var asked = await app.CallAsync("POST", "/v1/exports", "{}");
        Assert.Equal((HttpStatusCode.Accepted, "_profiles"), (asked.Status, Text(asked, "segmentId")));
        var done = await Downloads.WaitAsync(async () => (await app.CallAsync("GET", asked.Header("Location")!)).Json);
        var row = (await Downloads.ReadAsync(done)).Rows.Single(static row => row["identifiers"].Contains("everybody", StringComparison.Ordinal));
        Assert.Equal(
            ("""{"email":["everybody@shop.example"],"user_id":["everybody"]}""", """{"email":"everybody@shop.example","height":1.80}"""), (row["identifiers"], row["traits"]));
        Assert.Contains((await app.CallAsync("GET", "/v1/exports")).Json.GetProperty("data").EnumerateArray(), export => export.GetProperty("id").GetString() == Text(asked, "id"));
    }

    [Theory]
    [InlineData("""{"format":"xlsx"}""", "400 invalid-field", "format")]
    [InlineData("""{"mode":"all","compression":7}""", "400 invalid-field", "mode compression")]
    [InlineData("""{"fields":["email","nothing"],"format":"csv"}""", "400 invalid-field", "fields[1]")]
    [InlineData("""{"fields":"email"}""", "400 invalid-field", "fields")]
    [InlineData("""{"columns":[]}""", "400 invalid-field", "columns")]
    public async Task WhatCannotBeTaken_IsRefusedWithItsPlace(string body, string problem, string paths)
    {
        await app.CallAsync("PUT", "/v1/segments/refusing", """{"where":{"trait":"fan","eq":true}}""");
        foreach (var path in new[] { "/v1/segments/refusing/exports", "/v1/exports" })
        {
            var answer = await app.CallAsync("POST", path, body);
            Assert.Equal((problem, paths), (answer.Problem, answer.Errors));
        }
    }

    [Fact]
    public async Task WhatIsNotThere_IsNotFound_AndWithoutTheScopeNothingIs()
    {
        Assert.Equal("404 not-found", (await app.CallAsync("POST", "/v1/segments/nobody/exports", "{}")).Problem);
        Assert.Equal("404 not-found", (await app.CallAsync("GET", "/v1/segments/nobody/exports")).Problem);
        Assert.Equal("404 not-found", (await app.CallAsync("GET", "/v1/exports/exp_01M80MB3VW9ZRT9GXD34FPVNCQ")).Problem);
        Assert.Equal("404 not-found", (await app.CallAsync("GET", "/v1/exports/nonsense")).Problem);
        Assert.Equal("400 not-json", (await app.CallAsync("POST", "/v1/exports", "")).Problem);
        Assert.Equal("400 invalid-cursor", (await app.CallAsync("GET", "/v1/exports?cursor=x")).Problem);
        var key = await app.KeyAsync("stats:read");
        foreach (var (method, path) in new[] { ("POST", "/v1/exports"), ("GET", "/v1/exports"), ("GET", "/v1/exports/x"), ("POST", "/v1/segments/a/exports"), ("GET", "/v1/segments/a/exports") })
            Assert.Equal("403 scope-missing", (await app.CallAsync(method, path, method == "POST" ? "{}" : null, key)).Problem);
    }

    [Fact]
    public async Task Schedules_FireByTheClock()
    {
        var time = new ShiftedTime();
        await using var scheduled = await TestApp.StartAsync(new Dictionary<string, string?> { ["Cdp:ProfilesExportSchedule"] = "0 0 */12 * * *" }, time);
        using (var put = await scheduled.SendAsync(
            HttpMethod.Put, "/v1/segments/fans", """{"where":{"trait":"fan","eq":true},"export":{"schedule":"0 0 */12 * * *","fields":["traits.name"]}}""", new("Bearer", TestApp.ApiKey)))
            Assert.Equal(HttpStatusCode.Created, put.StatusCode);
        using (var sent = await scheduled.CollectAsync("/v1/identify", """{"messageId":"m1","userId":"fan","traits":{"fan":true,"name":"Ann"}}"""))
            Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
        await scheduled.WaitForMessageAsync("m1");

        // To a minute behind the next noon or midnight.
        var half = TimeSpan.FromHours(12).Ticks;
        time.Advance(TimeSpan.FromTicks(half - (time.GetUtcNow().Ticks % half)) + TimeSpan.FromMinutes(1));
        using var fired = await scheduled.Client.PostAsync("/admin/functions/RecomputeSegments", new StringContent("{}", System.Text.Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.Accepted, fired.StatusCode);
        var due = time.GetUtcNow().AddMinutes(-1);
        foreach (var path in new[] { "/v1/segments/fans/exports", "/v1/exports" })
        {
            // The latest: all profiles may have been due before.
            var id = "";
            await TestApp.WaitUntilAsync(async () =>
            {
                var latest = (await scheduled.ReadJsonAsync(path)).GetProperty("data").EnumerateArray().FirstOrDefault(export => export.GetProperty("asOf").GetDateTimeOffset() >= due);
                id = latest.ValueKind == System.Text.Json.JsonValueKind.Object ? latest.GetProperty("id").GetString()! : "";
                return id.Length > 0;
            });
            var done = await Downloads.WaitAsync(() => scheduled.ReadJsonAsync("/v1/exports/" + id));
            Assert.Equal(1, done.GetProperty("rows").GetInt32());
        }
    }

    private static string? Text(Answered answer, string name) => answer.Json.GetProperty(name).GetString();
}
