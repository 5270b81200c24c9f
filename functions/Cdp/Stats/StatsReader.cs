using System.Text.Json;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Storage;

namespace Cdp.Stats;

/// <summary>Answers <c>/v1/stats</c> from the rows of all instances and what this process has not written yet.</summary>
/// <remarks>
/// Counts of other instances are up to <see cref="StatsRecorder.FlushEvery"/> old. Conflicts, merges, profiles and queues are of the whole app,
/// whatever source is asked for.
/// </remarks>
public sealed class StatsReader(IRowStore rows, IMessageQueue queue, StatsRecorder recorder, TimeProvider time)
{
    public static readonly TimeSpan DefaultSpan = TimeSpan.FromHours(24);

    /// <summary>Beyond it the sum over minutes takes too long for a request.</summary>
    public static readonly TimeSpan LongestSpan = TimeSpan.FromDays(366);

    private const int PageSize = 1000;

    // Days are partitions of their own and can be read side by side.
    private const int Parallel = 8;

    /// <param name="from">Inclusive, widened to the whole minute; a day before <paramref name="to"/> by default.</param>
    /// <param name="to">Exclusive, widened to the whole minute; now by default.</param>
    /// <param name="sourceId">Events of this source only.</param>
    /// <exception cref="ProblemException">invalid-field where the span is empty or too long.</exception>
    public async Task WriteAsync(Utf8JsonWriter json, Instant? from, Instant? to, string? sourceId, CancellationToken cancellation)
    {
        var now = Instant.Now(time);
        var end = to ?? now;
        var start = from ?? end.Plus(-DefaultSpan);
        if (start >= end)
            throw Invalid("from", "'from' has to be before 'to'.");
        if (end.Milliseconds - start.Milliseconds > LongestSpan.TotalMilliseconds)
            throw Invalid("from", $"From 'from' to 'to' are at most {LongestSpan.TotalDays} days.");
        var first = StatsRows.MinuteOf(start);
        var last = StatsRows.MinuteOf(end.Plus(-TimeSpan.FromMilliseconds(1)));

        var queues = Task.WhenAll(
            QueueAsync("events", QueueName.Events, QueueName.EventsPoison, cancellation),
            QueueAsync("merges", QueueName.Merges, QueueName.MergesPoison, cancellation),
            QueueAsync("segments", QueueName.Segments, QueueName.SegmentsPoison, cancellation),
            QueueAsync("deliveries", QueueName.Deliveries, QueueName.DeliveriesPoison, cancellation),
            QueueAsync("exports", QueueName.Exports, QueueName.ExportsPoison, cancellation),
            QueueAsync("imports", QueueName.Imports, QueueName.ImportsPoison, cancellation));
        var totals = TotalsAsync(cancellation);
        var counts = await CountsAsync(first, last, sourceId, cancellation);

        json.WriteStartObject();
        json.WriteString("from"u8, new Instant(first * StatsRows.Minute).ToString());
        json.WriteString("to"u8, new Instant((last + 1) * StatsRows.Minute).ToString());
        WriteEvents(json, counts);
        var (profiles, identified) = await totals;
        json.WriteStartObject("profiles"u8);
        json.WriteNumber("total"u8, Math.Max(0, profiles));
        json.WriteNumber("identified"u8, Math.Max(0, identified));
        json.WriteEndObject();
        json.WriteStartArray("queues"u8);
        foreach (var (name, backlog, poison) in await queues)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, name);
            json.WriteNumber("messages"u8, backlog.Messages);
            if (backlog.OldestInsertedOn is { } oldest)
                json.WriteNumber("oldestSeconds"u8, Math.Max(0, (now.Milliseconds - oldest.ToUnixTimeMilliseconds()) / 1000));
            json.WriteNumber("poison"u8, poison);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (counts.Latency.Quantile(0.5) is { } median && counts.Latency.Quantile(0.99) is { } late)
        {
            json.WriteStartObject("latencySeconds"u8);
            json.WriteNumber("p50"u8, median);
            json.WriteNumber("p99"u8, late);
            json.WriteEndObject();
        }

