using Cdp.Events;
using Cdp.Failures;
using Cdp.Profiles;
using Cdp.Stats;
using Cdp.Storage;

namespace Cdp.Identity;

/// <summary>How far a merge got in one run.</summary>
public enum MergeProgress
{
    /// <summary>The two are one, now or before.</summary>
    Done,

    /// <summary>The rules forbid it.</summary>
    Refused,

    /// <summary>A long chain of merges has to be worked off first: come again.</summary>
    Postponed,
}

/// <summary>
/// Merges two profiles: the smaller id wins. A saga over two partitions whose every step can be repeated, by anybody, at any time.
/// </summary>
/// <remarks>
/// <list type="number">
/// <item>
/// The winner's document gets an <see cref="Absorption"/> with the loser's identifiers as reserved. From here on the winner takes no identifier that
/// would not fit beside them, so that a merge which has passed the fence always may be finished.
/// </item>
/// <item>
/// The loser's document gets <see cref="Profile.MergedInto"/>, conditioned on the version whose identifiers were reserved. Writers that meet it
/// follow to the winner. Did the loser change meanwhile, step 1 is done again with what it holds now, or is taken back if the rules forbid it by then.
/// </item>
/// <item>
/// The loser's document is folded into the winner's, with a flag in the same write, so that it counts once, and with a permit row that every copy
/// depends on.
/// </item>
/// <item>
/// Events and markers are copied as inserts, on condition of the permit: a run that was overtaken cannot bring rows back. One that is there
/// already is the copy of another run, or an event that both sides had.
/// </item>
/// <item>The loser's identifiers are led to the winner.</item>
/// <item>The loser's rows are deleted; its document stays as the tombstone that its id leads over for ever.</item>
/// <item>The absorption is taken out of the winner's document, together with the permit.</item>
/// </list>
/// <para>
/// Dies between any two steps: the message comes again and the documents tell where to go on. While the absorption stands, readers see both
/// timelines and committers look for markers on both sides, so nothing counts twice and nothing is missing. The winner is not fenced
/// itself meanwhile: whoever wants to merge it away brings its own merges to their end first.
/// </para>
/// </remarks>
public sealed class ProfileMerger(IRowStore rows, ProfileStore profiles, IdentityIndex index, FailureLog failures, IdentityRules rules)
{
    private const int MostTries = 50;

    // Merges that wait for merges that wait for merges; what is longer comes again.
    private const int MostDepth = 8;
    // Two rows an event, and the permit.
    private const int CopiedEvents = (StorageLimits.TransactionRows - 1) / 2;

    public Task<MergeProgress> MergeAsync(MergeRequest request, CancellationToken cancellation) => MergeAsync(request, depth: 0, cancellation);

    private async Task<MergeProgress> MergeAsync(MergeRequest request, int depth, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var (firstId, first, firstVersion) = await profiles.FollowAsync(request.First, fresh: true, cancellation);
            var (secondId, second, secondVersion) = await profiles.FollowAsync(request.Second, fresh: true, cancellation);
            if (firstId == secondId)
            {
                // Fenced already; what is left of this merge, if anything, is in the winner's document.
                return await FinishAsync(request, firstId, first, cancellation);
            }

            var firstWins = firstId < secondId;
            var winner = new Side(firstWins ? firstId : secondId, firstWins ? first : second, firstWins ? firstVersion : secondVersion);
            var loser = new Side(firstWins ? secondId : firstId, firstWins ? second : first, firstWins ? secondVersion : firstVersion);
            if (await DropVoidAsync(winner, cancellation) || await DropVoidAsync(loser, cancellation))
                continue;
            if (loser.Document.Absorbing.Count > 0)
            {
                // Somebody is at it, or gave up: any worker can bring a merge to its end.
                if (depth == MostDepth || await FinishOthersAsync(loser, depth + 1, cancellation) == MergeProgress.Postponed)
                    return MergeProgress.Postponed;
                continue;
            }


            var absorption = winner.Document.Absorbing.Find(a => a.Loser == loser.Id);
            if (absorption is null && winner.Document.Merges.Exists(m => m.Loser == loser.Id && m.State != MergeState.Undone))
            {
                // The loser was read before another run of this merge fenced it, the winner after that run was done. To reserve once
                // more would fold the loser in twice.
                continue;
            }

            if (absorption is null || !Reserves(absorption, loser.Document))
            {
                if (absorption is not null)
                    winner.Document.Absorbing.Remove(absorption);
                if (IdentityPolicy.MergeViolation(rules, winner.Document, loser.Document) is { } rule)
                {
                    if (await RefuseAsync(request, winner, absorption, rule, cancellation))
                        return MergeProgress.Refused;
                    continue;
                }

                await ReserveAsync(request, winner, loser, absorption, cancellation);
                continue;
            }

            loser.Document.MergedInto = winner.Id;
            if (await profiles.SaveAsync(loser.Document, loser.Version, cancellation))
                Telemetry.Merged("fencing");
        }

