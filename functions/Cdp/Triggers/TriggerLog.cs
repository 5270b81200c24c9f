using System.Runtime.CompilerServices;
using System.Text.Json;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Triggers;

/// <summary>
/// Table <c>triggers</c>. In the partition of the profile's shard, so that one transaction has both:
/// <list type="bullet">
/// <item><c>h|{profile}</c> what the person was sent: see <see cref="StoredHistory"/></item>
/// <item><c>d|{profile}|{reverse time}|{trigger}|{hash}</c> a decision, the newest first; the hash is of trigger and change</item>
/// </list>
/// In a partition <c>log.{trigger}</c>: <c>{reverse time}|{profile}|{hash}</c>, the trigger's decisions, the newest first: an index of the others, written after them.
/// </summary>
/// <remarks>Ids alone stand here, no personal data. Times in keys are those of the change, which are the same at every repetition.</remarks>
public sealed class TriggerLog(IRowStore rows)
{
    private const long LastTime = 999_999_999_999_999;
    private const int PageSize = 100;

    /// <summary>
    /// The history of a profile with those of profiles that were merged into it. From here on nothing is decided under those any more: a worker that has not heard of the
    /// merge finds the note when it writes, and looks again.
    /// </summary>
    /// <returns>Null where another worker was quicker: once more.</returns>
    public async Task<SendHistory?> HistoryAsync(ProfileId profile, IReadOnlyList<ProfileId> merged, CancellationToken cancellation)
    {
        var past = new List<StoredHistory>(merged.Count);
        foreach (var id in merged)
        {
            var row = await rows.GetAsync(TableName.Triggers, id.Shard, HistoryKey(id), cancellation);
            var stored = row is null ? StoredHistory.Empty : Read(row);
            if (stored.MovedTo is null)
            {
                stored = stored with { MovedTo = profile.Value };
                var write = row is null ? RowWrite.Insert(HistoryKey(id), Write(stored)) : RowWrite.Replace(HistoryKey(id), Write(stored), row.Version);
                if (!(await rows.CommitAsync(TableName.Triggers, id.Shard, [write], cancellation)).Committed)
                    return null;
            }

            past.Add(stored);
        }

        var own = await rows.GetAsync(TableName.Triggers, profile.Shard, HistoryKey(profile), cancellation);
        return new SendHistory(profile, own is null ? StoredHistory.Empty : Read(own), own?.Version, past);
    }

    /// <summary>The decision about a change, made under any of these profiles.</summary>
    public async Task<TriggerDecision?> FindAsync(string trigger, string change, Instant at, IEnumerable<ProfileId> profiles, CancellationToken cancellation)
    {
        foreach (var profile in profiles)
        {
            if (await rows.GetAsync(TableName.Triggers, profile.Shard, DecisionKey(profile, at, trigger, TriggerDecision.HashOf(trigger, change)), cancellation) is { } row)
                return ReadDecision(row);
        }

        return null;
    }

    /// <summary>
    /// Writes a decision and the history that it leads to, both or neither, on condition that the history is the one it was decided by. Also for one that is held: so that
    /// decisions about a person come one after the other.
    /// </summary>
    /// <returns>False where another worker decided something about the person meanwhile.</returns>
    public async Task<bool> RecordAsync(TriggerDecision decision, SendHistory history, CancellationToken cancellation)
    {
        var profile = history.Profile;
        var next = Write(history.With(decision));
        var result = await rows.CommitAsync(
            TableName.Triggers, profile.Shard,
            [
                history.Version is null ? RowWrite.Insert(HistoryKey(profile), next) : RowWrite.Replace(HistoryKey(profile), next, history.Version),
                RowWrite.Insert(DecisionKey(profile, decision.At, decision.TriggerId, decision.Hash), JsonSerializer.SerializeToUtf8Bytes(decision, TriggerJson.Default.TriggerDecision)),
            ],
            cancellation);
        return result.Committed;
    }

