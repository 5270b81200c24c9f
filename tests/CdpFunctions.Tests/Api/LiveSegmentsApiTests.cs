using System.Net;
using System.Text;
using System.Text.Json;
using CdpFunctions.Tests;
using Xunit;

namespace CdpFunctions.Tests.Api;

/// <summary>Segments that follow events and time, over HTTP, on Azurite, the clock set forward by the test.</summary>
public sealed class LiveSegmentsApiTests : IAsyncLifetime
{
    private readonly ShiftedTime time = new();
    private TestApp? app;

    private TestApp App => app!;

    public async Task InitializeAsync() => app = await TestApp.StartAsync(time: time);

    public Task DisposeAsync() => App.DisposeAsync().AsTask();

    [Fact]
    public async Task Cart_Abandoned_IsInTheSegmentAfterTheHourWithoutAnyEvent_AndBuyingLeavesAtOnce()
    {
        var template = (await App.ReadJsonAsync("/v1/segment-templates")).GetProperty("data").EnumerateArray().First(t => t.GetProperty("id").GetString() == "cart-abandoned");
        await PutAsync("/v1/segments/cart-abandoned", template.GetRawText());
        await CollectAsync("ann-1", "ann", "Product Added");
        await CollectAsync("ben-1", "ben", "Product Added");
        await CollectAsync("ben-2", "ben", "Order Completed");
        Assert.Equal("", await SegmentsAsync("ann"));

        time.Advance(TimeSpan.FromMinutes(62));
        await TickUntilAsync(async () => await SegmentsAsync("ann") == "cart-abandoned");
        Assert.Equal("", await SegmentsAsync("ben"));
        var member = Assert.Single((await App.ReadJsonAsync("/v1/segments/cart-abandoned/members")).GetProperty("data").EnumerateArray());
        Assert.Equal("ann", member.GetProperty("identifiers").GetProperty("user_id")[0].GetString());
        Assert.True((await App.ReadJsonAsync("/v1/segments/cart-abandoned/explain?profile=user_id:ann")).GetProperty("member").GetBoolean());

        await CollectAsync("ann-2", "ann", "Order Completed");
        Assert.Equal("", await SegmentsAsync("ann"));
        var bought = (await App.ReadJsonAsync("/v1/profiles/user_id:ann/events")).GetProperty("data").EnumerateArray().First(e => e.GetProperty("messageId").GetString() == "ann-2");
        Assert.Equal("""[{"id":"cart-abandoned","change":"exited"}]""", bought.GetProperty("segmentChanges").GetRawText());
        Assert.Empty((await App.ReadJsonAsync("/v1/segments/cart-abandoned/members")).GetProperty("data").EnumerateArray());
        Assert.False((await App.ReadJsonAsync("/v1/segments/cart-abandoned/explain?profile=user_id:ann")).GetProperty("member").GetBoolean());
        Assert.Equal(1, (await App.ReadJsonAsync("/v1/profiles/user_id:ann")).GetProperty("computedTraits").GetProperty("frequency").GetInt32());
    }

    [Fact]
    public async Task NewSegment_OverWhatIsThere_IsBackfilled_WithReadableProgress()
    {
        for (var i = 0; i < 30; i++)
            await CollectAsync($"m{i}", $"u{i}", i % 3 == 0 ? "Order Completed" : "Product Viewed", wait: i == 29);
        for (var i = 0; i < 30; i++)
            await App.WaitForMessageAsync($"m{i}");
        var preview = await PreviewAsync("""{"where":{"event":"Order Completed"}}""");
        Assert.Equal(("exact", 10, 30), (preview.GetProperty("mode").GetString(), preview.GetProperty("size").GetInt32(), preview.GetProperty("scanned").GetInt32()));
        Assert.Equal(10, preview.GetProperty("examples").GetArrayLength());
        var sampled = await PreviewAsync("""{"where":{"event":"Order Completed"},"mode":"sample","sample":5}""");
        Assert.InRange(sampled.GetProperty("interval").GetProperty("low").GetInt32(), 0, sampled.GetProperty("interval").GetProperty("high").GetInt32());

        await PutAsync("/v1/segments/buyers", """{"where":{"event":"Order Completed"}}""");
        var waiting = await App.ReadJsonAsync("/v1/segments/buyers");
        Assert.Equal(("backfilling", 0), (waiting.GetProperty("state").GetString(), waiting.GetProperty("members").GetProperty("count").GetInt32()));
        Assert.Equal("", await SegmentsAsync("u0"));
        time.Advance(TimeSpan.FromSeconds(31));
        await TickUntilAsync(async () => (await App.ReadJsonAsync("/v1/segments/buyers")).GetProperty("state").GetString() == "live");
        Assert.Equal(10, (await App.ReadJsonAsync("/v1/segments/buyers")).GetProperty("members").GetProperty("count").GetInt32());
        Assert.Equal("buyers", await SegmentsAsync("u0"));

        var members = new List<string>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = await App.ReadJsonAsync("/v1/segments/buyers/members?limit=3" + (cursor.Length == 0 ? "" : "&cursor=" + cursor));
            members.AddRange(page.GetProperty("data").EnumerateArray().Select(m => m.GetProperty("identifiers").GetProperty("user_id")[0].GetString()!));
            cursor = page.TryGetProperty("next", out var next) ? next.GetString() : null;
        }

        Assert.Equal(Enumerable.Range(0, 10).Select(i => $"u{i * 3}").Order(StringComparer.Ordinal), members.Order(StringComparer.Ordinal));
    }

    /// <summary>Fires the timer as the host would, until what it leads to is there.</summary>
    private async Task TickUntilAsync(Func<Task<bool>> isThere)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        for (var tick = 0; ; tick++)
        {
            if (tick % 20 == 0)
            {
                using var fired = await App.Client.PostAsync("/admin/functions/RecomputeSegments", new StringContent("{}", Encoding.UTF8, "application/json"), patience.Token);
                Assert.Equal(HttpStatusCode.Accepted, fired.StatusCode);
            }

            if (await isThere())
                return;
            await Task.Delay(100, patience.Token);
        }
    }

    private async Task CollectAsync(string messageId, string user, string name, bool wait = true)
    {
        using var sent = await App.CollectAsync("/v1/track", $$"""{"messageId":"{{messageId}}","userId":"{{user}}","event":"{{name}}"}""");
        Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
        if (wait)
            await App.WaitForMessageAsync(messageId);
    }

    private async Task<string> SegmentsAsync(string user) => string.Join(
        ' ', (await App.ReadJsonAsync("/v1/profiles/user_id:" + user)).GetProperty("segments").EnumerateArray().Select(s => s.GetProperty("id").GetString()));

    private async Task PutAsync(string path, string json)
    {
        using var put = await App.SendAsync(HttpMethod.Put, path, json, new("Bearer", TestApp.ApiKey));
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
    }

    private async Task<JsonElement> PreviewAsync(string json)
    {
        using var answer = await App.SendAsync(HttpMethod.Post, "/v1/segments/preview", json, new("Bearer", TestApp.ApiKey));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonDocument.Parse(text).RootElement.Clone();
    }
}