        throw new ConflictException($"The profiles of merge {request.MergeId} changed {MostTries} times in a row.");
    }

    /// <summary>Brings the merges to their end that a profile is winning; their losers have larger ids, so this does not go in circles.</summary>
    private async Task<MergeProgress> FinishOthersAsync(Side side, int depth, CancellationToken cancellation)
    {
        foreach (var absorption in side.Document.Absorbing)
        {
            var record = side.Document.Merges.Find(m => m.Id == absorption.MergeId)
                ?? throw new InvalidDataException($"Profile {side.Id} absorbs {absorption.Loser} without a record of it.");
            var request = new MergeRequest(record.Id, side.Id, absorption.Loser, record.LinkedBy, record.LinkedTo, [], record.At, "", record.MessageId, record.At);
            if (await MergeAsync(request, depth, cancellation) == MergeProgress.Postponed)
                return MergeProgress.Postponed;
        }

        return MergeProgress.Done;
    }

    /// <summary>
    /// Takes out reservations of profiles that another merge fenced first. They can never be fulfilled, and what was reserved is now part of a profile
    /// that this one is linked to by the same identifiers. True where there was any, or somebody else wrote.
    /// </summary>
    private async Task<bool> DropVoidAsync(Side side, CancellationToken cancellation)
    {
        var any = false;
        foreach (var absorption in side.Document.Absorbing.ToArray())
        {
            if (await WinnerOfAsync(absorption, cancellation) is not { } winner || winner == side.Id)
                continue;
            side.Document.Absorbing.Remove(absorption);
            side.Document.Merges.RemoveAll(m => m.Id == absorption.MergeId);
            any = true;
        }

        if (any)
            await profiles.SaveAsync(side.Document, side.Version, cancellation);
        return any;
    }

    /// <summary>The profile that fenced the loser; null where it is not fenced. Written once, it never changes.</summary>
    private async Task<ProfileId?> WinnerOfAsync(Absorption absorption, CancellationToken cancellation) =>
        (await profiles.FindAsync(absorption.Loser, fresh: true, cancellation))?.Decode().MergedInto;

    private static bool Reserves(Absorption absorption, Profile loser)
    {
        foreach (var owned in loser.Identifiers)
        {
            if (!absorption.Reserved.Contains(owned.Identifier))
                return false;
        }

        return true;
    }

    private async Task ReserveAsync(MergeRequest request, Side winner, Side loser, Absorption? previous, CancellationToken cancellation)
    {
        var mergeId = previous?.MergeId ?? request.MergeId;
        winner.Document.Absorbing.Add(new Absorption(mergeId, loser.Id, Folded: false, [.. loser.Document.Identifiers.Select(i => i.Identifier)]));
        if (previous is null)
        {
            winner.Document.Merges.Add(new MergeRecord(
                mergeId, winner.Id, loser.Id, request.At, request.MessageId, request.LinkedBy, request.LinkedTo, MergeState.Fencing, UndoneAt: null));
        }

        await profiles.SaveAsync(winner.Document, winner.Version, cancellation);
    }

    /// <summary>Takes a reservation back and notes why. The loser is not fenced, so nothing has moved.</summary>
    private async Task<bool> RefuseAsync(MergeRequest request, Side winner, Absorption? reserved, string rule, CancellationToken cancellation)
    {
        if (reserved is not null)
            winner.Document.Merges.RemoveAll(m => m.Id == reserved.MergeId);
        winner.Document.Record(new IdentityDecision(request.At, request.MessageId, request.LinkedTo, "refused", rule));
        if (!await profiles.SaveAsync(winner.Document, winner.Version, cancellation))
            return false;
        Telemetry.Merged("refused");
        return true;
    }

    /// <summary>Steps 3 to 7, for every fenced loser this winner still absorbs.</summary>
    private async Task<MergeProgress> FinishAsync(MergeRequest request, ProfileId winner, Profile? document, CancellationToken cancellation)
    {
        for (var tries = 0; document is { Absorbing.Count: > 0 }; tries++)
        {
            if (tries >= MostTries)
                throw new ConflictException($"Profile {winner} changed {MostTries} times in a row while merge {request.MergeId} was finished.");
            var absorption = await FencedAsync(document, cancellation);
            if (absorption is null)
                break;
            if (!absorption.Folded)
                await FoldAsync(request, winner, absorption, cancellation);
            if (await CopyAsync(winner, absorption, cancellation))
            {
                await RepointAsync(winner, absorption.Loser, cancellation);
                await DeleteRowsAsync(absorption.Loser, cancellation);
                await CloseAsync(winner, absorption, cancellation);
            }

            document = (await profiles.FindAsync(winner, fresh: true, cancellation))?.Decode();
            if (document?.MergedInto is not null)
                break;
        }

        if (await profiles.FindAsync(winner, fresh: true, cancellation) is { } stored)
            await DropVoidAsync(new Side(winner, stored.Decode(), stored.Version), cancellation);
        await SeeAsync(request, winner, cancellation);
        return MergeProgress.Done;
    }

    /// <summary>
    /// The message that linked the two carried identifiers of the other one. Several messages may have asked for the same merge; each brings
    /// its own sightings.
    /// </summary>
    private async Task SeeAsync(MergeRequest request, ProfileId winner, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var (id, document, version) = await profiles.FollowAsync(winner, fresh: true, cancellation);
            if (document is null)
                return;
            var changed = false;
            foreach (var identifier in request.Seen)
            {
                if (document.Owns(identifier) || await AdoptAsync(identifier, id, document, cancellation))
                    changed |= document.See(new OwnedIdentifier(identifier, request.SeenAt, request.SeenAt, request.SourceId, request.MessageId));
            }

            if (!changed || await profiles.SaveAsync(document, version, cancellation))
                return;
        }

        throw new ConflictException($"Profile {winner} changed {MostTries} times in a row after merge {request.MergeId}.");
    }

    /// <summary>
    /// An identifier of the message may have led to the other profile by a claim alone, whose worker died before it was listed. It is listed here.
    /// </summary>
    private async Task<bool> AdoptAsync(Identifier identifier, ProfileId winner, Profile document, CancellationToken cancellation)
    {
        if (IdentityPolicy.Violation(rules, document.AllIdentifiers().Append(identifier)) is not null)
            return false;
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await index.ReadAsync(identifier, cancellation) is not { } entry)
                return false;
            var (leadsTo, _, _) = await profiles.FollowAsync(entry.Profile, fresh: true, cancellation);
            if (leadsTo != winner)
                return false;
            // Where somebody else adopts it at the same time this sighting is still to be noted.
            if (await index.RepointAsync(entry, winner, remember: false, cancellation) is not null)
                return true;
        }

        throw new ConflictException($"The entry of a {identifier.Type} changed {MostTries} times in a row after a merge into {winner}.");
    }

    /// <summary>One that this winner fenced. Another worker may be between steps 1 and 2 of a second merge into the same winner.</summary>
    private async Task<Absorption?> FencedAsync(Profile winner, CancellationToken cancellation)
    {
        foreach (var absorption in winner.Absorbing)
        {
            if (await WinnerOfAsync(absorption, cancellation) == winner.Id)
                return absorption;
        }

        return null;
    }

    private async Task FoldAsync(MergeRequest request, ProfileId winner, Absorption absorption, CancellationToken cancellation)
    {
        var loser = (await profiles.FindAsync(absorption.Loser, fresh: true, cancellation))!.Value.Decode();
        var bothIdentified = false;
        var changed = await UpdateAsync(winner, absorption.Loser, (document, present) =>
        {
            if (present.Folded)
                return false;
            bothIdentified = document.IsIdentified && loser.IsIdentified;
            var both = ProfileCodec.Decode(winner, ProfileCodec.Encode(document));
            both.Absorb(loser);
            var fits = ProfileCodec.Encode(both).Length <= ProfileCodec.MostMergedBytes;
            document.Absorb(loser, withTraits: fits);
            if (!fits)
                document.Record(new IdentityDecision(request.At, request.MessageId, request.LinkedTo, "traits-refused", FailureReason.ProfileFull));
            document.Absorbing[document.Absorbing.IndexOf(present)] = present with { Folded = true };
            SetState(document, present.MergeId, MergeState.Copying);
            return true;
        }, RowWrite.Insert(ProfileRows.CopyPermit(winner, absorption.Loser), default), cancellation);
        if (!changed)
            return;
        Telemetry.Merged("copying");
        Telemetry.ProfilesChanged(loser.IsEmpty ? 0 : -1, bothIdentified ? -1 : 0);
    }

    /// <summary>False where the permit is gone: another run has finished this merge.</summary>
    private async Task<bool> CopyAsync(ProfileId winner, Absorption absorption, CancellationToken cancellation)
    {
        var loser = absorption.Loser;
        var chunk = new List<EventRow>(CopiedEvents);
        var (from, to) = ProfileRows.Events(loser);
        await foreach (var row in rows.RangeAsync(TableName.Profiles, loser.Shard, from, to, 1000, cancellation))
        {
            chunk.Add(EventRow.Decode(loser, row.Data));
            if (chunk.Count == CopiedEvents)
            {
                if (!await CopyChunkAsync(winner, loser, chunk, cancellation))
                    return false;
                chunk.Clear();
            }
        }

        return await CopyChunkAsync(winner, loser, chunk, cancellation);
    }

    private async Task<bool> CopyChunkAsync(ProfileId winner, ProfileId loser, List<EventRow> chunk, CancellationToken cancellation)
    {
        var permitKey = ProfileRows.CopyPermit(winner, loser);
        while (chunk.Count > 0)
        {
            if (await rows.GetAsync(TableName.Profiles, winner.Shard, permitKey, cancellation) is not { } permit)
                return false;

            var writes = new List<RowWrite>((chunk.Count * 2) + 1) { RowWrite.Replace(permitKey, permit.Data, permit.Version) };
            foreach (var row in chunk)
            {
                writes.Add(RowWrite.Insert(ProfileRows.Event(winner, row.Event.Timestamp, row.Event.MessageKey), row.Encode(winner)));
                writes.Add(RowWrite.Insert(ProfileRows.Marker(winner, row.Event.MessageKey), ProfileRows.MarkerData(row.Event)));
            }

            var result = await rows.CommitAsync(TableName.Profiles, winner.Shard, writes, cancellation);
            if (result.Committed)
                return true;
            if (result.RefusedIndex > 0)
                await RemovePresentAsync(winner, loser, chunk, cancellation);
        }

        return true;
    }

    /// <summary>Takes out of the chunk what the winner has: our own copies of an earlier run, and events that both sides had.</summary>
    private async Task RemovePresentAsync(ProfileId winner, ProfileId loser, List<EventRow> chunk, CancellationToken cancellation)
    {
        var reads = chunk.ConvertAll(row =>
            rows.GetAsync(TableName.Profiles, winner.Shard, ProfileRows.Marker(winner, row.Event.MessageKey), cancellation));
        var markers = await Task.WhenAll(reads);
        for (var i = chunk.Count - 1; i >= 0; i--)
        {
            if (markers[i] is not { } marker)
                continue;
            var row = chunk[i];
            chunk.RemoveAt(i);
            var (at, content) = ProfileRows.ReadMarker(marker.Data.Span);
            if (content != row.Event.ContentHash)
            {
                await failures.RecordAsync(
                    row.Event, FailureReason.MessageIdReused,
                    "Two merged profiles had different messages under this messageId. Use a new messageId for each message.", winner, cancellation);
            }

            var present = await rows.GetAsync(TableName.Profiles, winner.Shard, ProfileRows.Event(winner, at, row.Event.MessageKey), cancellation);
            var ours = present is not null && EventRow.Decode(winner, present.Data).FirstProfile == row.FirstProfile && at == row.Event.Timestamp && content == row.Event.ContentHash;
            if (!ours)
                await MarkForRefoldAsync(winner, loser, cancellation);
        }
    }

    private Task MarkForRefoldAsync(ProfileId winner, ProfileId loser, CancellationToken cancellation) =>
        UpdateAsync(winner, loser, static (document, _) =>
        {
            if (document.NeedsRefold)
                return false;
            document.NeedsRefold = true;
            return true;
        }, null, cancellation);

    private async Task RepointAsync(ProfileId winner, ProfileId loser, CancellationToken cancellation)
    {
        var document = (await profiles.FindAsync(loser, fresh: true, cancellation))!.Value.Decode();
        foreach (var owned in document.Identifiers)
        {
            for (var tries = 0; tries < MostTries; tries++)
            {
                var entry = await index.FindAsync(owned.Identifier, fresh: true, cancellation);
                var done = entry is null
                    ? await index.ClaimAsync(owned.Identifier, winner, cancellation) is not null
                    : entry.Profile != loser || await index.RepointAsync(entry, winner, remember: false, cancellation) is not null;
                if (done)
                    break;
            }
        }
    }

    private async Task DeleteRowsAsync(ProfileId loser, CancellationToken cancellation)
    {
        var (from, to) = ProfileRows.Events(loser);
        var refused = true;
        while (refused)
        {
            refused = false;
            var writes = new List<RowWrite>(StorageLimits.TransactionRows);
            await foreach (var row in rows.RangeAsync(TableName.Profiles, loser.Shard, from, to, 1000, cancellation))
            {
                writes.Add(RowWrite.Delete(row.Key));
                writes.Add(RowWrite.Delete(ProfileRows.Marker(loser, ProfileRows.MessageOfEventKey(row.Key))));
                if (writes.Count < StorageLimits.TransactionRows)
                    continue;
                // Refused where another run of this merge deleted the same rows: what is left is listed again.
                refused |= !(await rows.CommitAsync(TableName.Profiles, loser.Shard, writes, cancellation)).Committed;
                writes = new List<RowWrite>(StorageLimits.TransactionRows);
            }

            if (writes.Count > 0)
                refused |= !(await rows.CommitAsync(TableName.Profiles, loser.Shard, writes, cancellation)).Committed;
        }
    }

    private async Task CloseAsync(ProfileId winner, Absorption absorption, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await profiles.FindAsync(winner, fresh: true, cancellation) is not { } stored)
                return;
            var document = stored.Decode();
            var present = document.Absorbing.Find(a => a.Loser == absorption.Loser);
            if (present is null)
                return;
            if (document.NeedsRefold)
            {
                // Counted under the document's version: an event that is committed meanwhile changes it, and the count is taken again.
                document.EventCount = await CountEventsAsync(winner, cancellation);
                document.NeedsRefold = document.Absorbing.Count > 1;
            }

            document.Absorbing.Remove(present);
            SetState(document, present.MergeId, MergeState.Done);
            if (await profiles.SaveAsync(document, stored.Version, cancellation, RowWrite.Delete(ProfileRows.CopyPermit(winner, absorption.Loser))))
            {
                Telemetry.Merged("done");
                return;
            }
        }

        throw new ConflictException($"Profile {winner} changed {MostTries} times in a row while a merge into it was closed.");
    }

    private async Task<long> CountEventsAsync(ProfileId profile, CancellationToken cancellation)
    {
        var count = 0L;
        var (from, to) = ProfileRows.Events(profile);
        await foreach (var row in rows.RangeAsync(TableName.Profiles, profile.Shard, from, to, 1000, cancellation))
        {
            _ = row;
            count++;
        }

        return count;
    }

    /// <summary>Changes the winner's document while it absorbs the loser. False where there is nothing to change (any more).</summary>
    private async Task<bool> UpdateAsync(ProfileId winner, ProfileId loser, Func<Profile, Absorption, bool> change, RowWrite? with, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await profiles.FindAsync(winner, fresh: true, cancellation) is not { } stored)
                return false;
            var document = stored.Decode();
            var present = document.Absorbing.Find(a => a.Loser == loser);
            if (present is null || !change(document, present))
                return false;
            if (await profiles.SaveAsync(document, stored.Version, cancellation, with))
                return true;
        }

        throw new ConflictException($"Profile {winner} changed {MostTries} times in a row during a merge.");
    }

    private static void SetState(Profile document, string mergeId, MergeState state)
    {
        var index = document.Merges.FindIndex(m => m.Id == mergeId);
        if (index >= 0)
            document.Merges[index] = document.Merges[index] with { State = state };
    }

    private readonly struct Side(ProfileId id, Profile? document, string? version)
    {
        public ProfileId Id { get; } = id;

        /// <summary>A profile that only claims lead to counts as an empty one.</summary>
        public Profile Document { get; } = document ?? new Profile(id);

        public string? Version { get; } = version;
    }
}
