using System.Buffers;
using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Stats;
using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Stats;

/// <summary>The app's meter is one for the process, and other tests count on it too: tests look at a source of their own, or use a meter of their own.</summary>
public sealed class StatsTests : IDisposable
{
    private readonly SettableTime time = new(new DateTimeOffset(2026, 3, 4, 23, 58, 30, TimeSpan.Zero));
    private readonly FakeStore store;
    private readonly string source = "s" + Guid.NewGuid().ToString("n");
    private readonly List<StatsRecorder> recorders = [];

    public StatsTests() => store = new FakeStore(time);

    public void Dispose() => recorders.ForEach(recorder => recorder.Dispose());

    [Fact]
    public async Task Read_SumsWhatIsWrittenAndWhatIsNot_OverMinutesAndDays()
    {
        var recorder = Recorder();
        Telemetry.Received(source, 10);
        Telemetry.Accepted(source, 7);
        Telemetry.Rejected(source, "event-too-large", 2);
        Telemetry.Rejected(source, "no-identity", 1);
        await recorder.FlushAsync(CancellationToken.None);
        Telemetry.Received(source, 1);
        time.Advance(TimeSpan.FromMinutes(5));
        Telemetry.Committed(source, TimeSpan.FromSeconds(1));
        Telemetry.Duplicate(source);
        Telemetry.Failed(source, "poisoned");
        Telemetry.Failed(source, "no-identity");

        var json = await ReadAsync(recorder, sourceId: source);
        Assert.Equal(
            """{"received":11,"accepted":7,"rejected":{"event-too-large":2,"no-identity":1},"committed":1,"duplicates":1,"failed":2}""",
            json.GetProperty("events").GetRawText());

        // The same from the rows alone, by another process.
        await recorder.FlushAsync(CancellationToken.None);
        var other = await ReadAsync(Recorder(), sourceId: source);
        Assert.Equal(json.GetProperty("events").GetRawText(), other.GetProperty("events").GetRawText());
        Assert.Equal(json.GetProperty("latencySeconds").GetRawText(), other.GetProperty("latencySeconds").GetRawText());
    }

