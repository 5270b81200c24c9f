using Cdp.Caching;
using Cdp.Catalog;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Segments;
using Cdp.Segments.Definitions;
using Cdp.Stats;
using Cdp.Storage;

namespace Cdp.Processing;

/// <summary>An event and the profile it was resolved to.</summary>
public sealed record AssignedEvent(Event Event, Resolution Resolution);

/// <summary>What became of the events of one commit call.</summary>
/// <param name="Stale">Not committed: their resolution no longer holds (the profile was merged, an identifier lost its place). Resolve them again.</param>
/// <param name="Reused">Refused: their messageId was taken by another message.</param>
/// <param name="Listed">Identifiers of committed events, which the document owns now.</param>
/// <param name="RefusedTraits">Committed, but the document is at its size limit and did not take their traits.</param>
public sealed record CommitOutcome(
    IReadOnlyList<Event> Stale, IReadOnlyList<Event> Reused, IReadOnlyList<Event> RefusedTraits, IReadOnlySet<Identifier> Listed);

/// <summary>
/// Commits events to one profile: document, timeline, markers, memberships and effects in one transaction, or nothing.
/// </summary>
/// <remarks>
/// <para>
/// The document is conditioned on the version it was folded from, so two workers never fold into the same state; the loser reloads and folds
/// again. Event and marker rows are inserts: a marker that exists says that the message was taken before, by whomever.
/// </para>
/// <para>
/// Dies before the transaction: nothing happened, the message comes again. Dies after it: the message comes again, every marker
/// exists, nothing is folded twice; effects that were not sent are in the outbox row of the same transaction. A transaction that was
/// committed although its answer got lost looks like somebody else's: the reload finds the markers.
/// </para>
/// </remarks>
public sealed class ProfileCommitter(
    IRowStore rows, ProfileStore profiles, IdentityIndex index, Outbox outbox, RecentCommits recent, DefinitionsRegistry definitions, CatalogRecorder catalog, TimeProvider time)
{
    // A row for the document, one for effects, two for each event.
    private const int MostEvents = (StorageLimits.TransactionRows - 2) / 2;

    // The same with room for memberships, and for a due row and the one it replaces.
    private const int MostEventsWithSegments = (StorageLimits.TransactionRows - 2 - 2 - SegmentFold.MostRows) / 2;

    // Each try lost against another writer that made progress.
    private const int MostTries = 30;

    private readonly KeyedLock busy = new();

    public async Task<CommitOutcome> CommitAsync(
        ProfileId profile, IReadOnlyList<AssignedEvent> events, IdentityRules rules, CancellationToken cancellation)
    {
        using var held = await busy.EnterAsync(profile, cancellation);
        var batch = new Batch(profile, events, rules);
        for (var tries = 0; batch.Remaining.Count > 0; tries++)
        {
            if (tries >= MostTries)
                throw new ConflictException($"Profile {profile} was changed by others {MostTries} times in a row.");
            // Not read where it cannot be there yet; if it is all the same, the insert is refused and the next try reads it.
            var stored = batch.IsNew ? null : await profiles.FindAsync(profile, fresh: tries > 0, cancellation);
            batch.IsNew = false;
            var document = stored?.Decode() ?? new Profile(profile);
            if (document.MergedInto is not null)
            {
                batch.GiveUp();
                break;
            }

            await RemoveTakenElsewhereAsync(batch, document, cancellation);
            await RemoveStrayedAsync(batch, document, cancellation);
            if (await TryCommitAsync(batch, document, stored, cancellation))
                tries = -1;
        }

        return new CommitOutcome(batch.Stale, batch.Reused, batch.RefusedTraits, batch.Listed);
    }

    /// <summary>One transaction. True where the batch got smaller, so that the next try starts with a new count.</summary>
    private async Task<bool> TryCommitAsync(Batch batch, Profile document, StoredProfile? stored, CancellationToken cancellation)
    {
        var writes = new List<RowWrite>(StorageLimits.TransactionRows) { default };
        var folded = new List<AssignedEvent>();
        var effects = new CommitEffects();
        var stale = new List<AssignedEvent>();
        var (known, identified) = (stored is not null, document.IsIdentified);
        var segments = await OpenSegmentsAsync(document, cancellation);
        var most = batch.OneByOne ? 1 : segments is null && !document.NeedsRefold ? MostEvents : MostEventsWithSegments;
        foreach (var assigned in batch.Remaining)
        {
            if (folded.Count == most)
                break;
            if (!Accepts(document, assigned, batch.Rules))
            {
                stale.Add(assigned);
                continue;
            }

            await FoldAsync(document, segments, assigned, writes, effects, withTraits: true, cancellation);
            folded.Add(assigned);
        }

        batch.MoveToStale(stale);
        if (folded.Count == 0)
            return true;

        FinishSegments(segments, document, writes, effects);
        document.Version++;
        writes[0] = ProfileStore.Write(document, stored?.Version, out var data);
        var full = data.Length > ProfileCodec.MostBytes;
        if (full && folded.Count > 1)
        {
            // One event's traits are too much; the others' are not refused for it.
            batch.OneByOne = true;
            return true;
        }

        if (full)
        {
            // The events count and stay on the timeline; the document takes no more traits.
            document = stored?.Decode() ?? new Profile(batch.Profile);
            writes.RemoveRange(1, writes.Count - 1);
            effects = new CommitEffects();
            segments = await OpenSegmentsAsync(document, cancellation);
            foreach (var assigned in folded)
                await FoldAsync(document, segments, assigned, writes, effects, withTraits: false, cancellation);
            FinishSegments(segments, document, writes, effects);
            document.Version++;
            writes[0] = ProfileStore.Write(document, stored?.Version, out data);
        }

        var staged = outbox.Stage(batch.Profile, document.Version, effects, writes);
        var result = await rows.CommitAsync(TableName.Profiles, batch.Profile.Shard, writes, cancellation);
        if (!result.Committed)
        {
            Telemetry.Conflicted();
            profiles.Forget(batch.Profile);
            return result.RefusedIndex > 0 && await RemoveTakenAsync(batch, batch.Profile, folded, cancellation);
        }

        profiles.Remember(batch.Profile, data, result.Versions[0]!);
        batch.Committed(folded, full);
        Note(batch.Profile, folded);
        segments?.Committed();
        Telemetry.ProfilesChanged(known ? 0 : 1, !identified && document.IsIdentified ? 1 : 0);
        await outbox.DispatchAsync(staged, cancellation);
        return true;
    }

    private static async ValueTask FoldAsync(
        Profile document, SegmentFold? segments, AssignedEvent assigned, List<RowWrite> writes, CommitEffects effects, bool withTraits, CancellationToken cancellation)
    {
        var (e, resolution) = assigned;
        document.Apply(e, resolution.Identifiers, withTraits);
        var changes = segments is null ? null : await segments.ApplyAsync(e, cancellation);
        foreach (var decision in resolution.Decisions)
            document.Record(decision);
        foreach (var merge in resolution.Merges)
            effects.Add(merge);
        writes.Add(RowWrite.Insert(
            ProfileRows.Event(document.Id, e.Timestamp, e.MessageKey), new EventRow(e, document.Id, document.Version + 1, changes).Encode(document.Id)));
        writes.Add(RowWrite.Insert(ProfileRows.Marker(document.Id, e.MessageKey), ProfileRows.MarkerData(e)));
    }

    /// <summary>Null where nothing is defined, and where the segments of this profile are folded later.</summary>
    private async ValueTask<SegmentFold?> OpenSegmentsAsync(Profile document, CancellationToken cancellation)
    {
        var set = await definitions.CurrentAsync(cancellation);
        if (set.IsEmpty && document.SegmentState.IsEmpty)
            return null;
        var (timeline, now) = (new RowTimeline(rows, document.Id), Instant.Now(time));
        var segments = SegmentFold.Open(set, document, timeline, now);
        if (segments is not { NeedsNewerDefinitions: true })
        {
            // Its backfill may have come by before this merge or unmerge began.
            document.NeedsRefold |= segments is null && document.SegmentState.IsEmpty && (document.Absorbing.Count > 0 || document.IsSplitting);
            return segments;
        }

        segments = SegmentFold.Open(await definitions.NewerAsync(cancellation), document, timeline, now);
        return segments is { NeedsNewerDefinitions: true }
            ? throw new ConflictException($"Profile {document.Id} was written under definitions that cannot be read yet.")
            : segments;
    }

    private void FinishSegments(SegmentFold? segments, Profile document, List<RowWrite> writes, CommitEffects effects)
    {
        if (segments is not null)
        {
            segments.Finish(writes, exactly: false);
            effects.Add(segments.Changes);
        }
        else if (document.NeedsRefold)
        {
            DueRows.Bring(document, Instant.Now(time).Plus(SegmentUpdater.Postponement), writes);
        }
    }

    /// <summary>
    /// Limits and uniqueness are decided here, under the document's version: whatever the resolver saw may be old. An identifier that is
    /// neither listed nor freshly claimed is a stale cache entry.
    /// </summary>
    private static bool Accepts(Profile document, AssignedEvent assigned, IdentityRules rules)
    {
        var (e, resolution) = assigned;
        var unlisted = false;
        foreach (var identifier in resolution.Identifiers)
        {
            if (document.IsQuarantined(identifier) && !resolution.Routed)
                return false;
            if (document.Lists(identifier))
                continue;
            // Given away since, by an unmerge or because two people use it: what the resolver saw is old. What is reserved may come back, but the
            // reservation can still be dropped: only who has seen the loser fenced is led here by it.
            if (!resolution.Verified || (document.FindReleased(identifier) is { } released && (released.To is null || !document.Owns(identifier))))
                return false;
            unlisted = true;
        }

        if (!unlisted)
            return true;
        var holdings = new Holdings(rules, e.ReceivedAt);
        holdings.Add(document);
        holdings.Add(resolution.Identifiers);
        return holdings.Violation is null;
    }

    /// <summary>
    /// A profile that came back by an unmerge was gone for a while: claims for it, of resolutions from before, may have been led to the winner and be
    /// listed there. Asked after the document was read, so that a merge in between is seen at its version.
    /// </summary>
    private async Task RemoveStrayedAsync(Batch batch, Profile document, CancellationToken cancellation)
    {
        if (!document.Merges.Exists(m => m.State == MergeState.Undone && m.Loser == document.Id))
            return;
        var strayed = new List<AssignedEvent>();
        foreach (var assigned in batch.Remaining)
        {
            foreach (var identifier in assigned.Resolution.Identifiers)
            {
                if (document.Owns(identifier) || (await index.ReadAsync(identifier, cancellation))?.Profile == document.Id)
                    continue;
                strayed.Add(assigned);
                break;
            }
        }

        batch.MoveToStale(strayed);
    }

    /// <summary>
    /// While a merge or an unmerge is under way markers are on both sides; and where an identifier leads or led elsewhere, a retry may have
    /// been committed there.
    /// </summary>
    private async Task RemoveTakenElsewhereAsync(Batch batch, Profile document, CancellationToken cancellation)
    {
        HashSet<ProfileId>? elsewhere = null;
        foreach (var absorption in document.Absorbing)
            (elsewhere ??= []).Add(absorption.Loser);
        foreach (var assigned in batch.Remaining)
        {
            foreach (var past in assigned.Resolution.Past)
                (elsewhere ??= []).Add(past);
        }

        if (document.SplitFrom is { } common)
            (elsewhere ??= []).Add(common);
        // Of two that were parted either may have it, and an index entry from a cache does not know of the other.
        foreach (var merge in document.Merges)
        {
            if (merge is { State: MergeState.Undone, PartedFrom: { } stayer })
                (elsewhere ??= []).UnionWith([stayer, merge.Loser]);
        }

        if (elsewhere is null)
            return;
        var looked = new HashSet<ProfileId> { batch.Profile };
        foreach (var first in elsewhere)
        {
            // A merge inserts a marker at the winner before it deletes it at the loser: what is not there any more is where the tombstone leads.
            for (ProfileId? holder = first; holder is { } profile && looked.Add(profile);)
            {
                await RemoveTakenAsync(batch, profile, [.. batch.Remaining], cancellation);
                holder = (await profiles.FindAsync(profile, fresh: true, cancellation))?.Decode().MergedInto;
            }
        }
    }

    /// <summary>Reads the markers of these events at once and takes out what they show to be committed already. True where there was any.</summary>
    private async Task<bool> RemoveTakenAsync(Batch batch, ProfileId profile, IReadOnlyList<AssignedEvent> events, CancellationToken cancellation)
    {
        var reads = new Task<Row?>[events.Count];
        for (var i = 0; i < reads.Length; i++)
            reads[i] = rows.GetAsync(TableName.Profiles, profile.Shard, ProfileRows.Marker(profile, events[i].Event.MessageKey), cancellation);
        var markers = await Task.WhenAll(reads);
        var any = false;
        for (var i = 0; i < markers.Length; i++)
        {
            if (markers[i] is not { } marker)
                continue;
            any = true;
            batch.Taken(events[i], ProfileRows.ReadMarker(marker.Data.Span).ContentHash);
        }

        return any;
    }

    private void Note(ProfileId profile, List<AssignedEvent> folded)
    {
        var now = Instant.Now(time);
        foreach (var (e, resolution) in folded)
        {
            recent.Add(e.MessageKey, profile, e.ReceivedAt);
            catalog.Note(e, profile);
            Telemetry.Committed(e.SourceId, TimeSpan.FromMilliseconds(now.Milliseconds - e.ReceivedAt.Milliseconds));
            foreach (var decision in resolution.Decisions)
                Telemetry.Decided(decision.Action);
        }
    }

    /// <summary>The events of one call, sorted into what is left to do and what became of the rest.</summary>
    private sealed class Batch
    {
        public Batch(ProfileId profile, IReadOnlyList<AssignedEvent> events, IdentityRules rules)
        {
            Profile = profile;
            Rules = rules;
            IsNew = events.Count > 0 && events[0].Resolution.IsNew;
            var seen = new Dictionary<Hash128, ulong>(events.Count);
            foreach (var assigned in events)
            {
                if (seen.TryAdd(assigned.Event.MessageKey, assigned.Event.ContentHash))
                    Remaining.Add(assigned);
                else
                    Repeated(assigned.Event, seen[assigned.Event.MessageKey]);
            }
        }

        public ProfileId Profile { get; }

        public IdentityRules Rules { get; }

        /// <summary>Nobody can have written the document before this commit.</summary>
        public bool IsNew { get; set; }

        /// <summary>The document is near its size limit.</summary>
        public bool OneByOne { get; set; }

        public List<AssignedEvent> Remaining { get; } = [];

        public List<Event> Stale { get; } = [];

        public List<Event> Reused { get; } = [];

        public List<Event> RefusedTraits { get; } = [];

        public HashSet<Identifier> Listed { get; } = [];

        public void GiveUp()
        {
            foreach (var assigned in Remaining)
                Stale.Add(assigned.Event);
            Remaining.Clear();
        }

        public void MoveToStale(List<AssignedEvent> events)
        {
            foreach (var assigned in events)
            {
                Remaining.Remove(assigned);
                Stale.Add(assigned.Event);
            }
        }

        public void Committed(List<AssignedEvent> events, bool traitsRefused)
        {
            foreach (var assigned in events)
            {
                Remaining.Remove(assigned);
                Listed.UnionWith(assigned.Resolution.Identifiers);
                if (traitsRefused && assigned.Event.Type == EventType.Identify)
                    RefusedTraits.Add(assigned.Event);
            }
        }

        public void Taken(AssignedEvent assigned, ulong contentHash)
        {
            if (Remaining.Remove(assigned))
                Repeated(assigned.Event, contentHash);
        }

        private void Repeated(Event e, ulong contentHash)
        {
            if (e.ContentHash != contentHash)
                Reused.Add(e);
            else
                Telemetry.Duplicate(e.SourceId);
        }
    }
}