    /// <summary>Into the trigger's log; again it changes nothing. What waits gives way to what is decided, never the other way round.</summary>
    public async Task NoteAsync(TriggerDecision decision, CancellationToken cancellation)
    {
        var (key, data) = (LogKey(decision), JsonSerializer.SerializeToUtf8Bytes(decision with { Plan = null }, TriggerJson.Default.TriggerDecision));
        var write = decision.Outcome == TriggerDecision.Waiting ? RowWrite.Insert(key, data) : RowWrite.Upsert(key, data);
        await rows.CommitAsync(TableName.Triggers, LogPartition(decision.TriggerId), [write], cancellation);
    }

    /// <summary>A trigger's decisions, the newest first, behind a position (null: from the newest on).</summary>
    public async IAsyncEnumerable<TriggerDecision> OfTriggerAsync(
        string trigger, Instant? from, Instant? to, (Instant At, string Profile, string Hash)? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var (first, end) = Range("", from, to, after is var (at, profile, hash) ? $"{Reverse(at)}|{profile}|{hash}!" : null);
        if (string.CompareOrdinal(first, end) >= 0)
            yield break;
        await foreach (var row in rows.RangeAsync(TableName.Triggers, LogPartition(trigger), first, end, PageSize, cancellation))
            yield return ReadDecision(row);
    }

    /// <summary>The decisions about a profile, the newest first, behind a position (null: from the newest on).</summary>
    public async IAsyncEnumerable<TriggerDecision> OfProfileAsync(
        ProfileId profile, Instant? from, Instant? to, (Instant At, string Trigger, string Hash)? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var prefix = $"d|{profile.Value}|";
        var (first, end) = Range(prefix, from, to, after is var (at, trigger, hash) ? $"{prefix}{Reverse(at)}|{trigger}|{hash}!" : null);
        if (string.CompareOrdinal(first, end) >= 0)
            yield break;
        await foreach (var row in rows.RangeAsync(TableName.Triggers, profile.Shard, first, end, PageSize, cancellation))
            yield return ReadDecision(row);
    }

    /// <summary>The same of all the ids of a person, in one order; see <see cref="Person.Ids"/>.</summary>
    public async IAsyncEnumerable<TriggerDecision> OfPersonAsync(
        IReadOnlyList<ProfileId> ids, Instant? from, Instant? to, (Instant At, string Trigger, string Hash)? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var lists = new List<IAsyncEnumerator<TriggerDecision>>(ids.Count);
        try
        {
            foreach (var id in ids)
            {
                var list = OfProfileAsync(id, from, to, after, cancellation).GetAsyncEnumerator(cancellation);
                lists.Add(list);
                if (!await list.MoveNextAsync())
                    await EndAsync(list);
            }

            while (lists.Count > 0)
            {
                var next = lists[0];
                foreach (var list in lists)
                {
                    if (Compare(list.Current, next.Current) < 0)
                        next = list;
                }

                yield return next.Current;
                if (!await next.MoveNextAsync())
                    await EndAsync(next);
            }
        }
        finally
        {
            foreach (var list in lists)
                await list.DisposeAsync();
        }

        async Task EndAsync(IAsyncEnumerator<TriggerDecision> list)
        {
            lists.Remove(list);
            await list.DisposeAsync();
        }
    }

    /// <summary>As in keys: the newest first.</summary>
    private static int Compare(TriggerDecision left, TriggerDecision right)
    {
        var order = right.At.CompareTo(left.At);
        if (order == 0)
            order = string.CompareOrdinal(left.TriggerId, right.TriggerId);
        return order == 0 ? string.CompareOrdinal(left.Hash, right.Hash) : order;
    }

