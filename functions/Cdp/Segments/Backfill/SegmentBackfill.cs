using Cdp.Events;
using Cdp.Identity;
using Cdp.Processing;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Storage;

namespace Cdp.Segments.Backfill;

/// <summary>Where a backfill goes on, and when.</summary>
public readonly record struct BackfillRest(int Shard, TimeSpan? Delay);

/// <summary>
/// Folds the segments of every profile anew that has not seen all definitions, shard by shard, page by page: a page of documents, their timelines in one pass, and
/// as few transactions as they fit into.
/// </summary>
/// <remarks>
/// <para>
/// Until a profile is folded its memberships stay as they are. Each document is written on condition of its version; where one of a transaction was
/// changed meanwhile, its profiles are done one by one. The progress of the shard is written after each page: who dies in between has a page done again, in which
/// there is nothing left to do. What a definition with <c>backfill.notify</c> tells is in the outbox rows of the same transaction.
/// </para>
/// <para>
/// It begins when every process has had the time to load the definitions or to notice that it cannot (<see cref="Settle"/>): a profile that is made under old
/// definitions after its shard was done would be missed.
/// </para>
/// </remarks>
public sealed class SegmentBackfill(
    IRowStore rows, ProfileStore profiles, DefinitionsRegistry definitions, BackfillProgress progress, SegmentUpdater updater, Outbox outbox, TimeProvider time)
{
    /// <summary>Between a change and its backfill; longer than <see cref="DefinitionsRegistry.MostAge"/> and a commit together.</summary>
    public static readonly TimeSpan Settle = TimeSpan.FromSeconds(30);

    private const int PageSize = 100;

    /// <returns>What is left of the lane; null for nothing, or where somebody else is at it.</returns>
    public async Task<BackfillRest?> RunAsync(int shard, Instant? oldestQueued, Deadline deadline, CancellationToken cancellation)
    {
        // Once for all shards of the lane: where somebody else has been at one meanwhile, the first write is refused.
        var all = await progress.ReadAsync(cancellation);
        for (; shard < ProfileId.Shards; shard += BackfillProgress.Lanes)
        {
            var set = await definitions.CurrentAsync(cancellation);
            var wait = set.ChangedAt.Plus(Settle).Milliseconds - Instant.Now(time).Milliseconds;
            if (wait > 0)
                return new BackfillRest(shard, TimeSpan.FromMilliseconds(wait));
            switch (await RunShardAsync(shard, all[shard], set, oldestQueued, deadline, cancellation))
            {
                case null:
                    return null;
                case false:
                    return new BackfillRest(shard, null);
            }
        }

        return null;
    }

    /// <summary>True for done, false where the time is over, null where somebody else is at it.</summary>
    private async Task<bool?> RunShardAsync(
        int shard, (ShardProgress? Progress, string? Version) stored, DefinitionSet set, Instant? oldestQueued, Deadline deadline, CancellationToken cancellation)
    {
        var (present, version) = stored;
        // Set by a worker that knew newer definitions.
        if (present is not null && present.Epoch > set.BackfillEpoch)
            return true;
        var at = present is not null && present.Epoch == set.BackfillEpoch
            ? present
            : new ShardProgress(set.BackfillEpoch, "", 0, IsWhole: false, present?.CompleteEpoch ?? -1, present?.Total ?? 0, 0);
        while (!at.IsWhole)
        {
            if (deadline.IsOver)
                return false;
            var page = await PageAsync(shard, at.Position, cancellation);
            await RunPageAsync(set, page, oldestQueued, cancellation);
            at = at with { Done = at.Done + page.Count, Position = page.Count == 0 ? at.Position : page[^1].Id.Value };
            if (page.Count < PageSize)
                at = at with { IsWhole = true, CompleteEpoch = set.BackfillEpoch, Total = at.Done };
            if (await progress.SaveAsync(shard, at, version, cancellation) is not { } saved)
                return null;
            version = saved;
        }

        return true;
    }

    private async Task<List<StoredProfile>> PageAsync(int shard, string position, CancellationToken cancellation)
    {
        var page = new List<StoredProfile>(PageSize);
        var (from, to) = ProfileRows.Documents(position.Length == 0 ? null : new ProfileId(position));
        await foreach (var row in rows.RangeAsync(TableName.Profiles, ProfileId.ShardName(shard), from, to, PageSize, cancellation))
        {
            page.Add(new StoredProfile(ProfileRows.ProfileOfLastPart(row.Key), row.Data, row.Version));
            if (page.Count == PageSize)
                break;
        }

        return page;
    }

    private async Task RunPageAsync(DefinitionSet set, List<StoredProfile> page, Instant? oldestQueued, CancellationToken cancellation)
    {
        var awaiting = new List<(StoredProfile Stored, Profile Document)>();
        foreach (var stored in page)
        {
            var document = stored.Decode();
            if (Awaits(document, set))
                awaiting.Add((stored, document));
        }

        if (awaiting.Count == 0)
            return;
        await using var sweep = new EventSweep(rows, awaiting[0].Stored.Id.Shard, awaiting[0].Stored.Id, awaiting[^1].Stored.Id, cancellation);
        var group = new Group();
        foreach (var (stored, document) in awaiting)
        {
            var now = Instant.Now(time);
            var writes = new List<RowWrite>();
            SegmentFold? fold = null;
            if (document.Absorbing.Count > 0 || document.IsSplitting)
            {
                // Its timeline is not whole: it is folded when it is.
                document.NeedsRefold = true;
                DueRows.Bring(document, now.Plus(SegmentUpdater.Postponement), writes);
            }
            else
            {
                fold = await SegmentFold.RefoldAsync(set, document, sweep.Of(document.Id), new RowTimeline(rows, document.Id), now, cancellation);
                await fold.EvaluateAsync(oldestQueued, everything: true, cancellation);
                fold.Finish(writes, exactly: true);
            }

            document.Version++;
            var effects = new CommitEffects();
            if (fold is not null)
                effects.Add(fold.Changes);
            var staged = outbox.Stage(document.Id, document.Version, effects, writes);
            var write = ProfileStore.Write(document, stored.Version, out _);
            if (!group.HasRoomFor(1 + writes.Count, Group.LengthOf(write, writes)))
                group = await CommitAsync(group, oldestQueued, cancellation);
            group.Add(fold, staged, write, stored.Id, writes);
        }

        if (group.Profiles.Count > 0)
            await CommitAsync(group, oldestQueued, cancellation);
    }

    private static bool Awaits(Profile document, DefinitionSet set)
    {
        // A tombstone; nothing to fold; folded anyway as soon as it can be.
        if (document.MergedInto is not null || document.IsEmpty || document.NeedsRefold)
            return false;
        if (SegmentFold.NeedsNewer(set, document))
            throw new ConflictException($"Profile {document.Id} was written under definitions that are not loaded yet.");
        return document.SegmentState.IsEmpty || !SegmentFold.IsUpToDate(set, document);
    }

    private async Task<Group> CommitAsync(Group group, Instant? oldestQueued, CancellationToken cancellation)
    {
        var result = await rows.CommitAsync(TableName.Profiles, group.Profiles[0].Shard, group.Writes, cancellation);
        foreach (var id in group.Profiles)
        {
            profiles.Forget(id);
            if (!result.Committed)
                await updater.UpdateAsync(id, oldestQueued, cancellation, whole: true);
        }

        if (result.Committed)
        {
            foreach (var fold in group.Folds)
                fold.Committed();
            foreach (var staged in group.Staged)
                await outbox.DispatchAsync(staged, cancellation);
        }

        return new Group();
    }

    private sealed class Group
    {
        private int bytes;

        public List<ProfileId> Profiles { get; } = [];

        public List<SegmentFold> Folds { get; } = [];

        public List<StagedEffects> Staged { get; } = [];

        public List<RowWrite> Writes { get; } = [];

        public static int LengthOf(RowWrite document, List<RowWrite> with)
        {
            var length = document.Data.Length;
            foreach (var write in with)
                length += write.Data.Length;
            return length;
        }

        /// <summary>Of one transaction.</summary>
        public bool HasRoomFor(int rows, int length) =>
            Profiles.Count == 0 || (Writes.Count + rows <= StorageLimits.TransactionRows && bytes + length <= StorageLimits.TransactionBytes);

        public void Add(SegmentFold? fold, StagedEffects? staged, RowWrite document, ProfileId id, List<RowWrite> with)
        {
            Profiles.Add(id);
            if (fold is not null)
                Folds.Add(fold);
            if (staged is not null)
                Staged.Add(staged);
            Writes.Add(document);
            Writes.AddRange(with);
            bytes += LengthOf(document, with);
        }
    }
}
