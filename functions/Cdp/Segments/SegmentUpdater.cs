using Cdp.Events;
using Cdp.Processing;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Storage;

namespace Cdp.Segments;

/// <summary>Brings the segments of a profile up to date without an event: because time has passed, or because its timeline has become another one.</summary>
/// <remarks>
/// One transaction of the document, its index rows, its due row and the effects, on condition of the document's version: two at once, or one that dies, leave nothing
/// half done, and the due row stays until it is done. Dies after it: the due row is gone, the changes are in the outbox, from where they are swept.
/// </remarks>
public sealed class SegmentUpdater(IRowStore rows, ProfileStore profiles, DefinitionsRegistry definitions, Outbox outbox, TimeProvider time)
{
    /// <summary>How long a merge or an unmerge is given, which has to be done before its profile is folded anew.</summary>
    public static readonly TimeSpan Postponement = TimeSpan.FromSeconds(60);

    // Each try lost against another writer that made progress.
    private const int MostTries = 30;

    /// <param name="oldestQueued">See <see cref="ProfileSegments.Evaluate"/>.</param>
    /// <param name="whole">For the backfill: also where only new definitions ask for it.</param>
    public async Task UpdateAsync(ProfileId id, Instant? oldestQueued, CancellationToken cancellation, bool whole = false)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await profiles.FindAsync(id, fresh: true, cancellation) is not { } stored)
                return;
            var document = stored.Decode();
            var now = Instant.Now(time);
            var writes = new List<RowWrite>();
            document.NeedsRefold |= whole;
            SegmentFold? fold = null;
            if (document.MergedInto is not null)
                DueRows.Set(document, null, writes);
            else if (document.NeedsRefold && (document.Absorbing.Count > 0 || document.IsSplitting))
                DueRows.Set(document, now.Plus(Postponement), writes);
            else
                fold = await UpdateAsync(document, now, oldestQueued, writes, cancellation);
            var effects = new CommitEffects();
            if (fold is not null)
                effects.Add(fold.Changes);
            var staged = outbox.Stage(id, document.Version + 1, effects, writes);
            if (!await profiles.SaveAsync(document, stored.Version, cancellation, writes))
                continue;
            fold?.Committed();
            await outbox.DispatchAsync(staged, cancellation);
            return;
        }

        throw new ConflictException($"Profile {id} was changed by others {MostTries} times in a row while its segments were brought up to date.");
    }

    /// <summary>Folds anew where a merge or an unmerge has asked for it and is done. The due row sees to it too, only later.</summary>
    /// <param name="oldestQueued">See <see cref="ProfileSegments.Evaluate"/>.</param>
    public async Task SettleAsync(ProfileId id, Instant? oldestQueued, CancellationToken cancellation)
    {
        var (found, document, _) = await profiles.FollowAsync(id, fresh: true, cancellation);
        if (document is { NeedsRefold: true, Absorbing.Count: 0, IsSplitting: false })
            await UpdateAsync(found, oldestQueued, cancellation);
    }

    private async Task<SegmentFold?> UpdateAsync(Profile document, Instant now, Instant? oldestQueued, List<RowWrite> writes, CancellationToken cancellation)
    {
        var set = await definitions.CurrentAsync(cancellation);
        if (SegmentFold.NeedsNewer(set, document))
            set = await definitions.NewerAsync(cancellation);
        if (SegmentFold.NeedsNewer(set, document))
            throw new ConflictException($"Profile {document.Id} was written under definitions that cannot be read yet.");
        var timeline = new RowTimeline(rows, document.Id);
        var refold = document.NeedsRefold;
        var fold = refold
            ? await SegmentFold.RefoldAsync(set, document, timeline, timeline, now, cancellation)
            : SegmentFold.Open(set, document, timeline, now);
        if (fold is null)
        {
            // It awaits the backfill, which folds it whole.
            DueRows.Set(document, null, writes);
            return null;
        }

        await fold.EvaluateAsync(oldestQueued, everything: refold, cancellation);
        fold.Finish(writes, exactly: true);
        return fold;
    }
}
