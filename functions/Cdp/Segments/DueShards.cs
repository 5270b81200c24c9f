using System.Collections.Concurrent;
using System.Globalization;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Segments;

/// <summary>
/// In which shards profiles are due soon: rows <c>{minute}|{shard}</c> in the partition <c>due</c> of the table <c>config</c>. An index over the rows <c>d|</c>, so that
/// a minute in which few are due costs few reads, not one of every shard.
/// </summary>
/// <remarks>
/// <para>
/// Whoever writes a row <c>d|</c> that is due within <see cref="Horizon"/> notes its minute before. So a note may be there in vain, when the writer dies or is refused;
/// that costs a read. A note is removed once its minute is over and its shard was given to the queue. A writer that notes in time and commits so late that the note
/// may have been removed by then, notes again. Dies it right in between, the row is found when its shard is looked at whole, within the hour.
/// </para>
/// <para>
/// What is due later than that is noted when a shard is looked at whole: each once an hour, so twice before it is due. Minutes that no timer saw are made up for.
/// </para>
/// </remarks>
public sealed class DueShards(IRowStore rows, TimeProvider time)
{
    /// <summary>How far ahead minutes are noted.</summary>
    public static readonly TimeSpan Horizon = TimeSpan.FromMinutes(130);

    /// <summary>A note that may be removed so soon, by a clock that runs ahead of ours, is not relied on.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(60);

    private const string Partition = "due";
    private const string LastLookKey = "~";
    private const long Minute = 60_000;
    private const int MostKnown = 50_000;

    /// <summary>Shards a minute: all of them in less than an hour.</summary>
    private const int Turn = 5;

    /// <summary>Minutes without a look after which nothing is taken for granted.</summary>
    private const int MostMissed = 5;

    // What this process has noted, or found noted.
    private readonly ConcurrentDictionary<(long Minute, string Shard), bool> known = new();

    /// <summary>What there is to note about these writes of one transaction; null mostly.</summary>
    public IReadOnlyList<Instant>? Soon(IReadOnlyList<RowWrite> writes)
    {
        List<Instant>? soon = null;
        for (var i = 0; i < writes.Count; i++)
        {
            if (writes[i].Kind == RowWriteKind.Delete || !writes[i].Key.StartsWith("d|", StringComparison.Ordinal))
                continue;
            var at = ProfileRows.TimeOfDue(writes[i].Key);
            if (at < Instant.Now(time).Plus(Horizon))
                (soon ??= []).Add(at);
        }

        return soon;
    }

    /// <summary>Before the commit.</summary>
    public Task NoteAsync(string shard, Instant at, CancellationToken cancellation)
    {
        var key = (at.Milliseconds / Minute, shard);
        if (!MayBeRemoved(at) && known.ContainsKey(key))
            return Task.CompletedTask;
        return WriteAsync(key, cancellation);
    }

    /// <summary>After the commit: the note may have been removed while it was under way.</summary>
    public Task NoteAgainAsync(string shard, Instant at, CancellationToken cancellation) =>
        MayBeRemoved(at) ? WriteAsync((at.Milliseconds / Minute, shard), cancellation) : Task.CompletedTask;

    /// <summary>The shards in which something is due by now, each once, with the notes that say so.</summary>
    public async Task<IReadOnlyDictionary<string, List<string>>> ReadAsync(CancellationToken cancellation)
    {
        var shards = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        await foreach (var row in rows.RangeAsync(TableName.Config, Partition, "", Key(Instant.Now(time).Milliseconds / Minute + 1, ""), pageSize: 1000, cancellation))
        {
            var shard = row.Key[(row.Key.IndexOf(RowKeys.Separator, StringComparison.Ordinal) + 1)..];
            if (!shards.TryGetValue(shard, out var notes))
                shards[shard] = notes = [];
            notes.Add(row.Key);
        }

        return shards;
    }

    /// <summary>Removes those whose minute is over: whatever was due in it is due now.</summary>
    public async Task RemoveAsync(IEnumerable<string> notes, CancellationToken cancellation)
    {
        var current = Key(Instant.Now(time).Milliseconds / Minute, "");
        foreach (var chunk in notes.Where(note => string.CompareOrdinal(note, current) < 0).Chunk(StorageLimits.TransactionRows))
        {
            var writes = chunk.Select(note => RowWrite.Delete(note)).ToList();
            // Gone by another timer: the rest is still to be removed.
            while (writes.Count > 0 && await rows.CommitAsync(TableName.Config, Partition, writes, cancellation) is { Committed: false } refused)
                writes.RemoveAt(refused.RefusedIndex);
        }
    }

