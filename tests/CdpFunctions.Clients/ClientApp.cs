using System.Text.Json;
using CdpFunctions.Tests;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace CdpFunctions.Clients;

/// <summary>The app and the browser that all tests of this project share; each test has people of its own.</summary>
[CollectionDefinition(Name)]
public sealed class ClientTests : ICollectionFixture<ClientApp>, ICollectionFixture<Chromium>
{
    public const string Name = "clients";
}

/// <summary>The whole app, and what is read back from it.</summary>
public sealed class ClientApp : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private TestApp? app;

    public async Task InitializeAsync() => app = await TestApp.StartAsync();

    public Task DisposeAsync() => app!.DisposeAsync().AsTask();

    internal Task<Gateway> GatewayAsync(Func<HttpRequest, Fate>? fate = null) => Gateway.StartAsync(app!.Client.BaseAddress!, fate);

    public Task<JsonElement> ProfileAsync(string key) => app!.ReadJsonAsync($"/v1/profiles/{key}");

    /// <summary>Everything on a profile's timeline, newest first, once it has as many events as are expected; waits half a minute.</summary>
    public async Task<IReadOnlyList<JsonElement>> TimelineAsync(string key, int count)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (true)
        {
            var events = await ReadTimelineAsync(key);
            if (events.Count >= count || patience.IsCancellationRequested)
                return events;
            await Task.Delay(20, CancellationToken.None);
        }
    }

    /// <summary>The profile's timeline is exactly the events that clients sent, each once, whole.</summary>
    internal async Task AssertTimelineAsync(string key, IEnumerable<SentEvent> sent)
    {
        var copies = sent.ToLookup(static e => e.MessageId, StringComparer.Ordinal);
        foreach (var copy in copies)
        {
            var status = await app!.WaitForMessageAsync(copy.Key);
            Assert.True(status.GetProperty("outcome").GetString() == "committed", $"{status} was sent as {string.Join('\n', copy.Select(static e => e.Json.GetRawText()))}");
        }

        var timeline = await TimelineAsync(key, copies.Count);

        Assert.Equal(
            copies.Select(static c => $"{c.Key} {c.First().Type}").Order(StringComparer.Ordinal),
            timeline.Select(static e => $"{e.GetProperty("messageId").GetString()} {e.GetProperty("type").GetString()}").Order(StringComparer.Ordinal));
        Assert.Equal(timeline.Select(Time).OrderDescending(), timeline.Select(Time));
        foreach (var stored in timeline)
        {
            var candidates = copies[stored.GetProperty("messageId").GetString()!].ToList();
            (candidates.Find(copy => copy.IsSourceOf(stored)) ?? candidates[0]).AssertStoredAs(stored);
        }
    }

    private static DateTimeOffset Time(JsonElement stored) => stored.GetProperty("timestamp").GetDateTimeOffset();

    private async Task<List<JsonElement>> ReadTimelineAsync(string key)
    {
        var events = new List<JsonElement>();
        var cursor = "";
        while (true)
        {
            // Not found until the first event is processed.
            using var response = await app!.ReadAsync($"/v1/profiles/{key}/events?limit=5{cursor}");
            if (response.StatusCode == System.Net.HttpStatusCode.NotFound)
                return events;
            response.EnsureSuccessStatusCode();
            var page = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
            events.AddRange(page.GetProperty("data").EnumerateArray());
            if (!page.TryGetProperty("next", out var next))
                return events;
            cursor = "&cursor=" + Uri.EscapeDataString(next.GetString()!);
        }
    }
}
