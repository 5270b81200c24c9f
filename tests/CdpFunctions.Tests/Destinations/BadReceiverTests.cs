using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Xunit;
using Xunit.Abstractions;

namespace CdpFunctions.Tests.Destinations;

/// <summary>Real servers that are slow, flaky, asking for less, breaking connections, and gone for a while.</summary>
public sealed class BadReceiverTests(ITestOutputHelper output)
{
    private const int Deliveries = 40;

    [Fact]
    public async Task EveryDeliveryArrives_RepeatsCarryTheSameKey_AndTheBreakerCanBeSeen()
    {
        await using var app = await DeliveryApp.StartAsync();
        var tries = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        await using var bad = await Receiver.StartAsync();
        // Each key meets trouble of another kind at its first tries.
        bad.Answer = async (context, _) =>
        {
            var key = context.Request.Headers["Idempotency-Key"].ToString();
            var n = tries.AddOrUpdate(key, 1, (_, before) => before + 1);
            switch ((key[^1] + n) % 7)
            {
                case 0 when n < 4:
                    context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                    break;
                case 1 when n < 3:
                    context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
                    context.Response.Headers.RetryAfter = "1";
                    break;
                case 2 when n < 3:
                    context.Abort();
                    break;
                case 3 when n < 3:
                    // Longer than anybody waits; what it did before is done.
                    await Task.Delay(TimeSpan.FromSeconds(10), context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    break;
                case 4 when n < 3:
                    // Taken, and the answer is lost.
                    context.Items["taken"] = true;
                    context.Abort();
                    break;
            }
        };
        await app.PutDestinationAsync("bad", Hook(bad));
        for (var i = 0; i < Deliveries; i++)
            await app.TrackAsync($"m{i}", $"user-{i % 5}", "Ordered");
        await WaitAsync(async () => (await app.DeliveriesAsync("bad", "&state=delivered")).Count >= Deliveries / 4);

        // Gone for a while: the breaker opens, and everybody can see it.
        await bad.DownAsync();
        for (var i = 0; i < 10; i++)
            await app.TrackAsync($"late{i}", "user-1", "Ordered");
        await TestApp.WaitUntilAsync(async () => Breaker(await app.ReadJsonAsync("/v1/destinations/bad")) == "open");
        var open = (await app.ReadJsonAsync("/v1/destinations/bad")).GetProperty("health");
        Assert.True(open.GetProperty("pending").GetInt32() > 0);
        await bad.UpAsync();
        await WaitAsync(async () => (await app.DeliveriesAsync("bad", "&state=delivered")).Count == Deliveries + 10);

        var all = await app.DeliveriesAsync("bad");
        Assert.Equal(Deliveries + 10, all.Count);
        var taken = bad.Taken.Select(r => r.Key).ToHashSet(StringComparer.Ordinal);
        Assert.Equal(all.Select(d => d.GetProperty("key").GetString()).Order(StringComparer.Ordinal), taken.Order(StringComparer.Ordinal));
        // A delivery has one key, and a key one delivery, however often it was sent; versions never go back.
        Assert.All(bad.All.GroupBy(r => r.DeliveryId), repeats => Assert.Single(repeats.Select(r => r.Key).Distinct()));
        Assert.All(bad.All.GroupBy(r => r.Key), repeats => Assert.Single(repeats.Select(r => r.DeliveryId).Distinct()));
        Assert.All(bad.All.GroupBy(r => r.Key), repeats =>
        {
            var versions = repeats.Select(r => long.Parse(r.Version!, null)).ToList();
            Assert.Equal(versions.Order(), versions);
        });
        await TestApp.WaitUntilAsync(async () => Breaker(await app.ReadJsonAsync("/v1/destinations/bad")) == "closed");
        Assert.Equal(0, (await app.ReadJsonAsync("/v1/destinations/bad")).GetProperty("health").GetProperty("pending").GetInt32());
        output.WriteLine($"{all.Count} deliveries, {bad.All.Count} requests, {bad.Taken.Count} answered with success");
    }

    /// <summary>
    /// The one destination takes every request and never answers; the other's deliveries are as quick as they are without it. Latencies are those of one run, compared
    /// with each other: no absolute time is asserted.
    /// </summary>
    [Fact]
    public async Task SlowDestination_DoesNotDelayAnother()
    {
        await using var app = await DeliveryApp.StartAsync();
        await using var good = await Receiver.StartAsync();
        using var end = new CancellationTokenSource();
        await using var slow = await Receiver.StartAsync(async (context, _) =>
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, end.Token);
            await Task.Delay(Timeout.InfiniteTimeSpan, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        });
        await app.PutDestinationAsync("good", Hook(good, "Good"));
        await app.PutDestinationAsync("slow", Hook(slow, "Slow"));
        for (var i = 0; i < 5; i++)
            await MeasureAsync(app, good, $"warm{i}");
        var alone = new List<double>();
        for (var i = 0; i < 15; i++)
            alone.Add(await MeasureAsync(app, good, $"alone{i}"));

        for (var i = 0; i < 100; i++)
            await app.TrackAsync($"s{i}", "ann", "Slow");
        await TestApp.WaitUntilAsync(() => Task.FromResult(slow.Arrived > 0));
        var beside = new List<double>();
        for (var i = 0; i < 15; i++)
            beside.Add(await MeasureAsync(app, good, $"beside{i}"));
        Assert.NotEmpty(await app.DeliveriesAsync("slow", "&state=retrying"));

        output.WriteLine($"median latency alone {Median(alone):0} ms, beside a destination that never answers {Median(beside):0} ms");
        // One that waited for the other would take its time-out, 2 s, at least.
        Assert.True(Median(beside) < Median(alone) + DeliveryApp.Hurried.AttemptTimeout.TotalMilliseconds / 2, $"{Median(alone)} {Median(beside)}");
        await end.CancelAsync();
    }

