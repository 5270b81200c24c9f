using System.Text;
using System.Text.Json;
using Cdp.Archive;
using Cdp.Catalog;
using Cdp.Collect;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Failures;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Processing;
using Cdp.Profiles;
using Cdp.Segments;
using Cdp.Segments.Backfill;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using Cdp.Sources;
using Cdp.Storage;
using Cdp.Tests.Profiles;
using Cdp.Tests.Storage;
using Cdp.TrackingPlans;

namespace Cdp.Tests.Processing;

/// <summary>One process of the app: its own caches, locks and group commits over the shared storage.</summary>
/// <param name="segments">Whether it takes the definitions that are stored; otherwise nothing is ever defined.</param>
public sealed class Worker(FakeStore store, TimeProvider time, Random random, string name, IdentityRules? rules = null, bool segments = false, DestinationRegistry? destinations = null)
{
    private static readonly AsyncLocal<string?> Acting = new();

    private readonly App app = new(store, time, random, rules ?? IdentityRules.Default, segments, destinations);

    /// <summary>The worker whose call the hook of the store sees; null for the test itself.</summary>
    public static string? Current => Acting.Value;

    public string Name { get; } = name;

    public Task CollectAsync(string body, string writeKey = World.WriteKey, bool historical = false) =>
        ActAsync(() => app.Collector.CollectAsync(new CollectCall(null, Encoding.UTF8.GetBytes(body), WriteKey: writeKey, Historical: historical), CancellationToken.None));

    public Task ProcessAsync(FakeMessage message) => ActAsync(() => message.Queue switch
    {
        QueueName.Events => app.Processor.ProcessAsync(message.Body, message.DequeueCount, CancellationToken.None),
        QueueName.Merges => app.Merges.ProcessAsync(message.Body, CancellationToken.None),
        _ => app.Shards.ProcessAsync(message.Body, CancellationToken.None),
    });

    /// <summary>As the timer of the segments does.</summary>
    public Task ScheduleAsync() => ActAsync(() => app.Scheduler.ScheduleAsync(CancellationToken.None));

    /// <summary>As the function on the poison queue does.</summary>
    public Task BuryAsync(string body) => ActAsync(() => app.Processor.BuryAsync(body, CancellationToken.None));

    /// <summary>As the timer does for one that is due.</summary>
    public Task UpdateAsync(ProfileId profile, Instant? oldestQueued = null) => ActAsync(() => app.Segments.UpdateAsync(profile, oldestQueued, CancellationToken.None));

    public Task SweepAsync() => ActAsync(() => app.Outbox.SweepAsync(CancellationToken.None));

    public Task FlushCatalogAsync() => ActAsync(() => app.Catalog.FlushAsync(CancellationToken.None));

    private async Task ActAsync(Func<Task> act)
    {
        Acting.Value = Name;
        await act();
    }

    private sealed class App
    {
        public App(FakeStore fake, TimeProvider time, Random random, IdentityRules stated, bool segments, DestinationRegistry? destinations)
        {
            var due = new DueShards(fake, time);
            var store = new DueNotingRowStore(fake, due);
            var ids = new IdGenerator(time, buffer =>
            {
                lock (random)
                    random.NextBytes(buffer);
            });
            var rules = IdentityRulesRegistry.Of(stated);
            var sources = new SourceRegistry(new SourceStore(store), time);
            var archive = new RawArchive(fake, ids, time);
            var log = new ControlLog(archive);
            var profiles = new ProfileStore(store);
            var index = new IdentityIndex(store, time);
            var failures = new FailureLog(store, time);
            var suspender = new IdentifierSuspender(index, profiles, new QuarantineList(store), log, ids, time);
            var definitions = segments ? new DefinitionsRegistry(new DefinitionStore(store, time), time) : DefinitionsRegistry.None;
            Outbox = new Outbox(store, fake, time);
            Segments = new SegmentUpdater(store, profiles, definitions, Outbox, time);
            var progress = new BackfillProgress(store, time);
            var previews = new PreviewJobs(store, fake, definitions, ids, time);
            Scheduler = new SegmentScheduler(due, fake, definitions, progress, previews);
            Shards = new SegmentProcessor(store, due, fake, Segments, new SegmentBackfill(store, profiles, definitions, progress, Segments, Outbox, time), previews, time);
            Catalog = new CatalogRecorder(store, time);
            Collector = new Collector(
                sources, new SourceRateLimiter(time), new EventQueueWriter(fake, fake, ids), rules, new ViolationRecorder(store), time, ids);
            Processor = new EventProcessor(
                fake,
                new IdentityResolver(index, profiles, suspender, sources, ids, time),
                new ProfileCommitter(store, profiles, index, Outbox, new RecentCommits(), definitions, destinations ?? DestinationRegistry.None, Catalog, time),
                archive,
                failures,
                rules);
            Merges = new MergeProcessor(
                new ProfileMerger(store, profiles, index, suspender, failures, log, rules),
                new ProfileSplitter(store, profiles, index, log, rules, time),
                Segments, fake, time);
        }

