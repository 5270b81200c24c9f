using System.Net;
using System.Text.Json;
using Cdp.Segments.Reading;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace CdpFunctions.Tests.Api;

/// <summary>Previews of more profiles than one request looks at, and overlaps, over HTTP on Azurite.</summary>
public sealed class SegmentPreviewApiTests : IAsyncLifetime
{
    private TestApp? app;

    private TestApp App => app!;

    public async Task InitializeAsync() => app = await TestApp.StartAsync(services: static services => services.AddSingleton(new PreviewLimits(16)));

    public Task DisposeAsync() => App.DisposeAsync().AsTask();

    [Fact]
    public async Task PreviewOfMany_IsAJob_AndOverlapsAreCounted()
    {
        // Saved before the events, so that nothing has to be waited for.
        await PutAsync("/v1/segments/buyers", """{"where":{"event":"Order Completed"}}""");
        await PutAsync("/v1/segments/viewers", """{"where":{"event":"Product Viewed"}}""");
        await PutAsync("/v1/segments/nobody", """{"where":{"event":"Never"}}""");
        for (var i = 0; i < 60; i++)
        {
            await CollectAsync($"v{i}", $"u{i}", i % 2 == 0 ? "Product Viewed" : "Cart Viewed");
            if (i % 3 == 0)
                await CollectAsync($"o{i}", $"u{i}", "Order Completed");
        }

        for (var i = 0; i < 60; i++)
            await App.WaitForMessageAsync(i % 3 == 0 ? $"o{i}" : $"v{i}");

        using (var asked = await PostAsync("/v1/segments/preview", """{"where":{"event":"Order Completed"}}"""))
        {
            var job = JsonDocument.Parse(await asked.Content.ReadAsStringAsync()).RootElement;
            Assert.Equal((HttpStatusCode.Accepted, "queued", 0), (asked.StatusCode, job.GetProperty("state").GetString(), job.GetProperty("progress").GetProperty("done").GetInt32()));
            var path = asked.Headers.Location!.ToString();
            Assert.Equal("/v1/segment-previews/" + job.GetProperty("id").GetString(), path);
            await TestApp.WaitUntilAsync(async () => (await App.ReadJsonAsync(path)).GetProperty("state").GetString() == "done");
            var done = await App.ReadJsonAsync(path);
            Assert.Equal(("exact", 20, 60, 60), (done.GetProperty("mode").GetString(), done.GetProperty("size").GetInt32(), done.GetProperty("scanned").GetInt32(), done.GetProperty("of").GetInt32()));
            Assert.Equal(10, done.GetProperty("examples").GetArrayLength());
            Assert.StartsWith("u", done.GetProperty("examples")[0].GetProperty("identifiers").GetProperty("user_id")[0].GetString(), StringComparison.Ordinal);
            Assert.True(done.TryGetProperty("evaluatedAt", out _));
        }

        using (var unknown = await App.ReadAsync("/v1/segment-previews/prv_none"))
            Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);

        var overlap = await OverlapAsync("""{"segments":["buyers","viewers","nobody"]}""");
        Assert.Equal(("exact", 0, 40), (overlap.GetProperty("mode").GetString(), overlap.GetProperty("intersection").GetInt32(), overlap.GetProperty("union").GetInt32()));
        Assert.Equal("buyers 20 10, viewers 30 20, nobody 0 0", Text(overlap));
        var pair = overlap.GetProperty("pairs")[0];
        Assert.Equal("""["buyers","viewers"]""", pair.GetProperty("segments").GetRawText());
        Assert.Equal((10, 40, 0.25m), (pair.GetProperty("intersection").GetInt32(), pair.GetProperty("union").GetInt32(), pair.GetProperty("jaccard").GetDecimal()));

        // With a condition that is not saved everybody has to be looked at: beyond the limit a sample.
        var mixed = await OverlapAsync("""{"segments":["buyers"],"where":{"event":"Cart Viewed"}}""");
        Assert.Equal(("sample", "preview"), (mixed.GetProperty("mode").GetString(), mixed.GetProperty("segments")[1].GetProperty("id").GetString()));
        Assert.True(mixed.GetProperty("scanned").GetInt32() is >= 16 and < 60);

        foreach (var (body, problem) in new[]
        {
            ("""{"segments":["buyers"]}""", "segments"), ("""{"segments":[],"where":{"event":"A"}}""", "segments"), ("""{"segments":["buyers","none"]}""", "segments[1]"),
            ("""{"segments":["buyers","buyers"]}""", "segments[1]"), ("""{"segments":["a","b","c","d","e","f"]}""", "segments"), ("""{"segments":["buyers","viewers"],"typo":1}""", "typo"),
        })
        {
            using var refused = await PostAsync("/v1/segments/overlap", body);
            var errors = JsonDocument.Parse(await refused.Content.ReadAsStringAsync()).RootElement.GetProperty("errors");
            Assert.Equal((HttpStatusCode.BadRequest, problem), (refused.StatusCode, errors[0].GetProperty("path").GetString()));
        }

        using var invalid = await PostAsync("/v1/segments/overlap", """{"segments":["buyers"],"where":{"segment":"none"}}""");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, invalid.StatusCode);
    }

    private static string Text(JsonElement overlap) => string.Join(
        ", ", overlap.GetProperty("segments").EnumerateArray().Select(s => $"{s.GetProperty("id").GetString()} {s.GetProperty("size").GetInt32()} {s.GetProperty("only").GetInt32()}"));

    private async Task CollectAsync(string messageId, string user, string name)
    {
        using var sent = await App.CollectAsync("/v1/track", $$"""{"messageId":"{{messageId}}","userId":"{{user}}","event":"{{name}}"}""");
        Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
    }

    private Task<HttpResponseMessage> PostAsync(string path, string json) => App.SendAsync(HttpMethod.Post, path, json, new("Bearer", TestApp.ApiKey));

    private async Task PutAsync(string path, string json)
    {
        using var put = await App.SendAsync(HttpMethod.Put, path, json, new("Bearer", TestApp.ApiKey));
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
    }

    private async Task<JsonElement> OverlapAsync(string json)
    {
        using var answer = await PostAsync("/v1/segments/overlap", json);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonDocument.Parse(text).RootElement.Clone();
    }
}
