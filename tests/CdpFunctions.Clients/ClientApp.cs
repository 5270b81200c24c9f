using System.Text.Json;
using Cdp.Storage;
using CdpFunctions.Tests;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
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

    /// <summary>Everything on a profile's timeline, newest first, once all that was collected is processed, repetitions included.</summary>
    public async Task<IReadOnlyList<JsonElement>> TimelineAsync(string key)
    {
        await SettleAsync();
        var events = new List<JsonElement>();
        var cursor = "";
        while (true)
        {
            // Few on a page, so that there are several.
            var page = await app!.ReadJsonAsync($"/v1/profiles/{key}/events?limit=5{cursor}");
            events.AddRange(page.GetProperty("data").EnumerateArray());
            if (!page.TryGetProperty("next", out var next))
                return events;
            cursor = "&cursor=" + Uri.EscapeDataString(next.GetString()!);
        }
    }

    /// <summary>The profile's timeline is exactly the events that clients sent, each once, whole.</summary>
    internal async Task AssertTimelineAsync(string key, IEnumerable<SentEvent> sent)
    {
        var copies = sent.ToLookup(static e => e.MessageId, StringComparer.Ordinal);
        var timeline = await TimelineAsync(key);
        Assert.Equal(
            copies.Select(static c => $"{c.Key} {c.First().Type}").Order(StringComparer.Ordinal),
            timeline.Select(static e => $"{e.GetProperty("messageId").GetString()} {e.GetProperty("type").GetString()}").Order(StringComparer.Ordinal));
        Assert.Equal(timeline.Select(Time).OrderDescending(), timeline.Select(Time));
        foreach (var stored in timeline)
        {
            var candidates = copies[stored.GetProperty("messageId").GetString()!].ToList();
            (candidates.Find(copy => copy.IsSourceOf(stored)) ?? candidates[0]).AssertStoredAs(stored);
            var status = await app!.WaitForMessageAsync(candidates[0].MessageId);
            Assert.True(
                status.GetProperty("outcome").GetString() == "committed",
                $"{status} was sent as {string.Join('\n', candidates.Select(static copy => copy.Json.GetRawText()))}");
        }
    }

    private static DateTimeOffset Time(JsonElement stored) => stored.GetProperty("timestamp").GetDateTimeOffset();

    /// <summary>A message leaves its queue when all it brought about is stored or in another queue: merges come from events.</summary>
    private async Task SettleAsync()
    {
        var queues = app!.Services.GetRequiredService<IMessageQueue>();
        using var patience = new CancellationTokenSource(Patience);
        foreach (var queue in new[] { QueueName.Events, QueueName.Merges })
        {
            while ((await queues.BacklogAsync(queue, patience.Token)).Messages > 0)
                await Task.Delay(20, patience.Token);
        }
    }
}