        public Collector Collector { get; }

        public EventProcessor Processor { get; }

        public MergeProcessor Merges { get; }

        public Outbox Outbox { get; }

        public SegmentUpdater Segments { get; }

        public SegmentScheduler Scheduler { get; }

        public SegmentProcessor Shards { get; }

        public CatalogRecorder Catalog { get; }
    }
}

/// <summary>Storage, workers and a client that sends again what was not acknowledged.</summary>
public sealed class World
{
    public const string WriteKey = "key";

    // A message that is still not done by then would be poisoned.
    private const int MostDeliveries = 20;

    // Far more than any story needs: beyond it messages wait for each other in a circle.
    private const int MostMessages = 2_000;

    private readonly Random random;
    private readonly bool withSegments;
    private int workers;
    private int delivered;

    /// <param name="seed">Decides the ids, and so who wins a merge.</param>
    /// <param name="rules">Those that hold without configuration where none are given.</param>
    /// <param name="segments">Whether workers take the definitions that are stored.</param>
    public World(int seed, IdentityRules? rules = null, bool segments = false)
    {
        withSegments = segments;
        Rules = rules ?? IdentityRules.Default;
        random = new Random(seed);
        Store = new FakeStore(Time);
        Worker = NewWorker();
    }

    /// <summary>For the workers made from now on.</summary>
    public IdentityRules Rules { get; set; }

    public SettableTime Time { get; } = new(TestStart);

    public static DateTimeOffset TestStart { get; } = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    public FakeStore Store { get; }

    public Worker Worker { get; private set; }

    /// <summary>Storage calls up to the first sweep, which reads all shards.</summary>
    public int? CallsBeforeSweep { get; private set; }

    /// <summary>What broke a worker, other than a simulated crash.</summary>
    public List<Exception> Errors { get; } = [];

    public static async Task<World> CreateAsync(int seed, IdentityRules? rules = null, bool segments = false)
    {
        var world = new World(seed, rules, segments);
        await world.AddSourceAsync("web", WriteKey);
        return world;
    }

    public async Task AddSourceAsync(string id, string writeKey, SourceTrust trust = SourceTrust.Client)
    {
        var source = new Source(id, id, "http", Enabled: true, [new WriteKey(writeKey, TestStart, Enabled: true)], Trust: trust);
        await new SourceStore(Store).PutAsync(source, PutCondition.IsNew, CancellationToken.None);
    }

    /// <summary>Whom workers made from now on ask what others want to know; null: nobody does.</summary>
    public DestinationRegistry? Destinations { get; set; }

    public Worker NewWorker() => new(Store, Time, random, $"w{Interlocked.Increment(ref workers)}", Rules, withSegments, Destinations);

    /// <summary>The process died; another one takes its place.</summary>
    public void ReplaceWorker() => Worker = NewWorker();