    /// <summary>Removes decisions of a trigger that are older, from its log and from the profiles. False where there is more than was removed now.</summary>
    /// <remarks>A decision goes before its place in the log: who dies in between finds it there again.</remarks>
    public async Task<bool> PurgeAsync(string trigger, Instant before, int most, CancellationToken cancellation)
    {
        var keys = new List<RowWrite>();
        var removed = 0;
        await foreach (var row in rows.RangeAsync(TableName.Triggers, LogPartition(trigger), $"{LastTime - before.Milliseconds + 1:D15}|", "~", PageSize, cancellation))
        {
            var decision = ReadDecision(row);
            var profile = new ProfileId(decision.ProfileId);
            await RemoveAsync(profile.Shard, [RowWrite.Delete(DecisionKey(profile, decision.At, trigger, decision.Hash))], cancellation);
            keys.Add(RowWrite.Delete(row.Key, row.Version));
            if (keys.Count < StorageLimits.TransactionRows)
                continue;
            removed += keys.Count;
            await RemoveAsync(LogPartition(trigger), keys, cancellation);
            keys.Clear();
            if (removed >= most)
                return false;
        }

        await RemoveAsync(LogPartition(trigger), keys, cancellation);
        return true;
    }

    /// <summary>Removes all that is known of a profile: what it was sent, and what was decided. Again, and after a crash, it removes what is left.</summary>
    /// <param name="profile">Once for each of <see cref="Person.Ids"/>.</param>
    public async Task EraseAsync(ProfileId profile, CancellationToken cancellation)
    {
        await foreach (var decision in OfProfileAsync(profile, null, null, null, cancellation))
        {
            // First its place in the log, which is found by it.
            await RemoveAsync(LogPartition(decision.TriggerId), [RowWrite.Delete(LogKey(decision))], cancellation);
            await RemoveAsync(profile.Shard, [RowWrite.Delete(DecisionKey(profile, decision.At, decision.TriggerId, decision.Hash))], cancellation);
        }

        await RemoveAsync(profile.Shard, [RowWrite.Delete(HistoryKey(profile))], cancellation);
    }

    private async Task RemoveAsync(string partition, List<RowWrite> writes, CancellationToken cancellation)
    {
        while (writes.Count > 0)
        {
            var result = await rows.CommitAsync(TableName.Triggers, partition, writes, cancellation);
            if (result.Committed)
                return;
            // Gone already.
            writes.RemoveAt(result.RefusedIndex);
        }
    }

    private static (string First, string End) Range(string prefix, Instant? from, Instant? to, string? after)
    {
        // Times run backwards in keys: "to" is exclusive, "from" inclusive.
        var first = after ?? (to is { } newest ? $"{prefix}{LastTime - newest.Milliseconds + 1:D15}|" : prefix);
        var end = from is { } oldest ? $"{prefix}{Reverse(oldest)}}}" : prefix + "~";
        return (first, end);
    }

    private static string Reverse(Instant at) => $"{LastTime - at.Milliseconds:D15}";

    private static string HistoryKey(ProfileId profile) => "h|" + profile.Value;

    private static string DecisionKey(ProfileId profile, Instant at, string trigger, string hash) => $"d|{profile.Value}|{Reverse(at)}|{trigger}|{hash}";

    private static string LogPartition(string trigger) => "log." + trigger;

    private static string LogKey(TriggerDecision decision) => $"{Reverse(decision.At)}|{decision.ProfileId}|{decision.Hash}";

    private static byte[] Write(StoredHistory history) => JsonSerializer.SerializeToUtf8Bytes(history, TriggerJson.Default.StoredHistory);

    private static StoredHistory Read(Row row) => JsonSerializer.Deserialize(row.Data.Span, TriggerJson.Default.StoredHistory)
        ?? throw new InvalidDataException("The row of a history is null.");

    private static TriggerDecision ReadDecision(Row row) => JsonSerializer.Deserialize(row.Data.Span, TriggerJson.Default.TriggerDecision)
        ?? throw new InvalidDataException("The row of a decision is null.");
}
