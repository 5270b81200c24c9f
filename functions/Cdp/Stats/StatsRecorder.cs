using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Text.Json;
using Cdp.Events;
using Cdp.Storage;

namespace Cdp.Stats;

/// <summary>
/// Adds up what the meter <see cref="Telemetry"/> reports, per minute and source, and writes it to table <c>stats</c> every
/// <see cref="FlushEvery"/>.
/// </summary>
/// <remarks>
/// Each instance writes rows of its own, whole: nothing is read back, a repeated write changes nothing, and no two instances meet. A crash
/// loses the statistics of the last <see cref="FlushEvery"/> at most, and never an event: statistics are about events, not part of them.
/// </remarks>
public sealed class StatsRecorder : IDisposable
{
    public static readonly TimeSpan FlushEvery = TimeSpan.FromSeconds(10);

    private const int MostTries = 5;

    private readonly IRowStore rows;
    private readonly TimeProvider time;
    private readonly MeterListener listener = new();
    private readonly Lock gate = new();
    private readonly SemaphoreSlim flushing = new(1, 1);
    private readonly Dictionary<long, Minute> minutes = [];
    private (long Profiles, long Identified) unwritten;
    private (long Profiles, long Identified) sending;
    private long totalWrites;

    public StatsRecorder(IRowStore rows, TimeProvider time)
        : this(rows, time, Telemetry.Meter)
    {
    }

