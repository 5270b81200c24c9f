using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Cdp.Deliveries;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace CdpFunctions.Tests.Destinations;

/// <summary>The app with destinations on this machine, and less patient than in life.</summary>
public static class DeliveryApp
{
    public static readonly DeliveryPolicy Hurried = new()
    {
        AttemptTimeout = TimeSpan.FromSeconds(2),
        QuickRetryDelay = TimeSpan.FromMilliseconds(20),
        FirstDelay = TimeSpan.FromSeconds(1),
        MostDelay = TimeSpan.FromSeconds(2),
        MostPostponement = TimeSpan.FromSeconds(1),
        Break = TimeSpan.FromSeconds(2),
        MostBreak = TimeSpan.FromSeconds(4),
    };

    public static Task<TestApp> StartAsync(DeliveryPolicy? policy = null, IReadOnlyDictionary<string, string?>? settings = null, string? connection = null) => TestApp.StartAsync(
        new Dictionary<string, string?>(settings ?? new Dictionary<string, string?>()) { ["Cdp:AllowPrivateDestinations"] = "true" },
        connection: connection, services: services => services.AddSingleton(policy ?? Hurried));

    public static async Task<JsonElement> PutDestinationAsync(this TestApp app, string id, string json)
    {
        using var answer = await app.SendAsync(HttpMethod.Put, "/v1/destinations/" + id, json, new AuthenticationHeaderValue("Bearer", TestApp.ApiKey));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode is HttpStatusCode.Created or HttpStatusCode.OK, $"{answer.StatusCode} {text}");
        return JsonDocument.Parse(text).RootElement.Clone();
    }

    public static async Task<JsonElement> PostAsync(this TestApp app, string path, string json, HttpStatusCode expected)
    {
        using var answer = await app.SendAsync(HttpMethod.Post, path, json, new AuthenticationHeaderValue("Bearer", TestApp.ApiKey));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == expected, $"{answer.StatusCode} {text}");
        return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement.Clone();
    }

    public static async Task TrackAsync(this TestApp app, string messageId, string user, string name, string properties = "{}")
    {
        using var sent = await app.CollectAsync("/v1/track", $$"""{"messageId":"{{messageId}}","userId":"{{user}}","event":"{{name}}","properties":{{properties}}}""");
        Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
    }

    public static async Task IdentifyAsync(this TestApp app, string messageId, string user, string traits)
    {
        using var sent = await app.CollectAsync("/v1/identify", $$"""{"messageId":"{{messageId}}","userId":"{{user}}","traits":{{traits}}}""");
        Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
        await app.WaitForMessageAsync(messageId);
    }

    /// <summary>All deliveries of a destination, the newest first.</summary>
    public static async Task<List<JsonElement>> DeliveriesAsync(this TestApp app, string destination, string filter = "")
    {
        var all = new List<JsonElement>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = await app.ReadJsonAsync($"/v1/destinations/{destination}/deliveries?limit=100{filter}" + (cursor.Length == 0 ? "" : "&cursor=" + cursor));
            all.AddRange(page.GetProperty("data").EnumerateArray());
            cursor = page.TryGetProperty("next", out var next) ? next.GetString() : null;
        }

        return all;
    }

    public static string State(this JsonElement delivery) => delivery.GetProperty("state").GetString()!;
}
