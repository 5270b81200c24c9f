using System.Net;
using System.Text.Json;
using Xunit;

namespace CdpFunctions.Tests.Api;

/// <summary>The catalogue and tracking plans over HTTP, on Azurite.</summary>
public sealed class CatalogApiTests(ApiApp app) : IClassFixture<ApiApp>
{
    [Fact]
    public async Task Catalog_ShowsWhatWasCommitted_MaskedAndInPages()
    {
        for (var i = 0; i < 6; i++)
            await app.CollectAsync("track", $$$"""{"event":"Product Viewed","userId":"c{{{i}}}","messageId":"cat-v{{{i}}}","properties":{"category":"outdoor","email":"ann{{{i}}}@shop.example","products":[{"price":{{{i}}}}]}}""");
        await app.CollectAsync("identify", """{"userId":"c1","messageId":"cat-i","traits":{"firstName":"Annabel","plan":"gold","age":41}}""");
        await app.CollectAsync("page", """{"userId":"c1","messageId":"cat-p","properties":{"path":"/"}}""");

        // Notes are taken behind the commit that the message's status already shows.
        var answer = await app.CallAsync("GET", "/v1/catalog", key: await app.KeyAsync("profiles:read"));
        await TestApp.WaitUntilAsync(async () =>
        {
            answer = await app.CallAsync("GET", "/v1/catalog", key: await app.KeyAsync("profiles:read"));
            return answer.Text.Contains("$page", StringComparison.Ordinal) && answer.Text.Contains("outdoor", StringComparison.Ordinal);
        });
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.DoesNotContain("Annabel", answer.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("@shop", answer.Text, StringComparison.Ordinal);
        var viewed = answer.Json.GetProperty("data").EnumerateArray().Single(e => e.GetProperty("event").ValueEquals("Product Viewed"));
        Assert.Equal(6, viewed.GetProperty("count").GetInt32());
        Assert.Equal(
            "properties.category properties.email properties.products properties.products[] properties.products[].price",
            string.Join(' ', viewed.GetProperty("properties").EnumerateArray().Select(p => p.GetProperty("path").GetString())));
        Assert.Equal("age firstName plan", string.Join(' ', answer.Json.GetProperty("traits").EnumerateArray().Select(t => t.GetProperty("trait").GetString())));

        var names = new List<string?>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = await app.CallAsync("GET", $"/v1/catalog?limit=1&sourceId=local&cursor={cursor}");
            names.Add(Assert.Single(page.Json.GetProperty("data").EnumerateArray()).GetProperty("event").GetString());
            cursor = page.Json.TryGetProperty("next", out var next) ? next.GetString() : null;
        }

        Assert.Superset(new HashSet<string?> { "$identify", "$page", "Product Viewed" }, names.ToHashSet());
        Assert.Equal("[]", (await app.CallAsync("GET", "/v1/catalog?sourceId=none")).Json.GetProperty("data").GetRawText());
        Assert.Equal("400 invalid-cursor", (await app.CallAsync("GET", "/v1/catalog?cursor=x")).Problem);
        Assert.Equal("403 scope-missing", (await app.CallAsync("GET", "/v1/catalog", key: await app.KeyAsync("stats:read"))).Problem);
        Assert.Equal("403 scope-missing", (await app.CallAsync("DELETE", "/v1/catalog", key: await app.KeyAsync("profiles:read"))).Problem);
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", "/v1/catalog?sourceId=none")).Status);
    }

    [Fact]
    public async Task TrackingPlan_IsPutReadAndDeleted_AndSurvivesAChangeOfTheSource()
    {
        const string plan = """{"onViolation":"block","unplanned":"allow","events":[{"event":"A","properties":[{"path":"properties.total","types":["number"],"required":true}]}]}""";
        Assert.Equal("404 not-found", (await app.CallAsync("PUT", "/v1/sources/planned/tracking-plan", plan)).Problem);
        await app.CallAsync("PUT", "/v1/sources/planned", "{}");
        Assert.Equal("404 not-found", (await app.CallAsync("GET", "/v1/sources/planned/tracking-plan")).Problem);
        var made = await app.CallAsync("PUT", "/v1/sources/planned/tracking-plan", plan, headers: ("If-None-Match", "*"));
        Assert.Equal(HttpStatusCode.Created, made.Status);
        Assert.Equal("412 precondition-failed", (await app.CallAsync("PUT", "/v1/sources/planned/tracking-plan", plan, headers: ("If-None-Match", "*"))).Problem);
        Assert.Equal(HttpStatusCode.OK, (await app.CallAsync("PUT", "/v1/sources/planned/tracking-plan", plan, headers: ("If-Match", made.Header("ETag")!))).Status);
        Assert.Equal("412 precondition-failed", (await app.CallAsync("DELETE", "/v1/sources/planned/tracking-plan", headers: ("If-Match", made.Header("ETag")!))).Problem);
        Assert.Equal("events", (await app.CallAsync("PUT", "/v1/sources/planned/tracking-plan", "{}")).Errors);

        await app.CallAsync("PUT", "/v1/sources/planned", """{"name":"other"}""");
        Assert.Equal(plan, (await app.CallAsync("GET", "/v1/sources/planned/tracking-plan")).Text);
        var key = (await app.CallAsync("POST", "/v1/sources/planned/write-keys")).Json.GetProperty("writeKey").GetString()!;

        using (var blocked = await app.App.SendAsync(HttpMethod.Post, "/v1/track", """{"event":"A","userId":"u","messageId":"tp1","properties":{"total":"1"}}""", TestApp.Basic(key)))
        {
            Assert.Equal(HttpStatusCode.BadRequest, blocked.StatusCode);
            var problem = JsonDocument.Parse(await blocked.Content.ReadAsStringAsync()).RootElement;
            Assert.Equal("/problems/invalid-field properties.total", $"{problem.GetProperty("type")} {problem.GetProperty("errors")[0].GetProperty("path")}");
        }

        using (var allowed = await app.App.SendAsync(HttpMethod.Post, "/v1/track", """{"event":"B","userId":"u","messageId":"tp2"}""", TestApp.Basic(key)))
            Assert.Equal(HttpStatusCode.OK, allowed.StatusCode);
        var violations = (await app.CallAsync("GET", "/v1/sources/planned/violations")).Json.GetProperty("data").EnumerateArray()
            .Select(v => $"{v.GetProperty("event")} {v.GetProperty("path")} {v.GetProperty("kind")} {v.GetProperty("count")} {v.GetProperty("blocked")} {v.GetProperty("messageId")}");
        Assert.Equal(["A properties.total wrong-type 1 1 tp1", "B event unplanned-event 1 0 tp2"], violations.Order(StringComparer.Ordinal));

        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", "/v1/sources/planned/tracking-plan")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", "/v1/sources/nobody/tracking-plan")).Status);
        Assert.Equal("[]", (await app.CallAsync("GET", "/v1/sources/planned/violations")).Json.GetProperty("data").GetRawText());
        Assert.Equal("404 not-found", (await app.CallAsync("GET", "/v1/sources/planned/tracking-plan")).Problem);
        Assert.Equal("404 not-found", (await app.CallAsync("GET", "/v1/sources/nobody/violations")).Problem);
    }
}
