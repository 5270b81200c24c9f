using System.Text;
using System.Text.Json;
using Cdp.Archive;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Stats;
using Cdp.Storage;

namespace Cdp.Identity;

/// <summary>
/// Takes a merge back: the loser lives again with the identifiers it had, and every event goes to the side it belongs to
/// (<see cref="Split.Takes"/>). A saga like the merge, each step of which can be repeated, by anybody, at any time.
/// </summary>
/// <remarks>
/// <list type="number">
/// <item>
/// The profile that has both (here: the stayer) gets a <see cref="Split"/> and gives the loser's identifiers away; its fold starts anew and from here on
/// counts only what is committed from here on. In the same transaction: a copy of the document as it was, for readers, and the row that says how far
/// this has come. Both sides note that their identifiers do not link them any more.
/// </item>
/// <item>The loser's tombstone becomes a document again, empty but for its identifiers.</item>
/// <item>The index leads its identifiers to it, and remembers the stayer: markers of its messages may be there.</item>
/// <item>
/// The common timeline is read once. What goes is inserted at the loser together with the loser's document, which counts it, and then deleted here; what
/// stays is folded. After each page the fold and the position are saved, so that a run which takes over goes on from there.
/// </item>
/// <item>The loser's document is released: all its events are with it.</item>
/// <item>What was folded is added to the stayer's document, and the split taken out, with its rows, in one transaction.</item>
/// </list>
/// <para>
/// Between 1 and 2, and 2 and 3, the index still leads to the stayer, which refuses what it gave away and tells where it went; until the loser is back
/// such an event waits for its next delivery. From 3 on an event is on one side or the other: committers look for markers on both. An event that was
/// committed to the stayer after step 1 carries the version it was committed with and is not folded twice. While the split stands neither side merges
/// or is merged.
/// </para>
/// </remarks>
public sealed class ProfileSplitter(IRowStore rows, ProfileStore profiles, IdentityIndex index, ControlLog log, IdentityRulesRegistry registry, TimeProvider time)
{
    // Each try lost against another writer that made progress.
    private const int MostTries = 50;

    // Two rows an event, and the loser's document.
    private const int MovedEvents = (StorageLimits.TransactionRows - 1) / 2;

    // So much of the timeline is done again by who takes over.
    private const int PageEvents = 1_000;

    /// <param name="deadline">When to stop and come again.</param>
    public async Task<MergeProgress> SplitAsync(UnmergeRequest request, Deadline deadline, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var (stayer, document, version) = await profiles.FollowAsync(request.Loser, fresh: true, cancellation);
            // Parted already: whoever the loser leads to by now, the profile it was parted from has what is left to do.
            if (stayer == request.Loser && document?.SplitFrom is { } common)
                (stayer, document, version) = await profiles.FollowAsync(common, fresh: true, cancellation);
            else if (document?.Splitting is null && document?.Merges.Find(m => m.Id == request.Unmerge) is { State: MergeState.Undone } parted)
                (stayer, document, version) = await profiles.FollowAsync(parted.Winner, fresh: true, cancellation);

            if (document is null)
                return MergeProgress.Refused;
            if (document.Splitting is { } split)
                return split.MergeId == request.Unmerge ? await FinishAsync(stayer, split, deadline, cancellation) : MergeProgress.Postponed;
            switch (document.Merges.Find(m => m.Id == request.Unmerge)?.State)
            {
                // Of a loser that is fenced and not folded yet the records are still to come.
                case null:
                    return document.Absorbing.Count > 0 ? MergeProgress.Postponed : MergeProgress.Refused;
                case MergeState.Undone:
                    return MergeProgress.Done;
                case MergeState.Done when document.Absorbing.Count == 0 && document.SplitFrom is null:
                    if (await BeginAsync(request, document, version!, cancellation))
                        Telemetry.Merged("undoing");
                    continue;
                default:
                    return MergeProgress.Postponed;
            }
        }