    [Fact]
    public async Task Dead_CanBeRedriven_OneOrAllOfATimeRange_UnderTheirKeys()
    {
        await using var app = await DeliveryApp.StartAsync();
        await using var picky = await Receiver.StartAsync((context, _) =>
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return Task.CompletedTask;
        });
        await app.PutDestinationAsync("picky", Hook(picky));
        for (var i = 0; i < 5; i++)
            await app.TrackAsync($"m{i}", "ann", "Ordered");
        await TestApp.WaitUntilAsync(async () => (await app.DeliveriesAsync("picky", "&state=dead")).Count == 5);
        var refused = picky.All.Select(r => r.Key).Order(StringComparer.Ordinal).ToList();
        Assert.Equal(5, refused.Distinct().Count());

        picky.Answer = (_, _) => Task.CompletedTask;
        var one = (await app.DeliveriesAsync("picky"))[0].GetProperty("id").GetString();
        await app.PostAsync($"/v1/destinations/picky/deliveries/{one}/redrive", "", System.Net.HttpStatusCode.Accepted);
        await TestApp.WaitUntilAsync(async () => (await app.DeliveriesAsync("picky", "&state=delivered")).Count == 1);
        await app.PostAsync("/v1/destinations/picky/deliveries/redrive", """{"from":"2020-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z"}""", System.Net.HttpStatusCode.Accepted);
        await TestApp.WaitUntilAsync(async () => (await app.DeliveriesAsync("picky", "&state=delivered")).Count == 5);
        Assert.Equal(refused, picky.Taken.Select(r => r.Key).Order(StringComparer.Ordinal));
        Assert.Empty(await app.DeliveriesAsync("picky", "&from=2100-01-01T00:00:00Z"));
        Assert.Empty(await app.DeliveriesAsync("picky", "&to=2020-01-01T00:00:00Z"));
        Assert.Equal(2, (await app.ReadJsonAsync("/v1/destinations/picky/deliveries?limit=2")).GetProperty("data").GetArrayLength());
    }

    internal static string Hook(Receiver to, string name = "Ordered") => $$"""
        {"type":"webhook","settings":{"url":"{{to.Address}}in"},"subscriptions":[{"on":"event","events":["{{name}}"]}]}
        """;

    private static string? Breaker(JsonElement destination) => destination.GetProperty("health").GetProperty("breaker").GetString();

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    /// <summary>From the acknowledgement of an event to its arrival.</summary>
    private static async Task<double> MeasureAsync(TestApp app, Receiver good, string messageId)
    {
        var before = good.All.Count;
        await app.TrackAsync(messageId, "ann", "Good");
        var sent = Stopwatch.GetTimestamp();
        await TestApp.WaitUntilAsync(() => Task.FromResult(good.All.Count > before));
        return Stopwatch.GetElapsedTime(sent, good.All[^1].At).TotalMilliseconds;
    }

    private static async Task WaitAsync(Func<Task<bool>> holds)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        while (!await holds())
            await Task.Delay(200, patience.Token);
    }
}
