using System.Net;
using System.Text.Json;
using Azure;
using Cdp.Sources;
using Cdp.Storage;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace CdpFunctions.Tests.Api;

public sealed class OperationsTests
{
    [Fact]
    public async Task Stats_OfAProcessThatWasStopped_AreThereInTheNext()
    {
        var source = "s" + Guid.NewGuid().ToString("n");
        string connection;
        JsonElement before;
        await using (var app = await TestApp.StartAsync())
        {
            connection = app.ConnectionString;
            await app.Services.GetRequiredService<SourceStore>().PutAsync(
                new Source(source, source, "http", Enabled: true, [new WriteKey("wk_" + source, DateTimeOffset.UnixEpoch, Enabled: true)]), PutCondition.None, CancellationToken.None);
            using var sent = await app.SendAsync(HttpMethod.Post, "/v1/track", """{"messageId":"m","userId":"u","event":"E"}""", TestApp.Basic("wk_" + source));
            Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
            await app.WaitForMessageAsync("m", source);
            before = await app.ReadJsonAsync("/v1/stats?sourceId=" + source);
            Assert.Equal(1, before.GetProperty("events").GetProperty("committed").GetInt32());
        }

        await using var next = await TestApp.StartAsync(connection: connection);
        var after = await next.ReadJsonAsync("/v1/stats?sourceId=" + source);
        Assert.Equal(before.GetProperty("events").GetRawText(), after.GetProperty("events").GetRawText());
        Assert.Equal(before.GetProperty("latencySeconds").GetRawText(), after.GetProperty("latencySeconds").GetRawText());
    }

    [Fact]
    public async Task Ready_StorageDoesNotAnswer_503AndStillAlive()
    {
        await using var app = await TestApp.StartAsync(services: services => services.AddSingleton<IMessageQueue, DeadQueue>());
        using var ready = await app.SendAsync(HttpMethod.Get, "/readyz", null, null);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, TimeSpan.FromSeconds(1)), (ready.StatusCode, ready.Headers.RetryAfter?.Delta));
        Assert.Contains("/problems/storage-unavailable", await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var alive = await app.SendAsync(HttpMethod.Get, "/healthz", null, null);
        Assert.Equal(HttpStatusCode.OK, alive.StatusCode);
    }

    private sealed class DeadQueue : IMessageQueue
    {
        public Task SendAsync(QueueName queue, string body, TimeSpan? delay, CancellationToken cancellation) => throw new RequestFailedException(503, "Server busy");

        public Task<QueueBacklog> BacklogAsync(QueueName queue, CancellationToken cancellation) => throw new RequestFailedException(503, "Server busy");
    }
}
