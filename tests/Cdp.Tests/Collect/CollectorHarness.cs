using System.Collections.Concurrent;
using System.Text;
using Cdp.Collect;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Sources;
using Cdp.Storage;
using Cdp.Tests.Storage;
using Cdp.TrackingPlans;

namespace Cdp.Tests.Collect;

/// <summary>A collector with one source, <c>web</c> with key <c>wk_test</c>, a clock that stands still and a queue that keeps messages.</summary>
internal sealed class CollectorHarness
{
    public const string Key = "wk_test";

    public CollectorHarness(Source? source = null, IdentityRules? rules = null)
    {
        Source = source ?? new Source("web", "Shop", "http", true, [new WriteKey(Key, DateTimeOffset.UnixEpoch, true)]);
        var sources = new SourceStore(Rows);
        sources.PutAsync(Source, PutCondition.IsNew, CancellationToken.None).GetAwaiter().GetResult();
        var ids = new IdGenerator(Time, buffer => new Random(7).NextBytes(buffer));
        Violations = new ViolationRecorder(Rows);
        Writer = new EventQueueWriter(Queue, Blobs, ids);
        Collector = new Collector(new SourceRegistry(sources, Time), new SourceRateLimiter(Time), Writer, IdentityRulesRegistry.Of(rules ?? IdentityRules.Default), Violations, Time, ids);
    }

    public Source Source { get; }

    public FakeStore Rows { get; } = new();

    public ManualTime Time { get; } = new(DateTimeOffset.Parse("2026-01-02T03:04:05.678Z"));

    public KeptMessages Queue { get; } = new();

    public KeptBlobs Blobs { get; } = new();

    public ViolationRecorder Violations { get; }

    public EventQueueWriter Writer { get; }

    public Collector Collector { get; }

    public Task<Collected> CollectAsync(byte[] body, EventType? type, string? key = Key, string? origin = null, string? address = null, string? userAgent = null, bool historical = false) =>
        Collector.CollectAsync(new CollectCall(type, body, key, origin, address, userAgent, historical), CancellationToken.None);

    public Task<Collected> CollectAsync(string body, EventType? type, string? key = Key, string? origin = null, string? address = null, string? userAgent = null, bool historical = false) =>
        CollectAsync(Encoding.UTF8.GetBytes(body), type, key, origin, address, userAgent, historical);

    /// <summary>All events queued so far, as text.</summary>
    public async Task<List<string>> StoredAsync()
    {
        var events = new List<string>();
        foreach (var message in Queue.Messages)
            events.AddRange(from e in await EventMessageCodec.DecodeAsync(message, Blobs, CancellationToken.None) select Encoding.UTF8.GetString(e.Json.Span));
        return events;
    }

    /// <summary>The stored form of a single call that is taken.</summary>
    public static async Task<string> StoreAsync(string body, EventType type = EventType.Track, string? address = null, string? userAgent = null)
    {
        var harness = new CollectorHarness();
        await harness.CollectAsync(body, type, address: address, userAgent: userAgent);
        var stored = Assert.Single(await harness.StoredAsync());
        // Whoever reads the queue must be able to read it.
        Event.Parse(Encoding.UTF8.GetBytes(stored));
        return stored;
    }

    public static async Task<Problem> RefusalAsync(string body, EventType? type = EventType.Track) =>
        (await Assert.ThrowsAsync<ProblemException>(() => new CollectorHarness().CollectAsync(body, type))).Problem;
}

internal sealed class ManualTime(DateTimeOffset start) : TimeProvider
{
    private readonly ConcurrentDictionary<ManualTimer, byte> timers = new();
    private DateTimeOffset now = start;

    public override DateTimeOffset GetUtcNow() => now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => now.UtcTicks;

    public int Timers => timers.Count;

    public void Advance(TimeSpan by)
    {
        now += by;
        foreach (var timer in timers.Keys)
            timer.Fire(now);
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(() => callback(state), now + dueTime, self => timers.TryRemove(self, out _));
        timers[timer] = 0;
        return timer;
    }

    private sealed class ManualTimer(Action callback, DateTimeOffset due, Action<ManualTimer> remove) : ITimer
    {
        public void Fire(DateTimeOffset now)
        {
            if (now < due)
                return;
            remove(this);
            callback();
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => false;

        public void Dispose() => remove(this);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}

/// <summary>A queue that keeps messages, or, once <see cref="Hold"/> is set, leaves it to the test when and how each send ends.</summary>
internal sealed class KeptMessages : IMessageQueue
{
    private readonly ConcurrentQueue<string> messages = new();

    public IReadOnlyCollection<string> Messages => messages;

    public bool Hold { get; set; }

    public ConcurrentQueue<(string Body, TaskCompletionSource Done)> Held { get; } = new();

    public Task SendAsync(QueueName queue, string body, TimeSpan? delay, CancellationToken cancellation)
    {
        Assert.Equal(QueueName.Events, queue);
        Assert.True(body.Length <= StorageLimits.QueueMessageChars);
        messages.Enqueue(body);
        if (!Hold)
            return Task.CompletedTask;
        var done = new TaskCompletionSource();
        Held.Enqueue((body, done));
        return done.Task;
    }

    public Task<QueueBacklog> BacklogAsync(QueueName queue, CancellationToken cancellation) => throw new NotSupportedException();
}

internal sealed class KeptBlobs : IBlobStore
{
    public ConcurrentDictionary<string, byte[]> Overflow { get; } = new(StringComparer.Ordinal);

    public Task PutAsync(ContainerName container, string name, ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        Assert.Equal(ContainerName.Overflow, container);
        Overflow[name] = data.ToArray();
        return Task.CompletedTask;
    }

    public Task<ReadOnlyMemory<byte>?> GetAsync(ContainerName container, string name, CancellationToken cancellation) =>
        Task.FromResult<ReadOnlyMemory<byte>?>(Overflow.TryGetValue(name, out var data) ? data : null);

    public Task<BlobPiece?> ReadAsync(ContainerName container, string name, long from, int count, CancellationToken cancellation) => throw new NotSupportedException();

    public Task DeleteAsync(ContainerName container, string name, CancellationToken cancellation)
    {
        Overflow.TryRemove(name, out _);
        return Task.CompletedTask;
    }

    public Task<bool> AppendAsync(ContainerName container, string name, long position, ReadOnlyMemory<byte> data, CancellationToken cancellation) => throw new NotSupportedException();

    public IAsyncEnumerable<string> ListAsync(ContainerName container, string prefix, CancellationToken cancellation) => throw new NotSupportedException();
}