        json.WriteNumber("conflicts"u8, counts.Conflicts);
        json.WriteNumber("merges"u8, counts.Merges);
        json.WriteEndObject();
    }

    private static void WriteEvents(Utf8JsonWriter json, StatsCounts counts)
    {
        json.WriteStartObject("events"u8);
        json.WriteNumber("received"u8, counts.Received);
        json.WriteNumber("accepted"u8, counts.Accepted);
        json.WriteStartObject("rejected"u8);
        foreach (var (reason, count) in counts.Rejected.OrderBy(r => r.Key, StringComparer.Ordinal))
            json.WriteNumber(reason, count);
        json.WriteEndObject();
        json.WriteNumber("committed"u8, counts.Committed);
        json.WriteNumber("duplicates"u8, counts.Duplicates);
        json.WriteNumber("failed"u8, counts.Failed.Values.Sum());
        json.WriteEndObject();
    }

    private static ProblemException Invalid(string path, string detail) =>
        new(new Problem(ProblemType.InvalidField, detail, [new ProblemError(path, "out-of-range")]));

    private async Task<(string Name, QueueBacklog Backlog, int Poison)> QueueAsync(string name, QueueName main, QueueName poison, CancellationToken cancellation)
    {
        var waiting = queue.BacklogAsync(main, cancellation);
        var buried = queue.BacklogAsync(poison, cancellation);
        return (name, await waiting, (await buried).Messages);
    }

    private async Task<(long Profiles, long Identified)> TotalsAsync(CancellationToken cancellation)
    {
        var (profiles, identified) = recorder.Unwritten;
        await foreach (var row in rows.RangeAsync(TableName.Stats, StatsRows.Totals, "", "~", PageSize, cancellation))
        {
            if (JsonSerializer.Deserialize(row.Data.Span, StatsJson.Default.StatsTotal) is { } slot)
                (profiles, identified) = (profiles + slot.Profiles, identified + slot.Identified);
        }

        return (profiles, identified);
    }

    private async Task<StatsCounts> CountsAsync(long first, long last, string? sourceId, CancellationToken cancellation)
    {
        var sum = new StatsCounts();
        var gate = new Lock();
        // Before the rows: a minute that is written and forgotten meanwhile is then not missed, and its row is left out below.
        var here = recorder.Snapshot();
        foreach (var (minute, bySource) in here)
        {
            if (minute >= first && minute <= last)
                Add(sum, bySource, sourceId);
        }

        var days = new List<(long First, long Last)>();
        const long dayMinutes = 24 * 60;
        for (var day = first / dayMinutes; day <= last / dayMinutes; day++)
            days.Add((Math.Max(first, day * dayMinutes), Math.Min(last, (day * dayMinutes) + dayMinutes - 1)));
        await System.Threading.Tasks.Parallel.ForEachAsync(
            days, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellation },
            async (day, token) =>
            {
                var (from, to) = StatsRows.Keys(day.First, day.Last);
                var held = here.Keys.Where(m => m >= day.First && m <= day.Last).Select(m => StatsRows.Key(m, recorder.Instance)).ToHashSet(StringComparer.Ordinal);
                await foreach (var row in rows.RangeAsync(TableName.Stats, StatsRows.Day(day.First), from, to, PageSize, token))
                {
                    if (held.Contains(row.Key) || JsonSerializer.Deserialize(row.Data.Span, StatsJson.Default.DictionaryStringStatsCounts) is not { } bySource)
                        continue;
                    lock (gate)
                        Add(sum, bySource, sourceId);
                }
            });
        return sum;
    }

    private static void Add(StatsCounts sum, Dictionary<string, StatsCounts> bySource, string? sourceId)
    {
        foreach (var (source, counts) in bySource)
        {
            if (sourceId is null || source == sourceId)
                sum.Add(counts);
            else if (source.Length == 0)
                sum.Add(new StatsCounts { Conflicts = counts.Conflicts, Merges = counts.Merges });
        }
    }
}