    public async Task SendAsync(string body, string writeKey = WriteKey)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                await Worker.CollectAsync(body, writeKey);
                return;
            }
            catch (SimulatedCrashException) when (tries < 5)
            {
                ReplaceWorker();
            }
        }
    }

    /// <summary>Works all queues off, sweeps the outbox, and so on until nothing is left.</summary>
    public async Task DrainAsync()
    {
        do
        {
            while (Next() is { } message)
                await DeliverAsync(message);
            CallsBeforeSweep ??= Store.Calls;
            Time.Advance(TimeSpan.FromMinutes(2));
            await SweepAsync();
        }
        while (Store.Messages(QueueName.Events).Count + Store.Messages(QueueName.Merges).Count > 0);
    }

    public FakeMessage? Next() => Store.Receive(QueueName.Events) ?? Store.Receive(QueueName.Merges);

    public async Task DeliverAsync(FakeMessage message)
    {
        if (++delivered > MostMessages)
            throw new InvalidOperationException($"Messages wait for each other: {message.Body}");
        if (message.DequeueCount > MostDeliveries)
            throw new InvalidOperationException($"A message would be poisoned: {message.Body}. {string.Join(" | ", Errors)}");
        try
        {
            await Worker.ProcessAsync(message);
            Store.Delete(message);
        }
        catch (SimulatedCrashException)
        {
            ReplaceWorker();
            Store.Release(message);
        }
        catch (Exception error) when (error is not InvalidOperationException)
        {
            Errors.Add(error);
            if (Contains<SimulatedCrashException>(error))
                ReplaceWorker();
            Store.Release(message);
        }
    }

    private async Task SweepAsync()
    {
        try
        {
            await Worker.SweepAsync();
        }
        catch (SimulatedCrashException)
        {
            ReplaceWorker();
            await SweepAsync();
        }
    }

    private static bool Contains<T>(Exception error)
        where T : Exception =>
        error is T || (error is AggregateException several && several.InnerExceptions.Any(Contains<T>)) || (error.InnerException is { } inner && Contains<T>(inner));

    /// <summary>
    /// The whole state, with profile ids replaced by what is in the profile, so that two runs can be compared; checks on the way that rows fit together.
    /// </summary>
    public string Describe()
    {
        var rows = Store.Snapshot();
        var documents = rows.Where(r => r.Table == TableName.Profiles && r.Key.StartsWith("p|", StringComparison.Ordinal))
            .Select(r => ProfileCodec.Decode(new ProfileId(r.Key[2..]), r.Data)).ToDictionary(p => p.Id);
        var text = new StringBuilder();
        var live = documents.Values.Where(p => p.MergedInto is null && !(p.IsEmpty && p.Identifiers.Count == 0)).ToList();
        foreach (var description in live.Select(p => DescribeProfile(p, rows)).Order(StringComparer.Ordinal))
            text.AppendLine(description);

        foreach (var gone in documents.Values.Where(p => p.MergedInto is not null))
            Assert.DoesNotContain(rows, r => r.Table == TableName.Profiles && (r.Key.StartsWith($"e|{gone.Id}", StringComparison.Ordinal) || (r.Key.StartsWith("m|", StringComparison.Ordinal) && r.Key.EndsWith(gone.Id.Value, StringComparison.Ordinal))));
        // Of effects, merges and unmerges under way.
        Assert.DoesNotContain(rows, r => r.Table == TableName.Profiles && r.Key[..2] is "o|" or "a|" or "b|" or "w|" or "u|");

        foreach (var row in rows.Where(r => r.Table == TableName.Identities))
        {
            using var data = JsonDocument.Parse(row.Data);
            var id = new ProfileId(data.RootElement.GetProperty("profile").GetString()!);
            while (documents.TryGetValue(id, out var document) && document.MergedInto is { } winner)
                id = winner;
            var identifier = new Identifier(row.Key[..row.Key.IndexOf('|', StringComparison.Ordinal)], data.RootElement.GetProperty("value").GetString()!);
            var owner = documents.GetValueOrDefault(id);
            if (data.RootElement.TryGetProperty("state", out var state))
            {
                // It leads to who had it, or to a profile of its own, which has no document before its first event.
                Assert.False(data.RootElement.GetProperty("suspension").GetProperty("pending").GetBoolean(), $"{identifier} is half {state}");
                text.AppendLine($"{state} {identifier}, listed by {live.Count(p => p.Owns(identifier))}");
                continue;
            }

            Assert.True(owner?.Owns(identifier) == true, $"{identifier} leads to {id}, which does not own it");
        }

        var owners = live.SelectMany(p => p.Identifiers.Select(i => i.Identifier)).ToList();
        Assert.Equal(owners.Count, owners.Distinct().Count());
        foreach (var failure in rows.Where(r => r.Table == TableName.Failures).Select(r => r.Key).Order(StringComparer.Ordinal))
            text.AppendLine("failure " + failure);
        var archived = Store.Blobs(ContainerName.Raw).Where(b => !b.Key.StartsWith(ControlLog.Folder, StringComparison.Ordinal)).Select(b => b.Value)
            .SelectMany(b => Encoding.UTF8.GetString(b).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            .Select(line => Event.Parse(Encoding.UTF8.GetBytes(line)).MessageId).ToHashSet(StringComparer.Ordinal);
        text.AppendLine("archived " + string.Join(' ', archived.Order(StringComparer.Ordinal)));
        Assert.Empty(Store.Blobs(ContainerName.Overflow));
        return text.ToString();
    }

    private static string DescribeProfile(Profile profile, IReadOnlyList<FakeRow> rows)
    {
        Assert.Empty(profile.Absorbing);
        Assert.False(profile.IsSplitting);
        var events = rows.Where(r => r.Table == TableName.Profiles && r.Key.StartsWith($"e|{profile.Id}|", StringComparison.Ordinal))
            .Select(r => EventRow.Decode(profile.Id, r.Data).Event).ToList();
        var markers = rows.Where(r => r.Table == TableName.Profiles && r.Key.StartsWith("m|", StringComparison.Ordinal) && r.Key.EndsWith(profile.Id.Value, StringComparison.Ordinal))
            .Select(r => r.Key).ToHashSet(StringComparer.Ordinal);
        Assert.Equal(events.Select(e => ProfileRows.Marker(profile.Id, e.MessageKey)).ToHashSet(StringComparer.Ordinal), markers);
        Assert.Equal(events.Count, profile.EventCount);
        return ProfileDump.Of(profile) + "timeline " + string.Join(' ', events.Select(e => $"{e.Timestamp}/{e.MessageId}/{e.ContentHash:x}").Order(StringComparer.Ordinal));
    }
}

/// <summary>A clock that stands still until it is told.</summary>
public sealed class SettableTime(DateTimeOffset start) : TimeProvider
{
    private readonly Lock gate = new();
    private DateTimeOffset now = start;

    public override DateTimeOffset GetUtcNow()
    {
        lock (gate)
            return now;
    }

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public void Advance(TimeSpan span)
    {
        lock (gate)
            now += span;
    }
}