        throw new ConflictException($"The profile of merge {request.Unmerge} changed {MostTries} times in a row while it was unmerged.");
    }

    /// <summary>Step 1.</summary>
    private async Task<bool> BeginAsync(UnmergeRequest request, Profile document, string version, CancellationToken cancellation)
    {
        var loser = (await profiles.FindAsync(request.Loser, fresh: true, cancellation))?.Decode()
            ?? throw new InvalidDataException($"Profile {request.Loser}, which was merged, has no tombstone.");
        // Parted since the document was read, and perhaps merged once more.
        if (loser.MergedInto is null || loser.Merges.Exists(m => m.Id == request.Unmerge))
            return false;
        var before = ProfileCodec.Encode(document);
        var now = Instant.Now(time);
        // What was unmerged from the loser since is no part of it any more.
        var inherited = loser.Merges.ConvertAll(m => document.Merges.Find(ours => ours.Id == m.Id) ?? m);
        ProfileId[] family = [loser.Id, .. inherited.Where(m => m.State != MergeState.Undone).Select(m => m.Loser)];
        // Nor is what that profile has brought here since, merged once more by another link.
        var notItsOwn = new HashSet<Identifier>();
        foreach (var parted in loser.Merges.Where(m => m.State != MergeState.Undone && inherited.Exists(i => i.Id == m.Id && i.State == MergeState.Undone)))
        {
            if (await profiles.FindAsync(parted.Loser, fresh: true, cancellation) is { } stored)
                notItsOwn.UnionWith(stored.Decode().Identifiers.Select(i => i.Identifier));
        }

        OwnedIdentifier[] given =
        [
            .. document.Identifiers.Where(owned => loser.Identifiers.Exists(i => i.Identifier == owned.Identifier) && !notItsOwn.Contains(owned.Identifier)),
        ];

        document.ForgetEvents();
        foreach (var owned in given)
            document.Release(new ReleasedIdentifier(owned, loser.Id, now));
        document.Rejections.Add(new LinkRejection(
            request.Unmerge, [.. document.Identifiers.Select(i => i.Identifier)], [.. given.Select(g => g.Identifier)]));
        document.Merges.RemoveAll(m => m.State != MergeState.Undone && inherited.Exists(i => i.Id == m.Id));
        document.Decisions.RemoveAll(loser.Decisions.Contains);
        var record = document.Merges.FindIndex(m => m.Id == request.Unmerge);
        document.Merges[record] = document.Merges[record] with { State = MergeState.Undone, UndoneAt = now, PartedFrom = document.Id };
        document.Splitting = new Split(request.Unmerge, loser.Id, document.Version + 1, family, [.. given.Select(g => g.Unseen())]);
        return await profiles.SaveAsync(
            document, version, cancellation,
            RowWrite.Upsert(ProfileRows.BeforeSplit(document.Id), before),
            RowWrite.Insert(ProfileRows.SplitPermit(document.Id), Encoding.UTF8.GetBytes(request.Unmerge)),
            RowWrite.Insert(ProfileRows.SplitProgress(document.Id), Progress.Start(document.Id).Encode()));
    }

    private async Task<MergeProgress> FinishAsync(ProfileId stayer, Split split, Deadline deadline, CancellationToken cancellation)
    {
        await ReviveAsync(stayer, split, cancellation);
        await RepointAsync(stayer, split, cancellation);
        if (!await MoveAsync(stayer, split, deadline, cancellation))
            return MergeProgress.Unfinished;
        await ReleaseLoserAsync(stayer, split, cancellation);
        await CloseAsync(stayer, split, cancellation);
        return MergeProgress.Done;
    }

    /// <summary>Step 2.</summary>
    private async Task ReviveAsync(ProfileId stayer, Split split, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await profiles.FindAsync(split.Loser, fresh: true, cancellation) is not { } tombstone)
                throw new InvalidDataException($"Profile {split.Loser}, which was merged, has no tombstone.");
            var document = tombstone.Decode();
            // Back already; and released, it may have been merged elsewhere since.
            if (document.MergedInto is null || document.Merges.Exists(m => m.Id == split.MergeId))
                return;
            if (await profiles.FindAsync(stayer, fresh: true, cancellation) is not { } stored || stored.Decode() is not { Splitting.MergeId: var mergeId } other || mergeId != split.MergeId)
                return;
            var before = (await BeforeAsync(stayer, cancellation)) ?? other;
            document.MergedInto = null;
            document.SplitFrom = stayer;
            var had = document.Identifiers.ConvertAll(i => i.Identifier);
            document.Identifiers.Clear();
            document.Identifiers.AddRange(split.Given);
            // What was given on or up while the two were one: who still comes here for it is led there.
            foreach (var identifier in had)
            {
                if (!document.Lists(identifier) && other.FindReleased(identifier) is { } released)
                    document.Release(released);
            }

            document.ForgetEvents();
            document.NeedsRefold |= other.NeedsRefold;
            for (var i = 0; i < document.Merges.Count; i++)
                document.Merges[i] = before.Merges.Find(m => m.Id == document.Merges[i].Id) ?? document.Merges[i];
            document.Merges.Add(other.Merges.Find(m => m.Id == split.MergeId)!);
            var rejection = other.Rejections.Find(r => r.MergeId == split.MergeId)!;
            document.Rejections.Add(new LinkRejection(split.MergeId, rejection.Theirs, rejection.Ours));
            if (await profiles.SaveAsync(document, tombstone.Version, cancellation, RowWrite.Upsert(ProfileRows.BeforeSplit(split.Loser), tombstone.Data)))
                return;
        }

        throw Conflict(split);
    }

    /// <summary>Step 3.</summary>
    private async Task RepointAsync(ProfileId stayer, Split split, CancellationToken cancellation)
    {
        // Those taken out of linking while the two were one are not given back, but the events that came with them are.
        var before = (await BeforeAsync(split.Loser, cancellation))?.Identifiers.Select(i => i.Identifier) ?? [];
        List<Identifier> identifiers = [.. split.Given.Select(g => g.Identifier).Union(before)];
        for (var tries = 0; tries < MostTries; tries++)
        {
            // The entries first: the loser is merged again only after it was released, so an entry that merge has written is not overwritten here.
            var entries = await Task.WhenAll(identifiers.ConvertAll(identifier => index.ReadAsync(identifier, cancellation)));
            if ((await profiles.FindAsync(split.Loser, fresh: true, cancellation))?.Decode().SplitFrom != stayer || !await StandsAsync(stayer, split, cancellation))
                return;
            var done = true;
            for (var i = 0; i < entries.Length; i++)
            {
                var given = i < split.Given.Count;
                if (entries[i] is not { } entry)
                {
                    done &= !given || await index.ClaimAsync(identifiers[i], split.Loser, cancellation) is not null;
                    continue;
                }

                if (entry.State == LinkState.Detached)
                    done &= entry.Past.Contains(split.Loser) || await index.ChangeAsync(entry with { Past = [.. entry.Past, split.Loser] }, cancellation) is not null;
                else if (given && !(entry.Profile == split.Loser && entry.Past.Contains(stayer)))
                    done &= await index.ChangeAsync(entry with { Profile = split.Loser, Past = [.. entry.Past.Where(p => p != stayer && p != split.Loser), stayer] }, cancellation) is not null;
            }

            if (done)
                return;
        }

        throw Conflict(split);
    }

    /// <summary>Step 4. False where the time is over.</summary>
    private async Task<bool> MoveAsync(ProfileId stayer, Split split, Deadline deadline, CancellationToken cancellation)
    {
        var rules = await registry.CurrentAsync(cancellation);
        var (first, end) = ProfileRows.Events(stayer);
        while (await rows.GetAsync(TableName.Profiles, stayer.Shard, ProfileRows.SplitProgress(stayer), cancellation) is { } saved)
        {
            var progress = Progress.Decode(stayer, saved.Data);
            if (progress.IsWhole)
                return true;
            if (deadline.IsOver)
                return false;
            if (await profiles.FindAsync(stayer, fresh: true, cancellation) is not { } stored || stored.Decode() is not { Splitting.MergeId: var mergeId } document || mergeId != split.MergeId)
                return true;
            var page = 0;
            var leaving = new List<EventRow>();
            await foreach (var row in rows.RangeAsync(TableName.Profiles, stayer.Shard, progress.Position is null ? first : progress.Position + "!", end, PageEvents, cancellation))
            {
                page++;
                progress.Position = row.Key;
                var e = EventRow.Decode(stayer, row.Data);
                // Counted in the document already.
                if (e.Version <= split.Version)
                {
                    var identifiers = EventIdentifiers.Of(e.Event, rules);
                    if (split.Takes(e.FirstProfile, identifiers))
                        leaving.Add(e);
                    else
                        progress.Fold.Apply(e.Event, identifiers.Among(document.Owns));
                }

                if (leaving.Count == MovedEvents)
                {
                    await MoveAsync(stayer, split, leaving, rules, cancellation);
                    leaving.Clear();
                }

                if (page == PageEvents)
                    break;
            }

            if (leaving.Count > 0)
                await MoveAsync(stayer, split, leaving, rules, cancellation);
            progress.IsWhole = page < PageEvents;
            // Refused where another run was quicker; what it saved is read.
            await rows.CommitAsync(TableName.Profiles, stayer.Shard, [RowWrite.Replace(saved.Key, progress.Encode(), saved.Version)], cancellation);
        }

        return true;
    }

    /// <summary>
    /// Inserted there before it is deleted here: in between both have it, and readers of the loser take it once. The loser's document counts it
    /// in the transaction that brings it.
    /// </summary>
    private async Task MoveAsync(ProfileId stayer, Split split, List<EventRow> leaving, IdentityRules rules, CancellationToken cancellation)
    {
        var coming = new List<EventRow>(leaving);
        for (var tries = 0; coming.Count > 0; tries++)
        {
            if (tries >= MostTries)
                throw Conflict(split);
            if (await profiles.FindAsync(split.Loser, fresh: tries > 0, cancellation) is not { } stored)
                throw new InvalidDataException($"Profile {split.Loser} vanished while it was unmerged.");
            var document = stored.Decode();
            // Another run has done all of this: the loser has been released since, and may have been merged and parted again.
            if (document.SplitFrom != stayer || !await StandsAsync(stayer, split, cancellation))
                return;
            var fold = new BoundedFold(document, stored.Data.Length);
            var writes = new List<RowWrite>((coming.Count * 2) + 1) { default };
            foreach (var row in coming)
            {
                fold.Apply(row.Event, EventIdentifiers.Of(row.Event, rules).Among(document.Owns));
                writes.Add(RowWrite.Insert(ProfileRows.Event(split.Loser, row.Event.Timestamp, row.Event.MessageKey), Given(row, split).Encode(split.Loser)));
                writes.Add(RowWrite.Insert(ProfileRows.Marker(split.Loser, row.Event.MessageKey), ProfileRows.MarkerData(row.Event)));
            }

            fold.Profile.Version++;
            writes[0] = ProfileStore.Write(fold.Profile, stored.Version, out var data);
            var result = await rows.CommitAsync(TableName.Profiles, split.Loser.Shard, writes, cancellation);
            if (result.Committed)
            {
                profiles.Remember(split.Loser, data, result.Versions[0]!);
                break;
            }

            profiles.Forget(split.Loser);
            if (result.RefusedIndex > 0)
                await RemoveMovedAsync(split.Loser, coming, cancellation);
        }

        await DeleteAsync(stayer, split, leaving, cancellation);
    }

    /// <summary>
    /// From now on it is the loser's as if it had been committed there, so that a later merge and unmerge bring it back here whatever became of its
    /// identifiers.
    /// </summary>
    private static EventRow Given(EventRow row, Split split) =>
        row with { Version = 0, FirstProfile = split.Family.Contains(row.FirstProfile) ? row.FirstProfile : split.Loser };

    private async Task RemoveMovedAsync(ProfileId loser, List<EventRow> coming, CancellationToken cancellation)
    {
        var markers = await Task.WhenAll(coming.ConvertAll(row =>
            rows.GetAsync(TableName.Profiles, loser.Shard, ProfileRows.Marker(loser, row.Event.MessageKey), cancellation)));
        for (var i = coming.Count - 1; i >= 0; i--)
        {
            if (markers[i] is not null)
                coming.RemoveAt(i);
        }
    }

    /// <summary>On condition of this unmerge's permit: a run that was overtaken must not delete what a later merge has brought here again.</summary>
    private async Task DeleteAsync(ProfileId stayer, Split split, List<EventRow> moved, CancellationToken cancellation)
    {
        var rest = new List<EventRow>(moved);
        while (rest.Count > 0)
        {
            if (await rows.GetAsync(TableName.Profiles, stayer.Shard, ProfileRows.SplitPermit(stayer), cancellation) is not { } permit
                || Encoding.UTF8.GetString(permit.Data.Span) != split.MergeId)
            {
                return;
            }

            var writes = new List<RowWrite>((rest.Count * 2) + 1) { RowWrite.Replace(permit.Key, permit.Data, permit.Version) };
            foreach (var row in rest)
            {
                writes.Add(RowWrite.Delete(ProfileRows.Event(stayer, row.Event.Timestamp, row.Event.MessageKey)));
                writes.Add(RowWrite.Delete(ProfileRows.Marker(stayer, row.Event.MessageKey)));
            }

            var result = await rows.CommitAsync(TableName.Profiles, stayer.Shard, writes, cancellation);
            if (result.Committed)
                return;
            if (result.RefusedIndex == 0)
                continue;
            // Another run has deleted some of them.
            var markers = await Task.WhenAll(rest.ConvertAll(row =>
                rows.GetAsync(TableName.Profiles, stayer.Shard, ProfileRows.Marker(stayer, row.Event.MessageKey), cancellation)));
            for (var i = rest.Count - 1; i >= 0; i--)
            {
                if (markers[i] is null)
                    rest.RemoveAt(i);
            }
        }
    }

    /// <summary>Step 5.</summary>
    private async Task ReleaseLoserAsync(ProfileId stayer, Split split, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await profiles.FindAsync(split.Loser, fresh: true, cancellation) is not { } stored || stored.Decode() is not { } document || document.SplitFrom != stayer
                || !await StandsAsync(stayer, split, cancellation))
            {
                return;
            }

            document.SplitFrom = null;
            FillUnseen(document, await BeforeAsync(split.Loser, cancellation));
            var writes = new List<RowWrite> { RowWrite.Delete(ProfileRows.BeforeSplit(split.Loser)) };
            RequestRefold(document, writes);
            if (await profiles.SaveAsync(document, stored.Version, cancellation, writes))
            {
                Telemetry.ProfilesChanged(document.IsEmpty ? 0 : 1, document.IsIdentified ? 1 : 0);
                return;
            }
        }

        throw Conflict(split);
    }

    /// <summary>Step 6.</summary>
    private async Task CloseAsync(ProfileId stayer, Split split, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await profiles.FindAsync(stayer, fresh: true, cancellation) is not { } stored || stored.Decode() is not { } document || document.Splitting?.MergeId != split.MergeId)
                return;
            if (await rows.GetAsync(TableName.Profiles, stayer.Shard, ProfileRows.SplitProgress(stayer), cancellation) is not { } saved)
                continue;
            var record = document.Merges.Find(m => m.Id == split.MergeId)!;
            await log.RecordAsync(json => Write(json, stayer, record), cancellation);
            document.Splitting = null;
            AddWithin(document, Progress.Decode(stayer, saved.Data).Fold.Profile);
            FillUnseen(document, await BeforeAsync(stayer, cancellation));
            var writes = new List<RowWrite>
            {
                RowWrite.Delete(ProfileRows.BeforeSplit(stayer)),
                RowWrite.Delete(ProfileRows.SplitPermit(stayer)),
                RowWrite.Delete(ProfileRows.SplitProgress(stayer)),
            };
            RequestRefold(document, writes);
            if (await profiles.SaveAsync(document, stored.Version, cancellation, writes))
            {
                Telemetry.Merged("undone");
                return;
            }
        }

        throw Conflict(split);
    }

    /// <summary>What has come since the unmerge began may have filled the document anew. Its traits are the newest ones.</summary>
    private static void AddWithin(Profile document, Profile folded)
    {
        var both = ProfileCodec.Decode(document.Id, ProfileCodec.Encode(document));
        both.AddEventsOf(folded);
        document.AddEventsOf(folded, withTraits: ProfileCodec.Encode(both).Length <= ProfileCodec.MostMergedBytes);
    }

    /// <summary>
    /// This unmerge is under way. Asked after the loser was read as being parted from the stayer, it tells that no later unmerge of the two has made it so.
    /// </summary>
    private async Task<bool> StandsAsync(ProfileId stayer, Split split, CancellationToken cancellation) =>
        (await profiles.FindAsync(stayer, fresh: true, cancellation))?.Decode().Splitting?.MergeId == split.MergeId;

    /// <summary>Its timeline is whole again: segments are folded anew from it.</summary>
    private void RequestRefold(Profile document, List<RowWrite> writes)
    {
        if (document.NeedsRefold)
            DueRows.Bring(document, Instant.Now(time), writes);
    }

    private async Task<Profile?> BeforeAsync(ProfileId id, CancellationToken cancellation) =>
        await rows.GetAsync(TableName.Profiles, id.Shard, ProfileRows.BeforeSplit(id), cancellation) is { } row ? ProfileCodec.Decode(id, row.Data) : null;

    /// <summary>An identifier that none of the events shows, under the rules of today, keeps what was known of it.</summary>
    private static void FillUnseen(Profile document, Profile? before)
    {
        for (var i = 0; i < document.Identifiers.Count; i++)
        {
            if (document.Identifiers[i].IsUnseen && before?.Identifiers.Find(b => b.Identifier == document.Identifiers[i].Identifier) is { } known)
                document.Identifiers[i] = known;
        }
    }

    private static void Write(Utf8JsonWriter json, ProfileId stayer, MergeRecord merge)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "unmerge"u8);
        json.WriteString("mergeId"u8, merge.Id);
        json.WriteString("at"u8, (merge.UndoneAt ?? merge.At).ToString());
        json.WriteString("stays"u8, stayer.Value);
        json.WriteString("leaves"u8, merge.Loser.Value);
        json.WriteEndObject();
    }

    private static ConflictException Conflict(Split split) => new($"Profiles changed {MostTries} times in a row while merge {split.MergeId} was taken back.");

    /// <summary>How far the common timeline is read, and the fold of what stays of it.</summary>
    private sealed class Progress(bool isWhole, string? position, BoundedFold fold)
    {
        public bool IsWhole { get; set; } = isWhole;

        /// <summary>The key of the last event done.</summary>
        public string? Position { get; set; } = position;

        public BoundedFold Fold { get; } = fold;

        public static Progress Start(ProfileId stayer) => new(false, null, new BoundedFold(new Profile(stayer), 0));

        public byte[] Encode()
        {
            var key = Position ?? "";
            return [IsWhole ? (byte)1 : (byte)0, (byte)key.Length, .. Encoding.ASCII.GetBytes(key), .. ProfileCodec.Encode(Fold.Profile)];
        }

        public static Progress Decode(ProfileId stayer, ReadOnlyMemory<byte> data)
        {
            var length = data.Span[1];
            return new Progress(
                data.Span[0] != 0,
                length == 0 ? null : Encoding.ASCII.GetString(data.Span.Slice(2, length)),
                new BoundedFold(ProfileCodec.Decode(stayer, data[(2 + length)..]), data.Length));
        }
    }
}
