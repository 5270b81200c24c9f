using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Azure;
using Cdp.Collect;
using Cdp.Sources;
using Cdp.Storage;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace CdpFunctions.Tests.Collect;

/// <summary>The app with the events queue opened up: what collectors put in is kept here, and the test can take the queue down.</summary>
public sealed class CollectApp : IAsyncLifetime
{
    public const int MaxBatchBytes = 1_000_000;

    private readonly OpenQueue queue = new();
    private TestApp? app;

    public HttpClient Client => app!.Client;

    /// <summary>Set while the queue shall not answer.</summary>
    public bool IsQueueDown
    {
        get => queue.IsDown;
        set => queue.IsDown = value;
    }

    public async Task InitializeAsync()
    {
        app = await TestApp.StartAsync(
            new Dictionary<string, string?> { ["Cdp:MaxBatchBytes"] = MaxBatchBytes.ToString() },
            services: services => services.AddSingleton<IMessageQueue>(queue));
        await PutAsync(new Source("disabled", "", "http", false, [Key("wk_disabled")]));
        await PutAsync(new Source("shop", "", "http", true, [Key("wk_shop")], ["https://shop.example"]));
        await PutAsync(new Source("slow", "", "http", true, [Key("wk_slow")], RateLimit: new RateLimit(0.001)));
    }

    public Task DisposeAsync() => app!.DisposeAsync().AsTask();

    public Task PutAsync(Source source) => app!.Services.GetRequiredService<SourceStore>().PutAsync(source, PutCondition.None, CancellationToken.None);

    public static WriteKey Key(string key) => new(key, DateTimeOffset.UnixEpoch, true);

    /// <summary>The event with a messageId, as it was queued; null where none was.</summary>
    public async Task<(JsonElement Json, bool Historical)?> QueuedAsync(string messageId)
    {
        var blobs = app!.Services.GetRequiredService<IBlobStore>();
        foreach (var message in queue.Messages)
        {
            foreach (var collected in await EventMessageCodec.DecodeAsync(message, blobs, CancellationToken.None))
            {
                var json = JsonDocument.Parse(collected.Json).RootElement;
                if (json.GetProperty("messageId").ValueEquals(messageId))
                    return (json, collected.Historical);
            }
        }

        return null;
    }

    public async Task<HttpResponseMessage> PostAsync(string path, HttpContent content, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return await Client.SendAsync(request);
    }

    /// <summary>Posts with the key of the local source.</summary>
    public Task<HttpResponseMessage> PostAsync(string path, string json, params (string Name, string Value)[] headers) =>
        PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), [("Authorization", "Bearer local"), .. headers]);

    private sealed class OpenQueue : IMessageQueue
    {
        private readonly ConcurrentQueue<string> messages = new();

        public volatile bool IsDown;

        public IEnumerable<string> Messages => messages;

        public Task SendAsync(QueueName queue, string body, TimeSpan? delay, CancellationToken cancellation)
        {
            if (IsDown)
                throw new AggregateException(new RequestFailedException("Connection refused"), new RequestFailedException(503, "Server busy"));
            messages.Enqueue(body);
            return Task.CompletedTask;
        }

        public Task<QueueBacklog> BacklogAsync(QueueName queue, CancellationToken cancellation) => Task.FromResult(default(QueueBacklog));
    }
}
