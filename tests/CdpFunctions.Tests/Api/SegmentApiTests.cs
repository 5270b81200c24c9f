using System.Net;
using CdpFunctions.Tests.Api;
using Xunit;

namespace CdpFunctions.Tests.Api;

/// <summary>Definitions over HTTP, on Azurite.</summary>
public sealed class SegmentApiTests(ApiApp app) : IClassFixture<ApiApp>
{
    private const string Vip = """{"name":"VIP","where":{"event":"Order Completed","count":{"gte":5}}}""";

    [Fact]
    public async Task Segment_IsMadeReadReplacedListedAndDeleted()
    {
        var made = await app.CallAsync("PUT", "/v1/segments/first", Vip);
        Assert.Equal((HttpStatusCode.Created, 1), (made.Status, made.Json.GetProperty("version").GetInt32()));
        var read = await app.CallAsync("GET", "/v1/segments/first");
        Assert.Equal(made.Header("ETag"), read.Header("ETag"));
        Assert.Equal("""{"event":"Order Completed","count":{"gte":5}}""", read.Json.GetProperty("where").GetRawText());

        // What was read can be written back.
        var replaced = await app.CallAsync("PUT", "/v1/segments/first", read.Text, headers: ("If-Match", read.Header("ETag")!));
        Assert.Equal((HttpStatusCode.OK, 2), (replaced.Status, replaced.Json.GetProperty("version").GetInt32()));
        Assert.Equal("412 precondition-failed", (await app.CallAsync("PUT", "/v1/segments/first", Vip, headers: ("If-Match", read.Header("ETag")!))).Problem);
        Assert.Equal("412 precondition-failed", (await app.CallAsync("PUT", "/v1/segments/first", Vip, headers: ("If-None-Match", "*"))).Problem);
        Assert.Equal("412 precondition-failed", (await app.CallAsync("DELETE", "/v1/segments/first", headers: ("If-Match", read.Header("ETag")!))).Problem);

        await app.CallAsync("PUT", "/v1/segments/second", Vip);
        var listed = (await app.CallAsync("GET", "/v1/segments?limit=1000")).Json.GetProperty("data").EnumerateArray().Select(s => s.GetProperty("id").GetString()).ToList();
        Assert.Contains("first", listed);
        Assert.Equal(listed.Order(StringComparer.Ordinal), listed);

        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", "/v1/segments/first")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", "/v1/segments/first")).Status);
        Assert.Equal("404 not-found", (await app.CallAsync("GET", "/v1/segments/first")).Problem);
    }

    [Fact]
    public async Task Segment_WithMistakes_NamesEach()
    {
        var refused = await app.CallAsync(
            "PUT", "/v1/segments/wrong", """{"where":{"all":[{"event":"A","within":"90x"},{"event":"B","typo":1},{"segment":"none"}]},"typo":1}""");
        Assert.Equal(("422 segment-invalid", "typo where.all[0].within where.all[1].typo"), (refused.Problem, refused.Errors));
        Assert.Equal(("422 segment-invalid", "where"), Mistakes(await app.CallAsync("PUT", "/v1/segments/wrong", """{"where":{"segment":"none"}}""")));
        Assert.Equal(("422 segment-invalid", "id"), Mistakes(await app.CallAsync("PUT", "/v1/segments/schema", Vip)));
        Assert.Equal(("422 segment-invalid", "id"), Mistakes(await app.CallAsync("PUT", "/v1/segments/wrong", """{"id":"right","where":{"event":"A"}}""")));
        Assert.Equal("400 not-json", (await app.CallAsync("PUT", "/v1/segments/wrong", "{")).Problem);

        static (string, string) Mistakes(Answered answer) => (answer.Problem, answer.Errors);
    }

    [Fact]
    public async Task Segments_ThatUseEachOther_AreKeptFromCirclesAndDeletion()
    {
        await app.CallAsync("PUT", "/v1/segments/inner", Vip);
        Assert.Equal(HttpStatusCode.Created, (await app.CallAsync("PUT", "/v1/segments/outer", """{"where":{"not":{"segment":"inner"}}}""")).Status);
        Assert.Equal("409 segment-cycle", (await app.CallAsync("PUT", "/v1/segments/inner", """{"where":{"segment":"outer"}}""")).Problem);
        Assert.Equal("409 segment-cycle", (await app.CallAsync("PUT", "/v1/segments/alone", """{"where":{"segment":"alone"}}""")).Problem);
        Assert.Equal("409 segment-in-use", (await app.CallAsync("DELETE", "/v1/segments/inner")).Problem);
    }

    [Fact]
    public async Task ComputedTrait_IsMadeUsedAndKept()
    {
        const string Orders = """{"event":"Order Completed","compute":"count","within":"90d"}""";
        var made = await app.CallAsync("PUT", "/v1/computed-traits/orders-90d", Orders);
        Assert.Equal((HttpStatusCode.Created, "count"), (made.Status, made.Json.GetProperty("compute").GetString()));
        Assert.Equal(HttpStatusCode.OK, (await app.CallAsync("PUT", "/v1/computed-traits/orders-90d", made.Text)).Status);
        await app.CallAsync("PUT", "/v1/segments/by-trait", """{"where":{"trait":"orders-90d","gte":3}}""");
        Assert.Equal("409 segment-in-use", (await app.CallAsync("DELETE", "/v1/computed-traits/orders-90d")).Problem);
        Assert.Equal("422 segment-invalid", (await app.CallAsync("PUT", "/v1/computed-traits/recency", Orders)).Problem);
        Assert.Equal("orders-90d", Assert.Single((await app.CallAsync("GET", "/v1/computed-traits")).Json.GetProperty("data").EnumerateArray()).GetProperty("id").GetString());
        Assert.Equal("404 not-found", (await app.CallAsync("GET", "/v1/computed-traits/none")).Problem);
    }

    [Fact]
    public async Task SchemaAndTemplates_AreServed()
    {
        Assert.True((await app.CallAsync("GET", "/v1/segments/schema")).Json.TryGetProperty("$schema", out _));
        var templates = (await app.CallAsync("GET", "/v1/segment-templates")).Json.GetProperty("data").EnumerateArray().ToList();
        Assert.Contains(templates, t => t.GetProperty("id").GetString() == "cart-abandoned");
    }
}