    [Fact]
    public async Task Read_WrittenAgainAndAgain_CountsOnce()
    {
        var recorder = Recorder();
        for (var i = 0; i < 5; i++)
        {
            Telemetry.Received(source, 1);
            await recorder.FlushAsync(CancellationToken.None);
            await recorder.FlushAsync(CancellationToken.None);
        }

        Assert.Equal(5, Received(await ReadAsync(recorder, sourceId: source)));
        Assert.Single(store.Snapshot(), row => row.Table == TableName.Stats && row.Key.EndsWith(recorder.Instance, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Flush_StorageDoesNotAnswer_NothingIsLost()
    {
        var recorder = Recorder();
        Telemetry.Received(source, 3);
        store.Before = _ => throw new IOException();
        await Assert.ThrowsAsync<IOException>(() => recorder.FlushAsync(CancellationToken.None));
        time.Advance(TimeSpan.FromMinutes(3));
        store.Before = null;
        Assert.Equal(3, Received(await ReadAsync(recorder, sourceId: source)));
        await recorder.FlushAsync(CancellationToken.None);
        Assert.DoesNotContain(recorder.Snapshot().Values, minute => minute.ContainsKey(source));
        Assert.Equal(3, Received(await ReadAsync(recorder, sourceId: source)));
    }

    [Fact]
    public async Task Read_FromAndTo_CountWholeMinutes()
    {
        var recorder = Recorder();
        for (var i = 0; i < 4; i++)
        {
            Telemetry.Received(source, (int)Math.Pow(10, i));
            await recorder.FlushAsync(CancellationToken.None);
            time.Advance(TimeSpan.FromMinutes(1));
        }

        // 23:58:30, 23:59:30, 00:00:30, 00:01:30
        var json = await ReadAsync(recorder, At(23, 59, 45), At(24, 0, 20), source);
        Assert.Equal(110, Received(json));
        Assert.Equal("2026-03-04T23:59:00.000Z", json.GetProperty("from").GetString());
        Assert.Equal("2026-03-05T00:01:00.000Z", json.GetProperty("to").GetString());
        Assert.Equal(100, Received(await ReadAsync(recorder, At(24, 0, 0), At(24, 1, 0), source)));
        Assert.Equal(1111, Received(await ReadAsync(recorder, sourceId: source)));
        Assert.Equal(1100, Received(await ReadAsync(recorder, At(24, 0, 0), null, source)));
        Assert.Equal(0, Received(await ReadAsync(recorder, sourceId: source + "x")));
    }

    [Fact]
    public async Task Read_SpanThatIsEmptyOrTooLong_IsRefused()
    {
        var recorder = Recorder();
        foreach (var (from, to) in new[] { (At(5, 0, 0), At(5, 0, 0)), (At(6, 0, 0), At(5, 0, 0)), (new Instant(0), At(5, 0, 0)) })
        {
            var refused = await Assert.ThrowsAsync<ProblemException>(() => ReadAsync(recorder, from, to));
            Assert.Equal(ProblemType.InvalidField, refused.Problem.Type);
        }
    }

    [Fact]
    public async Task Read_Quantiles_AreRightWithinABucket()
    {
        var recorder = Recorder();
        for (var i = 1; i <= 1000; i++)
            Telemetry.Committed(source, TimeSpan.FromMilliseconds(i * 10));
        var latency = (await ReadAsync(recorder, sourceId: source)).GetProperty("latencySeconds");
        Assert.InRange(latency.GetProperty("p50").GetDouble(), 5, 5 * 1.19);
        Assert.InRange(latency.GetProperty("p99").GetDouble(), 9.9, 9.9 * 1.19);
    }

    [Theory]
    [InlineData(0, 0.001)]
    [InlineData(-1, 0.001)]
    [InlineData(0.001, 0.001)]
    [InlineData(0.002, 0.002)]
    [InlineData(1e12, 1073741.824)]
    public void Histogram_OneValue(double seconds, double expected)
    {
        var histogram = new LatencyHistogram();
        Assert.Null(histogram.Quantile(0.5));
        histogram.Record(seconds);
        Assert.Equal(expected, histogram.Quantile(0.01));
        Assert.Equal(expected, histogram.Quantile(0.99));
    }

    [Fact]
    public async Task Read_Profiles_AreTheSumOverInstances()
    {
        using var meter = new Meter("test");
        var counter = meter.CreateCounter<long>("cdp.profiles");
        for (var instance = 1; instance <= 3; instance++)
        {
            using var recorder = new StatsRecorder(store, time, meter);
            counter.Add(instance, new KeyValuePair<string, object?>("kind", "total"));
            counter.Add(1, new KeyValuePair<string, object?>("kind", "identified"));
            await recorder.FlushAsync(CancellationToken.None);
            counter.Add(-1, new KeyValuePair<string, object?>("kind", "total"));
            Assert.Equal("""{"total":REST,"identified":SUM}""".Replace("REST", $"{(instance * (instance + 1) / 2) - instance}").Replace("SUM", $"{instance}"), await ProfilesAsync(recorder));
            await recorder.FlushAsync(CancellationToken.None);
            Assert.Equal((0L, 0L), recorder.Unwritten);
        }
    }

    [Fact]
    public async Task Flush_AnswerGetsLost_ProfilesCountOnce()
    {
        using var meter = new Meter("test");
        var counter = meter.CreateCounter<long>("cdp.profiles");
        using var recorder = new StatsRecorder(store, time, meter);
        counter.Add(5);
        store.After = call => call.Operation == StoreOperation.Commit ? throw new IOException() : Task.CompletedTask;
        await Assert.ThrowsAsync<IOException>(() => recorder.FlushAsync(CancellationToken.None));
        store.After = null;
        counter.Add(3);
        await recorder.FlushAsync(CancellationToken.None);
        Assert.Equal((3L, 0L), recorder.Unwritten);
        Assert.Equal("""{"total":8,"identified":0}""", await ProfilesAsync(recorder));
        await recorder.FlushAsync(CancellationToken.None);
        Assert.Equal("""{"total":8,"identified":0}""", await ProfilesAsync(recorder));
    }

    [Fact]
    public async Task Read_ConflictsAndMerges_WhateverTheSource()
    {
        using var meter = new Meter("test");
        var merges = meter.CreateCounter<long>("cdp.merges");
        meter.CreateCounter<long>("cdp.events.received").Add(1);
        using var recorder = new StatsRecorder(store, time, meter);
        meter.CreateCounter<long>("cdp.commit.conflicts").Add(4);
        merges.Add(1, new KeyValuePair<string, object?>("state", "fencing"));
        merges.Add(2, new KeyValuePair<string, object?>("state", "done"));
        await recorder.FlushAsync(CancellationToken.None);
        foreach (var asked in new[] { null, "web" })
        {
            var json = await ReadAsync(recorder, sourceId: asked);
            Assert.Equal((4, 2), (json.GetProperty("conflicts").GetInt32(), json.GetProperty("merges").GetInt32()));
            Assert.False(json.TryGetProperty("latencySeconds", out _));
        }
    }

    [Fact]
    public async Task Read_Queues()
    {
        await store.SendAsync(QueueName.Events, "a", null, CancellationToken.None);
        await store.SendAsync(QueueName.Events, "b", null, CancellationToken.None);
        await store.SendAsync(QueueName.MergesPoison, "c", null, CancellationToken.None);
        time.Advance(TimeSpan.FromSeconds(7));
        Assert.Equal(
            """[{"name":"events","messages":2,"oldestSeconds":7,"poison":0},{"name":"merges","messages":0,"poison":1},{"name":"segments","messages":0,"poison":0},{"name":"deliveries","messages":0,"poison":0},{"name":"exports","messages":0,"poison":0},{"name":"imports","messages":0,"poison":0}]""",
            (await ReadAsync(Recorder())).GetProperty("queues").GetRawText());
    }

    private static Instant At(int hour, int minute, int second) =>
        Instant.Of(new DateTimeOffset(2026, 3, 4, 0, 0, 0, TimeSpan.Zero).AddHours(hour).AddMinutes(minute).AddSeconds(second));

    private static long Received(JsonElement json) => json.GetProperty("events").GetProperty("received").GetInt64();

    private async Task<string> ProfilesAsync(StatsRecorder recorder) => (await ReadAsync(recorder)).GetProperty("profiles").GetRawText();

    private StatsRecorder Recorder()
    {
        var recorder = new StatsRecorder(store, time);
        recorders.Add(recorder);
        return recorder;
    }

    private async Task<JsonElement> ReadAsync(StatsRecorder recorder, Instant? from = null, Instant? to = null, string? sourceId = null)
    {
        var buffer = new ArrayBufferWriter<byte>();
        await using (var json = new Utf8JsonWriter(buffer))
            await new StatsReader(store, store, recorder, time).WriteAsync(json, from, to, sourceId, CancellationToken.None);
        return JsonDocument.Parse(Encoding.UTF8.GetString(buffer.WrittenSpan)).RootElement;
    }
}
