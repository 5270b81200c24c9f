using Cdp.Caching;
using Cdp.Events;
using Cdp.Failures;
using Cdp.Processing;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Reading;

/// <summary>What became of a message.</summary>
/// <param name="Outcome">One of <see cref="MessageOutcome"/>.</param>
/// <param name="Profile">The profile that has it now, after all merges; for a refused message, the one that has the first of this id.</param>
/// <param name="At">When it was received, or failed.</param>
/// <param name="Reason">One of <see cref="FailureReason"/>, with <see cref="MessageOutcome.Failed"/>.</param>
public sealed record MessageStatus(string MessageId, string SourceId, string Outcome, ProfileId? Profile, Instant? At, string? Reason);

/// <summary>The outcomes on the wire.</summary>
public static class MessageOutcome
{
    /// <summary>Not known: in the queue, or never accepted.</summary>
    public const string Queued = "queued";

    public const string Committed = "committed";

    public const string Failed = "failed";
}

/// <summary>Finds out what became of a message, by its markers and failures.</summary>
/// <remarks>
/// Markers are kept with the profile, so that they are in the transaction of its commit; who asks for a message by its id alone asks all
/// shards, unless this process committed it lately. That is 256 small queries, for a message that is not known at most one round a second.
/// </remarks>
public sealed class MessageStatusReader(IRowStore rows, ProfileStore profiles, FailureLog failures, RecentCommits recent, TimeProvider time)
{
    private const int Parallel = 32;

    // Whoever waits for an event to arrive asks again and again; all shards are asked once in this time.
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(1);

    private readonly TwoGenerationCache<Hash128, long> unknownAt = new(10_000);

    /// <summary>The first of these ids that anything is known of; <see cref="MessageOutcome.Queued"/> where nothing is.</summary>
    /// <param name="messageIds">What a path may mean; see <see cref="MessageKey"/>.</param>
    public async Task<MessageStatus> FindAsync(string sourceId, IReadOnlyList<string> messageIds, CancellationToken cancellation)
    {
        foreach (var messageId in messageIds)
        {
            if (await FindAsync(sourceId, messageId, cancellation) is { Outcome: not MessageOutcome.Queued } known)
                return known;
        }

        return new MessageStatus(messageIds[0], sourceId, MessageOutcome.Queued, null, null, null);
    }

    public async Task<MessageStatus> FindAsync(string sourceId, string messageId, CancellationToken cancellation)
    {
        var found = failures.FindAsync(sourceId, messageId, cancellation);
        var commit = await CommitAsync(Hash128.Of(sourceId, messageId), cancellation);
        var profile = commit is { } committed ? (await profiles.FollowAsync(committed.Profile, fresh: true, cancellation)).Id : default(ProfileId?);
        // A message that failed and was sent again is committed; one whose id was used twice stays refused, though another has the id. A
        // document that was full has refused traits, not the event.
        var failure = (await found)
            .Where(f => f.Reason == FailureReason.MessageIdReused || (profile is null && f.Reason != FailureReason.ProfileFull))
            .MaxBy(f => f.At);
        if (failure is not null)
        {
            var holder = profile ?? (ProfileId.TryParse(failure.ProfileId, out var noted) ? noted : null);
            return new MessageStatus(messageId, sourceId, MessageOutcome.Failed, holder, failure.At, failure.Reason);
        }

        return profile is null
            ? new MessageStatus(messageId, sourceId, MessageOutcome.Queued, null, null, null)
            : new MessageStatus(messageId, sourceId, MessageOutcome.Committed, profile, commit!.Value.At, null);
    }

    private async Task<(ProfileId Profile, Instant At)?> CommitAsync(Hash128 message, CancellationToken cancellation)
    {
        if (recent.TryGet(message, out var profile, out var at))
            return (profile, at);
        var asked = time.GetTimestamp();
        if (unknownAt.TryGet(message, out var before) && time.GetElapsedTime(before, asked) < AskAgainAfter)
            return null;
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Row? marker = null;
        try
        {
            await System.Threading.Tasks.Parallel.ForAsync(
                0, ProfileId.Shards, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = enough.Token },
                async (shard, token) =>
                {
                    if (await MarkerAsync(ProfileId.ShardName(shard), message, token) is not { } row)
                        return;
                    marker = row;
                    await enough.CancelAsync();
                });
        }
        catch (OperationCanceledException) when (marker is not null)
        {
            // The others need not be asked any more. During a merge there are two markers, and both lead to the winner.
        }

        if (marker is null)
        {
            unknownAt.Set(message, asked);
            return null;
        }

        var owner = ProfileRows.ProfileOfMarkerKey(marker.Key);
        return (owner, await ReceivedAtAsync(owner, message, ProfileRows.ReadMarker(marker.Data.Span).At, cancellation));
    }

    private async Task<Row?> MarkerAsync(string shard, Hash128 message, CancellationToken cancellation)
    {
        var (from, to) = ProfileRows.MarkersOf(message);
        await foreach (var row in rows.RangeAsync(TableName.Profiles, shard, from, to, pageSize: 1, cancellation))
            return row;
        return null;
    }

    /// <summary>From the event; the event's own time where that is gone, moved by a merge or removed by a retention rule.</summary>
    private async Task<Instant> ReceivedAtAsync(ProfileId owner, Hash128 message, Instant at, CancellationToken cancellation)
    {
        var row = await rows.GetAsync(TableName.Profiles, owner.Shard, ProfileRows.Event(owner, at, message), cancellation);
        return row is null ? at : EventRow.Decode(owner, row.Data).Event.ReceivedAt;
    }
}
