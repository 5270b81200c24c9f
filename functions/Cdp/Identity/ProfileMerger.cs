using System.Text;
using System.Text.Json;
using Cdp.Archive;
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

    /// <summary>A long chain of merges, or an unmerge, has to be worked off first: come again later.</summary>
    Postponed,

    /// <summary>There is more to do than fits into one run: come again at once.</summary>
    Unfinished,
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
/// Events and markers are copied as inserts, on condition of the permit, which says how far that has come: a run that was overtaken cannot bring
/// rows back, and one that takes over goes on where the other ended. An event that both sides had stays the winner's; in the same transaction the
/// document counts it once.
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
public sealed class ProfileMerger(
    IRowStore rows, ProfileStore profiles, IdentityIndex index, IdentifierSuspender suspender, FailureLog failures, ControlLog log, IdentityRulesRegistry registry)
{
    private const int MostTries = 50;

    // Merges that wait for merges that wait for merges; what is longer comes again.
    private const int MostDepth = 8;

    // Two rows an event, the permit, and the document where both sides had an event.
    private const int CopiedEvents = (StorageLimits.TransactionRows - 2) / 2;

    // Beside the document, the permit, and a due row and the one it replaces.
    private const int MostInherited = StorageLimits.TransactionRows - 4;

    /// <param name="deadline">When to stop and come again.</param>
    public async Task<MergeProgress> MergeAsync(MergeRequest request, Deadline deadline, CancellationToken cancellation) =>
        await MergeAsync(request, await registry.CurrentAsync(cancellation), deadline, depth: 0, cancellation);

    private async Task<MergeProgress> MergeAsync(MergeRequest request, IdentityRules rules, Deadline deadline, int depth, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            // What linked them may have gone elsewhere by an unmerge since the merge was asked for.
            var (firstId, first, firstVersion) = await profiles.FollowAsync(request.First, request.LinkedBy, fresh: true, cancellation);
            var (secondId, second, secondVersion) = await profiles.FollowAsync(request.Second, request.LinkedTo, fresh: true, cancellation);
            if (firstId == secondId)
            {
                // Fenced already; what is left of this merge, if anything, is in the winner's document.
                return await FinishAsync(request, rules, firstId, first, deadline, cancellation);
            }

            if (first?.IsSplitting == true || second?.IsSplitting == true)
                return MergeProgress.Postponed;
            // Merged, and one of the two, or what linked them, parted again since: the request is as old as that merge.
            if (WasDone(first, request) || WasDone(second, request))
            {
                // Unless the first was merged on while the second was looked up: then they are one, and what the message has seen is still to be noted.
                var (again, _, againVersion) = await profiles.FollowAsync(request.First, request.LinkedBy, fresh: true, cancellation);
                if (again != firstId || againVersion != firstVersion)
                    continue;
                return MergeProgress.Refused;
            }

            var firstWins = firstId < secondId;
            var winner = new Side(firstWins ? firstId : secondId, firstWins ? first : second, firstWins ? firstVersion : secondVersion);
            var loser = new Side(firstWins ? secondId : firstId, firstWins ? second : first, firstWins ? secondVersion : firstVersion);
            if (await DropVoidAsync(winner, cancellation, request, loser.Id) || await DropVoidAsync(loser, cancellation, request, winner.Id))
                continue;
            // Merged with the one that had what linked them then; it was given to another one since.
            if (winner.Document.Absorbing.Exists(a => a.MergeId == request.MergeId && a.Loser != loser.Id))
                return await FinishAsync(request, rules, winner.Id, winner.Document, deadline, cancellation);
            if (loser.Document.Absorbing.Count > 0)
            {
                // Somebody is at it, or gave up: any worker can bring a merge to its end.
                if (depth == MostDepth)
                    return MergeProgress.Postponed;
                if (await FinishOthersAsync(loser, rules, deadline, depth + 1, cancellation) is var others and (MergeProgress.Postponed or MergeProgress.Unfinished))
                    return others;
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
                {
                    // Read before the winner it may be old, and what is reserved now may have been fenced: that must not be taken back.
                    if ((await profiles.FindAsync(loser.Id, fresh: true, cancellation))?.Version != loser.Version)
                        continue;
                    winner.Document.Absorbing.Remove(absorption);
                }

                var (brought, seen) = (StillLinking(request.Brought, first), StillLinking(request.Seen, second));
                var rule = brought is [] && request.Brought.Count > 0 || seen is [] && request.Seen.Count > 0
                    ? "link.suspended"
                    // What is reserved without a link is void, and would be taken out and reserved again and again.
                    : HasLostLink(loser.Document, request.LinkedBy, request.LinkedTo) || IdentityPolicy.IsRejected(winner.Document, loser.Document, brought, seen)
                        ? "link.rejected"
                        : IdentityPolicy.MergeViolation(rules, winner.Document, loser.Document, request.At);
                if (rule is not null)
                {
                    if (!await RefuseAsync(request, winner, absorption, rule, cancellation))
                        continue;
                    await DetachSharedAsync(request, rules, cancellation);
                    return MergeProgress.Refused;
                }

                await ReserveAsync(request, winner, loser, absorption, cancellation);
                continue;
            }

            // Read before the loser the reservation may be an old one: of a merge that was finished and undone since.
            if ((await profiles.FindAsync(winner.Id, fresh: true, cancellation))?.Version != winner.Version)
                continue;
            loser.Document.MergedInto = winner.Id;
            if (await profiles.SaveAsync(loser.Document, loser.Version, cancellation))
                Telemetry.Merged("fencing");
        }

        throw new ConflictException($"The profiles of merge {request.MergeId} changed {MostTries} times in a row.");
    }

    /// <summary>Without those that were taken out of linking since the message was resolved.</summary>
    private static List<Identifier> StillLinking(IReadOnlyList<Identifier> identifiers, Profile? profile) =>
        [.. identifiers.Where(i => profile is null || (!profile.IsQuarantined(i) && profile.FindReleased(i) is not { To: null }))];

    private static bool WasDone(Profile? profile, MergeRequest request) =>
        profile?.Merges.Exists(m => m.Id == request.MergeId && (m.State is MergeState.Done or MergeState.Undone)) == true;

    /// <summary>Brings the merges to their end that a profile is winning; their losers have larger ids, so this does not go in circles.</summary>
    private async Task<MergeProgress> FinishOthersAsync(Side side, IdentityRules rules, Deadline deadline, int depth, CancellationToken cancellation)
    {
        foreach (var absorption in side.Document.Absorbing)
        {
            var record = side.Document.Merges.Find(m => m.Id == absorption.MergeId)
                ?? throw new InvalidDataException($"Profile {side.Id} absorbs {absorption.Loser} without a record of it.");
            var request = new MergeRequest(record.Id, side.Id, absorption.Loser, record.LinkedBy, record.LinkedTo, [], [], record.At, "", record.MessageId, record.At);
            if (await MergeAsync(request, rules, deadline, depth, cancellation) is var progress and (MergeProgress.Postponed or MergeProgress.Unfinished))
                return progress;
        }

        return MergeProgress.Done;
    }

    /// <summary>
    /// When the message was resolved nobody could know that its identifiers are of two people; now that the merge is refused they are, and those
    /// which both use are taken out of linking.
    /// </summary>
    private async Task DetachSharedAsync(MergeRequest request, IdentityRules rules, CancellationToken cancellation)
    {
        List<Identifier> ofMessage = [.. request.Brought, .. request.Seen];
        foreach (var identifier in ofMessage)
        {
            if (rules.Find(identifier.Type) is not { Unique: false } type || await index.ReadAsync(identifier, cancellation) is not { State: LinkState.Linking } entry)
                continue;
            var (home, owner, _) = await profiles.FollowAsync(entry.Profile, identifier, fresh: true, cancellation);
            if (owner?.Owns(identifier) == true && IdentityPolicy.AreDifferentPeople(rules, ofMessage, [.. owner.AllIdentifiers()]))
                await suspender.DetachAsync(entry, home, request.MessageId, $"{type.Name}.shared", rules.SharedIdentifiers, cancellation);
        }
    }

    /// <summary>
    /// Takes out reservations that can never be fulfilled: of profiles that another merge fenced first, and of those that an unmerge parted from what
    /// linked them, so that the request now leads to another one. What was reserved is now part of a profile that this one is linked to by the same
    /// identifiers. True where there was any, or somebody else wrote.
    /// </summary>
    /// <param name="request">Null where it is not about another profile.</param>
    /// <param name="other">The profile that the request is to merge with this one.</param>
    private async Task<bool> DropVoidAsync(Side side, CancellationToken cancellation, MergeRequest? request = null, ProfileId other = default)
    {
        var any = false;
        foreach (var absorption in side.Document.Absorbing.ToArray())
        {
            if ((await profiles.FindAsync(absorption.Loser, fresh: true, cancellation))?.Decode() is not { } loser)
                continue;
            var isElsewhere = loser.MergedInto is { } winner
                ? winner != side.Id
                : (side.Document.Merges.Find(m => m.Id == absorption.MergeId) is { } merge && HasLostLink(loser, merge.LinkedBy, merge.LinkedTo))
                    || (absorption.MergeId == request?.MergeId && absorption.Loser != other);
            if (!isElsewhere)
                continue;
            side.Document.Absorbing.Remove(absorption);
            side.Document.Merges.RemoveAll(m => m.Id == absorption.MergeId);
            any = true;
        }

        if (any)
            await profiles.SaveAsync(side.Document, side.Version, cancellation);
        return any;
    }

    /// <summary>An unmerge has taken from the loser what linked the two.</summary>
    private static bool HasLostLink(Profile loser, Identifier linkedBy, Identifier linkedTo) =>
        !loser.Owns(linkedBy) && !loser.Owns(linkedTo) && (loser.FindReleased(linkedBy) is { To: not null } || loser.FindReleased(linkedTo) is { To: not null });

    /// <summary>The profile that fenced the loser; null where it is not fenced.</summary>
    private async Task<ProfileId?> WinnerOfAsync(Absorption absorption, CancellationToken cancellation) =>
        (await profiles.FindAsync(absorption.Loser, fresh: true, cancellation))?.Decode().MergedInto;

    /// <summary>Exactly: with less the merge could break a limit, with more it would keep what an unmerge has taken from the loser since.</summary>
    private static bool Reserves(Absorption absorption, Profile loser)
    {
        foreach (var owned in loser.Identifiers)
        {
            if (!absorption.Reserved.Contains(owned.Identifier))
                return false;
        }

        return absorption.Reserved.Count == loser.Identifiers.Count;
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
        winner.Document.Record(new IdentityDecision(request.At, request.MessageId, request.LinkedTo, DecisionAction.Refused, rule));
        if (!await profiles.SaveAsync(winner.Document, winner.Version, cancellation))
            return false;
        Telemetry.Merged("refused");
        return true;
    }

    /// <summary>Steps 3 to 7, for every fenced loser this winner still absorbs.</summary>
    private async Task<MergeProgress> FinishAsync(
        MergeRequest request, IdentityRules rules, ProfileId winner, Profile? document, Deadline deadline, CancellationToken cancellation)
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
            var moved = await CopyAsync(winner, absorption, deadline, cancellation);
            if (moved == Moved.Whole)
            {
                await RepointAsync(winner, absorption.Loser, cancellation);
                moved = await DeleteRowsAsync(winner, absorption, deadline, cancellation);
                if (moved == Moved.Whole)
                    await CloseAsync(winner, absorption, cancellation);
            }

            if (moved == Moved.InPart)
                return MergeProgress.Unfinished;
            // Several messages ask for the same merge where several events have shown it. Two that race would read a page for every chunk.
            if (moved == Moved.Overtaken)
                return MergeProgress.Postponed;

            document = (await profiles.FindAsync(winner, fresh: true, cancellation))?.Decode();
            if (document?.MergedInto is not null)
                break;
        }

        if (await profiles.FindAsync(winner, fresh: true, cancellation) is { } stored)
            await DropVoidAsync(new Side(winner, stored.Decode(), stored.Version), cancellation);
        await SeeAsync(request, rules, winner, cancellation);
        return MergeProgress.Done;
    }

    /// <summary>
    /// The message that linked the two carried identifiers of the other one. Several messages may have asked for the same merge; each brings
    /// its own sightings.
    /// </summary>
    private async Task SeeAsync(MergeRequest request, IdentityRules rules, ProfileId winner, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var (id, document, version) = await profiles.FollowAsync(winner, fresh: true, cancellation);
            if (document is null)
                return;
            var changed = false;
            foreach (var identifier in request.Seen)
            {
                if (document.Owns(identifier) || await AdoptAsync(identifier, rules, id, document, request.At, cancellation))
                    changed |= document.See(new OwnedIdentifier(identifier, request.SeenAt, request.SeenAt, request.SourceId, request.MessageId, request.At));
            }

            if (!changed || await profiles.SaveAsync(document, version, cancellation))
                return;
        }

        throw new ConflictException($"Profile {winner} changed {MostTries} times in a row after merge {request.MergeId}.");
    }

    /// <summary>
    /// An identifier of the message may have led to the other profile by a claim alone, whose worker died before it was listed. It is listed here.
    /// </summary>
    private async Task<bool> AdoptAsync(
        Identifier identifier, IdentityRules rules, ProfileId winner, Profile document, Instant at, CancellationToken cancellation)
    {
        var holdings = new Holdings(rules, at);
        holdings.Add(document);
        holdings.Add([identifier]);
        if (holdings.Violation is not null || document.FindReleased(identifier) is not null)
            return false;
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await index.ReadAsync(identifier, cancellation) is not { State: LinkState.Linking } entry)
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
        List<RowWrite> inherited = [];
        var changed = await UpdateAsync(winner, absorption, (document, present) =>
        {
            if (present.Folded)
                return false;
            bothIdentified = document.IsIdentified && loser.IsIdentified;
            var both = ProfileCodec.Decode(winner, ProfileCodec.Encode(document));
            both.Absorb(loser);
            var fits = ProfileCodec.Encode(both).Length <= ProfileCodec.MostMergedBytes;
            document.Absorb(loser, withTraits: fits);
            if (!fits)
                document.Record(new IdentityDecision(request.At, request.MessageId, request.LinkedTo, DecisionAction.TraitsRefused, FailureReason.ProfileFull));
            inherited = Inherit(document, loser);
            // What the loser has given up is no longer reserved.
            var at = document.Absorbing.FindIndex(present.IsSame);
            document.Absorbing[at] = document.Absorbing[at] with { Folded = true };
            SetState(document, present.MergeId, MergeState.Copying);
            return true;
        }, document => WithFold(document, absorption, inherited, request.At), cancellation);
        if (!changed)
            return;
        Telemetry.Merged("copying");
        Telemetry.ProfilesChanged(loser.IsEmpty ? 0 : -1, bothIdentified ? -1 : 0);
    }

    /// <summary>
    /// The loser's segments are the winner's until the timeline is whole and tells. So nobody drops out of a segment while the merge is under way, and who was told that the
    /// loser entered is told if the two together are not in it: its own memberships just vanish, with <see cref="ForgetSegmentsAsync"/>.
    /// </summary>
    private static List<RowWrite> Inherit(Profile document, Profile loser)
    {
        var writes = new List<RowWrite>();
        foreach (var membership in loser.Memberships)
        {
            if (writes.Count == MostInherited)
                break;
            if (document.Memberships.Exists(m => m.SegmentId == membership.SegmentId))
                continue;
            document.Memberships.Add(membership with { FromMerge = true });
            writes.Add(RowWrite.Upsert(ProfileRows.Member(membership.SegmentId, document.Id), default));
        }

        return writes;
    }

    /// <summary>Segments are folded anew when the timeline is whole: what is due now is put off until then.</summary>
    private static List<RowWrite> WithFold(Profile document, Absorption absorption, List<RowWrite> inherited, Instant at)
    {
        var writes = new List<RowWrite>(inherited) { RowWrite.Insert(ProfileRows.CopyPermit(document.Id, absorption.Loser), default) };
        if (document.NeedsRefold)
            DueRows.Bring(document, at, writes);
        return writes;
    }

    private enum Moved
    {
        Whole,

        /// <summary>The time is over.</summary>
        InPart,

        /// <summary>Another run is at it.</summary>
        Overtaken,

        /// <summary>The permit is gone: another run has finished this merge.</summary>
        Elsewhere,
    }

    /// <summary>While a chunk is written the next one is read and prepared: the service and this process need not wait for each other.</summary>
    private async Task<Moved> CopyAsync(ProfileId winner, Absorption absorption, Deadline deadline, CancellationToken cancellation)
    {
        var loser = absorption.Loser;
        var (first, end) = ProfileRows.Events(loser);
        if (await rows.GetAsync(TableName.Profiles, winner.Shard, ProfileRows.CopyPermit(winner, loser), cancellation) is not { } row)
            return Moved.Elsewhere;
        var permit = new Permit(winner, loser, row.Version);
        var from = row.Data.IsEmpty ? first : Encoding.ASCII.GetString(row.Data.Span) + "!";
        var chunk = new List<EventCopy>(CopiedEvents);
        var position = "";
        var written = false;
        var writing = Task.FromResult(true);
        try
        {
            await foreach (var copied in rows.RangeAsync(TableName.Profiles, loser.Shard, from, end, 1000, cancellation))
            {
                chunk.Add(new EventCopy(EventRow.Decode(loser, copied.Data), winner));
                position = copied.Key;
                if (chunk.Count < CopiedEvents)
                    continue;
                if (!await writing)
                    return Moved.Overtaken;
                // Each run does one at least.
                if (written && deadline.IsOver)
                    return Moved.InPart;
                written = true;
                writing = CopyChunkAsync(permit, position, chunk, cancellation);
                chunk = new List<EventCopy>(CopiedEvents);
            }

            if (await writing && chunk.Count > 0)
                writing = CopyChunkAsync(permit, position, chunk, cancellation);
            return await writing ? Moved.Whole : Moved.Overtaken;
        }
        finally
        {
            // Where reading failed.
            await ((Task)writing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>False where another run of this merge was quicker: the permit tells how far it came.</summary>
    /// <param name="position">The key of the last event of the chunk.</param>
    private async Task<bool> CopyChunkAsync(Permit permit, string position, List<EventCopy> chunk, CancellationToken cancellation)
    {
        var both = 0;
        for (var tries = 0; tries < MostTries; tries++)
        {
            var writes = new List<RowWrite>((chunk.Count * 2) + 2) { permit.Advance(position) };
            foreach (var copy in chunk)
                writes.AddRange([copy.Row, copy.Marker]);

            var document = writes.Count;
            if (both > 0)
            {
                if (await profiles.FindAsync(permit.Winner, fresh: true, cancellation) is not { } stored)
                    return false;
                var winner = stored.Decode();
                winner.EventCount -= both;
                winner.Version++;
                writes.Add(ProfileStore.Write(winner, stored.Version, out _));
                profiles.Forget(permit.Winner);
            }

            var result = await rows.CommitAsync(TableName.Profiles, permit.Winner.Shard, writes, cancellation);
            if (result.Committed)
            {
                permit.Version = result.Versions[0]!;
                return true;
            }

            if (result.RefusedIndex == 0)
                return false;
            if (result.RefusedIndex < document)
                both += await RemovePresentAsync(permit.Winner, chunk, cancellation);
        }

        throw new ConflictException($"Profile {permit.Winner} changed {MostTries} times in a row while a merge was copied.");
    }

    /// <summary>Takes out of the chunk what the winner has already: both sides had it, and it was counted twice. Returns how many these are.</summary>
    private async Task<int> RemovePresentAsync(ProfileId winner, List<EventCopy> chunk, CancellationToken cancellation)
    {
        var reads = chunk.ConvertAll(copy => rows.GetAsync(TableName.Profiles, winner.Shard, copy.Marker.Key, cancellation));
        var markers = await Task.WhenAll(reads);
        var removed = 0;
        for (var i = chunk.Count - 1; i >= 0; i--)
        {
            if (markers[i] is not { } marker)
                continue;
            var e = chunk[i].Event;
            chunk.RemoveAt(i);
            removed++;
            if (ProfileRows.ReadMarker(marker.Data.Span).ContentHash != e.ContentHash)
            {
                await failures.RecordAsync(
                    e, FailureReason.MessageIdReused,
                    "Two merged profiles had different messages under this messageId. Use a new messageId for each message.", winner, cancellation);
            }
        }

        return removed;
    }

    private async Task RepointAsync(ProfileId winner, ProfileId loser, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            // The entries first: an unmerge brings the loser back before it leads them there, so an entry it has written is not overwritten here.
            var identifiers = (await profiles.FindAsync(loser, fresh: true, cancellation))!.Value.Decode().Identifiers.ConvertAll(i => i.Identifier);
            var entries = await Task.WhenAll(identifiers.ConvertAll(i => index.ReadAsync(i, cancellation)));
            if ((await profiles.FindAsync(loser, fresh: true, cancellation))!.Value.Decode().MergedInto != winner)
                return;
            var done = true;
            for (var i = 0; i < entries.Length; i++)
            {
                if (entries[i] is not { } entry)
                    done &= await index.ClaimAsync(identifiers[i], winner, cancellation) is not null;
                else if (entry.Profile == loser && entry.State == LinkState.Linking)
                    done &= await index.RepointAsync(entry, winner, remember: false, cancellation) is not null;
            }

            if (done)
                return;
        }
    }

    /// <summary>
    /// On condition of the tombstone, read before the absorption is seen to stand: a run that was overtaken must delete neither what an unmerge has
    /// brought back since nor what another merge of the two has not copied yet.
    /// </summary>
    private async Task<Moved> DeleteRowsAsync(ProfileId winner, Absorption absorption, Deadline deadline, CancellationToken cancellation)
    {
        var loser = absorption.Loser;
        await ForgetSegmentsAsync(loser, cancellation);
        if (await profiles.FindAsync(loser, fresh: true, cancellation) is not { } tombstone
            || (await profiles.FindAsync(winner, fresh: true, cancellation))?.Decode().Absorbing.Exists(absorption.IsSame) != true)
        {
            return Moved.Elsewhere;
        }

        var (from, to) = ProfileRows.Events(loser);
        var version = tombstone.Version;
        async Task<bool> DeleteAsync(List<RowWrite> writes)
        {
            var result = await rows.CommitAsync(
                TableName.Profiles, loser.Shard, [RowWrite.Replace(ProfileRows.Document(loser), tombstone.Data, version), .. writes], cancellation);
            version = result.Committed ? result.Versions[0]! : version;
            return result.Committed;
        }

        var writes = new List<RowWrite>(StorageLimits.TransactionRows);
        var deleted = false;
        var deleting = Task.FromResult(true);
        try
        {
            await foreach (var row in rows.RangeAsync(TableName.Profiles, loser.Shard, from, to, 1000, cancellation))
            {
                writes.Add(RowWrite.Delete(row.Key));
                writes.Add(RowWrite.Delete(ProfileRows.Marker(loser, ProfileRows.MessageOfEventKey(row.Key))));
                if (writes.Count + 3 <= StorageLimits.TransactionRows)
                    continue;
                if (!await deleting)
                    return Moved.Overtaken;
                if (deleted && deadline.IsOver)
                    return Moved.InPart;
                deleted = true;
                deleting = DeleteAsync(writes);
                writes = new List<RowWrite>(StorageLimits.TransactionRows);
            }

            if (await deleting && writes.Count > 0)
                deleting = DeleteAsync(writes);
            return await deleting ? Moved.Whole : Moved.Overtaken;
        }
        finally
        {
            await ((Task)deleting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            profiles.Forget(loser);
        }
    }

    /// <summary>A tombstone is in no segment, and never due.</summary>
    private async Task ForgetSegmentsAsync(ProfileId loser, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await profiles.FindAsync(loser, fresh: true, cancellation) is not { } stored || stored.Decode() is not { MergedInto: not null } document)
                return;
            if (document.Memberships.Count == 0 && document.Due is null)
                return;
            var writes = new List<RowWrite>();
            DueRows.Set(document, null, writes);
            var forgotten = Math.Min(document.Memberships.Count, StorageLimits.TransactionRows / 2);
            for (var i = 0; i < forgotten; i++)
                writes.Add(RowWrite.Delete(ProfileRows.Member(document.Memberships[i].SegmentId, loser)));
            document.Memberships.RemoveRange(0, forgotten);
            await profiles.SaveAsync(document, stored.Version, cancellation, writes);
        }

        throw new ConflictException($"The tombstone of {loser} changed {MostTries} times in a row.");
    }

    private async Task CloseAsync(ProfileId winner, Absorption absorption, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await profiles.FindAsync(winner, fresh: true, cancellation) is not { } stored)
                return;
            var document = stored.Decode();
            var present = document.Absorbing.Find(absorption.IsSame);
            if (present is null)
                return;
            document.Absorbing.Remove(present);
            SetState(document, present.MergeId, MergeState.Done);
            // Before the merge is over: what was done must not be missing from the log, it may stand there twice.
            if (document.Merges.Find(m => m.Id == present.MergeId) is { } record)
                await log.RecordAsync(json => Write(json, record), cancellation);
            if (await profiles.SaveAsync(document, stored.Version, cancellation, RowWrite.Delete(ProfileRows.CopyPermit(winner, absorption.Loser))))
            {
                Telemetry.Merged("done");
                return;
            }
        }

        throw new ConflictException($"Profile {winner} changed {MostTries} times in a row while a merge into it was closed.");
    }

    private static void Write(Utf8JsonWriter json, MergeRecord merge)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "merge"u8);
        json.WriteString("mergeId"u8, merge.Id);
        json.WriteString("at"u8, merge.At.ToString());
        json.WriteString("winner"u8, merge.Winner.Value);
        json.WriteString("loser"u8, merge.Loser.Value);
        json.WriteString("messageId"u8, merge.MessageId);
        json.WriteStartArray("link"u8);
        foreach (var identifier in (ReadOnlySpan<Identifier>)[merge.LinkedBy, merge.LinkedTo])
        {
            json.WriteStartObject();
            json.WriteString("type"u8, identifier.Type);
            json.WriteString("value"u8, identifier.Value);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Changes the winner's document while it absorbs the loser. False where there is nothing to change (any more).</summary>
    private async Task<bool> UpdateAsync(
        ProfileId winner, Absorption absorption, Func<Profile, Absorption, bool> change, Func<Profile, IReadOnlyList<RowWrite>> with, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await profiles.FindAsync(winner, fresh: true, cancellation) is not { } stored)
                return false;
            var document = stored.Decode();
            var present = document.Absorbing.Find(absorption.IsSame);
            if (present is null || !change(document, present))
                return false;
            if (await profiles.SaveAsync(document, stored.Version, cancellation, with(document)))
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

    /// <summary>The row that copies are conditioned on; it holds the key of the last event copied.</summary>
    private sealed class Permit(ProfileId winner, ProfileId loser, string version)
    {
        public ProfileId Winner { get; } = winner;

        public string Version { get; set; } = version;

        public RowWrite Advance(string position) => RowWrite.Replace(ProfileRows.CopyPermit(Winner, loser), Encoding.ASCII.GetBytes(position), Version);
    }

    /// <summary>An event of the loser and what is written of it for the winner.</summary>
    private sealed class EventCopy(EventRow row, ProfileId winner)
    {
        public Event Event { get; } = row.Event;

        public RowWrite Row { get; } = RowWrite.Insert(
            ProfileRows.Event(winner, row.Event.Timestamp, row.Event.MessageKey), (row with { Version = 0 }).Encode(winner));

        public RowWrite Marker { get; } = RowWrite.Insert(ProfileRows.Marker(winner, row.Event.MessageKey), ProfileRows.MarkerData(row.Event));
    }

    private readonly struct Side(ProfileId id, Profile? document, string? version)
    {
        public ProfileId Id { get; } = id;

        /// <summary>A profile that only claims lead to counts as an empty one.</summary>
        public Profile Document { get; } = document ?? new Profile(id);

        public string? Version { get; } = version;
    }
}