    /// <summary>Looks at a shard whole: notes what is due within the horizon. True where something is due now.</summary>
    public async Task<bool> LookAsync(string shard, CancellationToken cancellation)
    {
        var now = Instant.Now(time);
        var (from, to) = ProfileRows.DueBy(now.Plus(Horizon));
        var isDue = false;
        var noted = long.MinValue;
        await foreach (var row in rows.RangeAsync(TableName.Profiles, shard, from, to, pageSize: 1000, cancellation))
        {
            var at = ProfileRows.TimeOfDue(row.Key);
            if (at <= now)
            {
                isDue = true;
                continue;
            }

            if (at.Milliseconds / Minute == noted)
                continue;
            noted = at.Milliseconds / Minute;
            await NoteAsync(shard, at, cancellation);
        }

        return isDue;
    }

    /// <summary>The shards whose turn to be looked at whole has come since the last look; all where that was long ago.</summary>
    public async Task<IReadOnlyList<string>> TurnAsync(CancellationToken cancellation)
    {
        var now = Instant.Now(time).Milliseconds / Minute;
        var last = await rows.GetAsync(TableName.Config, Partition, LastLookKey, cancellation);
        if (last is null || !long.TryParse(last.Data.Span, CultureInfo.InvariantCulture, out var looked) || now - looked > MostMissed)
            return [.. Enumerable.Range(0, ProfileId.Shards).Select(ProfileId.ShardName)];
        var turn = new List<string>();
        for (var minute = looked + 1; minute <= now; minute++)
        {
            for (var shard = (int)(minute % 60) * Turn; shard < Math.Min(((int)(minute % 60) + 1) * Turn, ProfileId.Shards); shard++)
                turn.Add(ProfileId.ShardName(shard));
        }

        return turn;
    }

    /// <summary>This minute's turn is done. Dies it before, the next one looks at more.</summary>
    public Task LookedAsync(CancellationToken cancellation) => rows.CommitAsync(
        TableName.Config, Partition,
        [RowWrite.Upsert(LastLookKey, System.Text.Encoding.ASCII.GetBytes((Instant.Now(time).Milliseconds / Minute).ToString(CultureInfo.InvariantCulture)))], cancellation);

    private bool MayBeRemoved(Instant at) => Instant.Now(time).Plus(Margin).Milliseconds >= (at.Milliseconds / Minute + 1) * Minute;

    private async Task WriteAsync((long Minute, string Shard) key, CancellationToken cancellation)
    {
        await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Upsert(Key(key.Minute, key.Shard), default)], cancellation);
        if (known.Count >= MostKnown)
            known.Clear();
        known[key] = true;
    }

    private static string Key(long minute, string shard) => string.Create(CultureInfo.InvariantCulture, $"{minute:D10}{RowKeys.Separator}{shard}");
}

/// <summary>The rows as they are; whatever is written about when a profile is due is noted in <see cref="DueShards"/>.</summary>
public sealed class DueNotingRowStore(IRowStore inner, DueShards due) : IRowStore
{
    public Task<Row?> GetAsync(TableName table, string partition, string key, CancellationToken cancellation) => inner.GetAsync(table, partition, key, cancellation);

    public IAsyncEnumerable<Row> RangeAsync(TableName table, string partition, string from, string to, int pageSize, CancellationToken cancellation) =>
        inner.RangeAsync(table, partition, from, to, pageSize, cancellation);

    public Task<CommitResult> CommitAsync(TableName table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellation) =>
        table == TableName.Profiles && due.Soon(writes) is { } soon
            ? CommitAsync(partition, writes, soon, cancellation)
            : inner.CommitAsync(table, partition, writes, cancellation);

    private async Task<CommitResult> CommitAsync(string shard, IReadOnlyList<RowWrite> writes, IReadOnlyList<Instant> soon, CancellationToken cancellation)
    {
        foreach (var at in soon)
            await due.NoteAsync(shard, at, cancellation);
        var result = await inner.CommitAsync(TableName.Profiles, shard, writes, cancellation);
        if (result.Committed)
        {
            foreach (var at in soon)
                await due.NoteAgainAsync(shard, at, cancellation);
        }

        return result;
    }
}