    internal StatsRecorder(IRowStore rows, TimeProvider time, Meter meter)
    {
        this.rows = rows;
        this.time = time;
        Instance = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
        listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter, meter))
                listener.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Record(instrument.Name, value, tags));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Record(instrument.Name, value, tags));
        listener.Start();
    }

    /// <summary>Names this process in the table.</summary>
    public string Instance { get; }

    /// <summary>Writes what has changed since the last time. What cannot be written stays for the next time.</summary>
    public async Task FlushAsync(CancellationToken cancellation)
    {
        await flushing.WaitAsync(cancellation);
        try
        {
            await WriteMinutesAsync(cancellation);
            await WriteTotalAsync(cancellation);
        }
        finally
        {
            flushing.Release();
        }
    }

    public void Dispose()
    {
        listener.Dispose();
        flushing.Dispose();
    }

    /// <summary>A copy of what this process holds by minute: whole minutes, written or not.</summary>
    internal Dictionary<long, Dictionary<string, StatsCounts>> Snapshot()
    {
        lock (gate)
            return minutes.ToDictionary(m => m.Key, m => m.Value.Copy());
    }

    /// <summary>By how much the number of profiles changed since the last write.</summary>
    internal (long Profiles, long Identified) Unwritten
    {
        get
        {
            lock (gate)
                return unwritten;
        }
    }

    private void Record(string instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (instrument != "cdp.event.latency")
            return;
        lock (gate)
            Counts(Tag(tags, "source")).Latency.Record(value);
    }

    private void Record(string instrument, long value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        lock (gate)
        {
            switch (instrument)
            {
                case "cdp.events.received":
                    Counts(Tag(tags, "source")).Received += value;
                    break;
                case "cdp.events.accepted":
                    Counts(Tag(tags, "source")).Accepted += value;
                    break;
                case "cdp.events.rejected":
                    StatsCounts.Add(Counts(Tag(tags, "source")).Rejected, Tag(tags, "reason"), value);
                    break;
                case "cdp.events.committed":
                    Counts(Tag(tags, "source")).Committed += value;
                    break;
                case "cdp.events.duplicates":
                    Counts(Tag(tags, "source")).Duplicates += value;
                    break;
                case "cdp.events.failed":
                    StatsCounts.Add(Counts(Tag(tags, "source")).Failed, Tag(tags, "reason"), value);
                    break;
                case "cdp.commit.conflicts":
                    Counts("").Conflicts += value;
                    break;
                case "cdp.merges" when Tag(tags, "state") == "done":
                    Counts("").Merges += value;
                    break;
                case "cdp.profiles" when Tag(tags, "kind") == "identified":
                    unwritten.Identified += value;
                    break;
                case "cdp.profiles":
                    unwritten.Profiles += value;
                    break;
            }
        }
    }

    /// <summary>Under the lock.</summary>
    private StatsCounts Counts(string source)
    {
        var number = StatsRows.MinuteOf(Instant.Now(time));
        if (!minutes.TryGetValue(number, out var minute))
            minutes[number] = minute = new Minute();
        return minute.Change(source);
    }

    private static string Tag(ReadOnlySpan<KeyValuePair<string, object?>> tags, string name)
    {
        foreach (var (key, value) in tags)
        {
            if (key == name)
                return value as string ?? "";
        }

        return "";
    }

    private async Task WriteMinutesAsync(CancellationToken cancellation)
    {
        List<(long Number, long Revision, byte[] Data)> changed = [];
        lock (gate)
        {
            foreach (var (number, minute) in minutes)
            {
                if (minute.Revision != minute.Written)
                    changed.Add((number, minute.Revision, JsonSerializer.SerializeToUtf8Bytes(minute.BySource, StatsJson.Default.DictionaryStringStatsCounts)));
            }
        }

        foreach (var (number, revision, data) in changed)
        {
            await rows.CommitAsync(TableName.Stats, StatsRows.Day(number), [RowWrite.Upsert(StatsRows.Key(number, Instance), data)], cancellation);
            lock (gate)
                minutes[number].Written = revision;
        }

        // A minute that is over and written is not needed here any more.
        var now = StatsRows.MinuteOf(Instant.Now(time));
        lock (gate)
        {
            foreach (var (number, minute) in minutes)
            {
                if (number < now && minute.Revision == minute.Written)
                    minutes.Remove(number);
            }
        }
    }

    /// <summary>Adds to a slot that other instances may have chosen too, so this one is read, changed and written under its version.</summary>
    private async Task WriteTotalAsync(CancellationToken cancellation)
    {
        // What a write carries stays the same until it is known to have taken effect: its answer may get lost.
        if (sending == default)
            sending = Unwritten;
        if (sending == default)
            return;
        var slot = (Convert.ToInt32(Instance[..2], 16) % StatsRows.Slots).ToString("x2");
        var mine = totalWrites + 1;
        for (var tries = 0; tries < MostTries; tries++)
        {
            var row = await rows.GetAsync(TableName.Stats, StatsRows.Totals, slot, cancellation);
            var present = row is null ? null : JsonSerializer.Deserialize(row.Data.Span, StatsJson.Default.StatsTotal);
            var done = present?.By == Instance && present.Write == mine;
            if (!done)
            {
                var total = new StatsTotal((present?.Profiles ?? 0) + sending.Profiles, (present?.Identified ?? 0) + sending.Identified, Instance, mine);
                var data = JsonSerializer.SerializeToUtf8Bytes(total, StatsJson.Default.StatsTotal);
                var write = row is null ? RowWrite.Insert(slot, data) : RowWrite.Replace(slot, data, row.Version);
                done = (await rows.CommitAsync(TableName.Stats, StatsRows.Totals, [write], cancellation)).Committed;
            }

            if (!done)
                continue;
            totalWrites = mine;
            lock (gate)
                unwritten = (unwritten.Profiles - sending.Profiles, unwritten.Identified - sending.Identified);
            sending = default;
            return;
        }
    }

    private sealed class Minute
    {
        public Dictionary<string, StatsCounts> BySource { get; } = new(StringComparer.Ordinal);

        public long Revision { get; private set; }

        public long Written { get; set; }

        public StatsCounts Change(string source)
        {
            Revision++;
            if (!BySource.TryGetValue(source, out var counts))
                BySource[source] = counts = new StatsCounts();
            return counts;
        }

        public Dictionary<string, StatsCounts> Copy() => BySource.ToDictionary(
            source => source.Key,
            source =>
            {
                var copy = new StatsCounts();
                copy.Add(source.Value);
                return copy;
            },
            StringComparer.Ordinal);
    }
}
