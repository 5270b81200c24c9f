using Cdp.Events;
using Cdp.Ids;
using Cdp.Profiles;
using Cdp.Sources;
using Cdp.Storage;

namespace Cdp.Identity;

/// <summary>Where an event goes.</summary>
/// <param name="Identifiers">Those of the event that are or become this profile's.</param>
/// <param name="Decisions">What the rules decided against identifiers of the event.</param>
/// <param name="Merges">Other profiles that the event shows to be the same person.</param>
/// <param name="Past">Profiles whose markers have to be read too, for a retry may have been committed there.</param>
/// <param name="IsNew">The profile was made up for this event: nobody has written its document, unless they met one of the claims just now.</param>
/// <param name="Routed">By an identifier that links nobody: the event has no other.</param>
/// <param name="Verified">Nothing came from a cache: an identifier that the document does not list is a claim of ours, not a stale entry.</param>
public sealed record Resolution(
    ProfileId Profile,
    IReadOnlyList<Identifier> Identifiers,
    IReadOnlyList<IdentityDecision> Decisions,
    IReadOnlyList<MergeRequest> Merges,
    IReadOnlyList<ProfileId> Past,
    bool Verified,
    bool IsNew = false,
    bool Routed = false)
{
    /// <summary>The event has to wait for earlier ones of its group, which are resolved but not committed.</summary>
    public static readonly Resolution Later = new(default, [], [], [], [], Verified: false);
}

/// <summary>
/// Finds the profile of an event, deterministically: through the identifiers it carries, strongest first.
/// </summary>
/// <remarks>
/// <para>
/// None known: a new profile claims them all. One profile known: it claims the rest. Several: they are merged if the rules allow it;
/// where they do not, the weakest identifier is dropped from the event and the resolution starts again. So a limit never costs an event.
/// Identifiers that were taken out of linking are left aside first; an event that has no others goes where they lead.
/// </para>
/// <para>
/// Claims are inserts into the identities table, strongest identifier first, so that two workers that see the same new person meet
/// at the first claim. A worker that dies between claims, or between claim and commit, leaves claims that no document lists: the event
/// comes again, finds them and goes on. A claim on a profile without a document that turns out to belong to another one is given up by
/// writing a tombstone in the place of its document, so that a worker which is about to write that document finds out.
/// </para>
/// </remarks>
public sealed class IdentityResolver(
    IdentityIndex index, ProfileStore profiles, IdentifierSuspender suspender, SourceRegistry sources, IdGenerator ids, TimeProvider time)
{
    // Each try either makes progress or loses against another worker that made some.
    private const int MostTries = 20;

    /// <param name="scope">Of the group of events this one belongs to.</param>
    /// <param name="fresh">Read everything anew: a cached answer has proven stale.</param>
    /// <returns>Null where the event carries no usable identifier; <see cref="Resolution.Later"/> where it has to wait.</returns>
    public async Task<Resolution?> ResolveAsync(
        Event e, ResolutionScope scope, bool fresh, CancellationToken cancellation)
    {
        var identifiers = await IdentifiersAsync(e, scope.Rules, fresh, cancellation);
        if (!fresh && e.Type != EventType.Alias && await TryNewAsync(e, identifiers, scope, cancellation) is { } created)
            return created;
        for (var tries = 0; identifiers.Count > 0; tries++)
        {
            if (tries >= MostTries)
                throw new ConflictException($"The identifiers of message {e.MessageId} changed {MostTries} times while it was resolved.");
            var anew = fresh || tries > 0;
            var entries = await FindAllAsync(identifiers, anew, cancellation);
            if (await FinishPendingAsync(entries, cancellation))
                continue;
            var (linking, linkingEntries, aside) = Part(identifiers, entries);
            if (linking.Count == 0)
            {
                // No document would show that what is cached has been led elsewhere since.
                if (aside.Exists(entry => entry.FromCache))
                    continue;
                return await RouteAsync(aside, anew, cancellation);
            }

            if (AllLeadTo(linkingEntries) is { } only && !anew && aside.Count == 0)
                return new Resolution(only, linking, [], [], PastOf(linkingEntries), Verified: false);

            if (await HoldersAsync(linkingEntries, anew, cancellation) is not { } holders)
                continue;
            var attempt = new Attempt(e, linking, linkingEntries, holders, [.. aside.Select(entry => LeftAside(entry, e))], scope, aside);
            if (MustWait(attempt))
                return Resolution.Later;
            // What was taken out of linking changes the rest: look again.
            if (await DetachSharedAsync(attempt, cancellation))
                continue;
            var source = attempt.LeadsApart ? await sources.FindByIdAsync(e.SourceId, cancellation) : null;
            if (Violation(attempt, source, withPending: true) is not null && (!anew || await HaveMergedAsync(attempt, cancellation) || await HavePendingLeftAsync(attempt, cancellation)))
                continue;
            // What is dropped leaves the rest as it was read.
            while (linking.Count > 1 && Violation(attempt, source, withPending: true) is { } rule)
                await DropAsync(attempt, rule, cancellation);
            if (await NoteCompanyAsync(attempt, cancellation))
                continue;

            if (await TryAsync(attempt, source, cancellation) is { } resolution)
            {
                if (scope.Rules.SharedIdentifiers == SharedIdentifiers.Latest)
                    await LeadToLatestAsync(attempt, resolution, cancellation);
                return resolution;
            }
        }

        return null;
    }

    /// <summary>
    /// Where this process knows none of the identifiers the person is mostly new: claiming without looking first saves a read for each of
    /// them, and costs one refused claim where the person is known after all. Null where somebody has one of them.
    /// </summary>
    private async Task<Resolution?> TryNewAsync(Event e, List<Identifier> identifiers, ResolutionScope scope, CancellationToken cancellation)
    {
        if (identifiers.Count == 0 || identifiers.Exists(i => index.FindCached(i) is not null))
            return null;
        var holdings = new Holdings(scope.Rules, e.ReceivedAt);
        holdings.Add(identifiers);
        if (holdings.Violation is not null)
            return null;
        var id = ProfileId.New(ids);
        foreach (var identifier in identifiers)
        {
            if (await index.ClaimAsync(identifier, id, cancellation) is not { } claim)
                return null;
            scope.Claimed(claim);
        }

        return new Resolution(id, identifiers, [], [], [], Verified: true, IsNew: true);
    }

    /// <summary>
    /// Takes back what was claimed for events that turned out to be repetitions: left there it would lead later events to a profile that does not own
    /// the identifier. One that somebody else builds on has another version and stays.
    /// </summary>
    public async Task ReleaseUnusedAsync(ResolutionScope scope, CancellationToken cancellation)
    {
        foreach (var claim in scope.Unused)
            await index.ReleaseAsync(claim, cancellation);
    }

    /// <summary>
    /// The identifiers of the event; for an alias with the previous id at the end, so that of two user ids the previous one yields.
    /// It is looked up as an anonymous id first, then as a user id, and taken for an anonymous id where nobody knows it.
    /// </summary>
    private async ValueTask<List<Identifier>> IdentifiersAsync(Event e, IdentityRules rules, bool fresh, CancellationToken cancellation)
    {
        var carried = EventIdentifiers.Of(e, rules);
        var identifiers = new List<Identifier>(carried.Certain);
        if (carried.Previous is not var (anonymous, user))
            return identifiers;
        var meant = anonymous;
        if (await index.FindAsync(anonymous, fresh, cancellation) is null && await index.FindAsync(user, fresh, cancellation) is not null)
            meant = user;
        if (!identifiers.Contains(meant))
            identifiers.Add(meant);
        return identifiers;
    }

    /// <summary>A worker died while it took an identifier out of linking: brought to its end. True where there was any.</summary>
    private async ValueTask<bool> FinishPendingAsync(IdentityEntry?[] entries, CancellationToken cancellation)
    {
        var any = false;
        foreach (var entry in entries)
        {
            if (entry?.Suspension is not { Pending: true })
                continue;
            any = true;
            // From a cache it may be finished long since; its version tells.
            if (entry.FromCache ? await index.ReadAsync(entry.Identifier, cancellation) is { Suspension.Pending: true } now : (now = entry) is not null)
                await suspender.FinishAsync(now, cancellation);
        }

        return any;
    }

    /// <summary>What links, with its entries, and what was taken out of linking.</summary>
    private static (List<Identifier> Linking, IdentityEntry?[] Entries, List<IdentityEntry> Aside) Part(List<Identifier> identifiers, IdentityEntry?[] entries)
    {
        var aside = new List<IdentityEntry>();
        foreach (var entry in entries)
        {
            if (entry is { State: not LinkState.Linking })
                aside.Add(entry);
        }

        return aside.Count == 0
            ? ([.. identifiers], entries, aside)
            : (identifiers.FindAll(i => !aside.Exists(a => a.Identifier == i)), Array.FindAll(entries, e => e is not { State: not LinkState.Linking }), aside);
    }

    private IdentityDecision LeftAside(IdentityEntry entry, Event e) => new(
        Instant.Now(time), e.MessageId, entry.Identifier, DecisionAction.Dropped,
        entry.Identifier.Type + (entry.State == LinkState.Quarantined ? IdentityDecision.Quarantined : IdentityDecision.Detached));

    /// <summary>An event with nothing that links goes where the strongest of its identifiers leads, and shows nothing more.</summary>
    private async Task<Resolution> RouteAsync(List<IdentityEntry> aside, bool fresh, CancellationToken cancellation)
    {
        var strongest = aside[0];
        var (id, profile, _) = await profiles.FollowAsync(strongest.Profile, strongest.Identifier, fresh, cancellation);
        if (strongest.Owned && profile?.IsAwaiting(strongest.Identifier) == true)
            throw new ConflictException($"Profile {id} is being unmerged; what it gives away is not at its place yet.");
        var listed = strongest.Owned && profile?.FindReleased(strongest.Identifier) is null;
        var elsewhere = new HashSet<ProfileId>(aside.SelectMany(entry => entry.Elsewhere.Append(entry.Profile)));
        return new Resolution(id, listed ? [strongest.Identifier] : [], [], [], [.. elsewhere], Verified: true, Routed: true);
    }

    /// <summary>
    /// An earlier event of the group, not committed yet, makes an identifier of this one that of another person: only a committed document can
    /// be made to give it up.
    /// </summary>
    private static bool MustWait(Attempt attempt)
    {
        for (var i = 0; i < attempt.Identifiers.Count; i++)
        {
            if (attempt.Holders[i] is not { } holder || attempt.Scope.Rules.Find(attempt.Identifiers[i].Type) is not { Unique: false })
                continue;
            var pending = attempt.Scope.Pending(holder.Id);
            if (pending.Count == 0)
                continue;
            HashSet<Identifier> expected = [.. pending, .. holder.Profile?.AllIdentifiers() ?? []];
            if (expected.Contains(attempt.Identifiers[i]) && IdentityPolicy.AreDifferentPeople(attempt.Scope.Rules, attempt.Identifiers, expected))
                return true;
        }

        return false;
    }

    /// <summary>
    /// An identifier that is not unique and is seen here with another unique one than its owner's is used by two people: it is taken out of linking.
    /// True where there was any.
    /// </summary>
    private async Task<bool> DetachSharedAsync(Attempt attempt, CancellationToken cancellation)
    {
        var any = false;
        var rules = attempt.Scope.Rules;
        for (var i = 0; i < attempt.Identifiers.Count; i++)
        {
            if (attempt.Holders[i] is not { Profile: { } owner } || rules.Find(attempt.Identifiers[i].Type) is not { Unique: false } type
                || !owner.Owns(attempt.Identifiers[i]) || !IdentityPolicy.AreDifferentPeople(rules, attempt.Identifiers, [.. owner.AllIdentifiers()]))
            {
                continue;
            }

            any = true;
            // The document came from a cache: what it says has to be true now.
            if (await index.ReadAsync(attempt.Identifiers[i], cancellation) is not { State: LinkState.Linking } entry)
                continue;
            var (home, document, _) = await profiles.FollowAsync(entry.Profile, entry.Identifier, fresh: true, cancellation);
            if (document is null || !document.Owns(entry.Identifier) || !IdentityPolicy.AreDifferentPeople(rules, attempt.Identifiers, [.. document.AllIdentifiers()]))
                continue;
            await suspender.DetachAsync(entry, home, attempt.Event.MessageId, $"{type.Name}.shared", rules.SharedIdentifiers, cancellation);
        }

        return any;
    }

    /// <summary>
    /// Identifiers that turn up together and are not one profile's: noted with each of them, so that one that turns up with too many is found out.
    /// True where one was quarantined: look again.
    /// </summary>
    private async Task<bool> NoteCompanyAsync(Attempt attempt, CancellationToken cancellation)
    {
        if (attempt.Dropped.Count == 0 && attempt.Aside.Count == 0)
            return false;
        var again = false;
        var apart = attempt.Dropped.Select(d => d.Identifier).Concat(attempt.Aside.Select(a => a.Identifier)).ToList();
        for (var i = 0; i < attempt.Identifiers.Count; i++)
        {
            if (attempt.Entries[i] is { } entry && attempt.Holders[i] is { } holder)
                again |= await suspender.NoteCompanyAsync(entry, attempt.Scope.Rules, holder.Id, holder.Profile, apart, attempt.Event.MessageId, cancellation);
        }

        foreach (var entry in attempt.Dropped.Select(d => d.Entry).Concat(attempt.Aside))
        {
            if (entry is null)
                continue;
            var (home, owner, _) = await profiles.FollowAsync(entry.Profile, entry.Identifier, fresh: false, cancellation);
            var others = attempt.Identifiers.Concat(apart).Where(other => other != entry.Identifier);
            again |= await suspender.NoteCompanyAsync(entry, attempt.Scope.Rules, home, owner, others, attempt.Event.MessageId, cancellation);
        }

        return again;
    }

    /// <summary>Shared identifiers follow whoever used them last, if the rules say so: best effort, the next event does it again.</summary>
    private async Task LeadToLatestAsync(Attempt attempt, Resolution resolution, CancellationToken cancellation)
    {
        if (!resolution.Identifiers.Any(i => attempt.Scope.Rules.Find(i.Type) is { Unique: true }))
            return;
        foreach (var aside in attempt.Aside)
        {
            // What it was seen with may have been noted since it was read.
            if (await index.FindAsync(aside.Identifier, fresh: false, cancellation) is { Owned: false } entry && entry.Profile != resolution.Profile)
                await index.RepointAsync(entry, resolution.Profile, remember: true, cancellation);
        }
    }

    private async ValueTask<IdentityEntry?[]> FindAllAsync(List<Identifier> identifiers, bool fresh, CancellationToken cancellation)
    {
        var entries = new IdentityEntry?[identifiers.Count];
        List<Task<IdentityEntry?>>? reads = null;
        for (var i = 0; i < entries.Length; i++)
        {
            entries[i] = fresh ? null : index.FindCached(identifiers[i]);
            if (entries[i] is null)
                (reads ??= []).Add(index.ReadAsync(identifiers[i], cancellation));
        }

        if (reads is null)
            return entries;
        var read = await Task.WhenAll(reads);
        for (int i = 0, next = 0; i < entries.Length; i++)
            entries[i] ??= read[next++];
        return entries;
    }

    private static ProfileId? AllLeadTo(IdentityEntry?[] entries)
    {
        var first = entries[0]?.Profile;
        foreach (var entry in entries)
        {
            if (entry is null || entry.Profile != first)
                return null;
        }

        return first;
    }

    /// <summary>Null where an entry turned out to be stale in more than where it leads: look again.</summary>
    private async ValueTask<Holder?[]?> HoldersAsync(IdentityEntry?[] entries, bool fresh, CancellationToken cancellation)
    {
        var holders = new Holder?[entries.Length];
        for (var i = 0; i < entries.Length; i++)
        {
            if (entries[i] is not { } entry)
                continue;
            var (id, profile, _) = await profiles.FollowAsync(entry.Profile, entry.Identifier, fresh, cancellation);
            if (entry.FromCache && (profile is null || !profile.Owns(entry.Identifier)))
            {
                // Cached, and the document knows nothing of it: stale, or a claim on its way. The table tells.
                if (await index.FindAsync(entry.Identifier, fresh: true, cancellation) is not { } now)
                {
                    entries[i] = null;
                    continue;
                }

                if (now.State != LinkState.Linking)
                    return null;
                entries[i] = now;
                (id, profile, _) = await profiles.FollowAsync(now.Profile, now.Identifier, fresh: true, cancellation);
            }

            if (profile?.IsAwaiting(entry.Identifier) == true)
                throw new ConflictException($"Profile {id} is being unmerged; what it gives away is not at its place yet.");

            holders[i] = new Holder(id, profile);
        }

        return holders;
    }

    /// <summary>
    /// Documents are read one after the other. One that was read before its merge and the winner after it look like two people who must not meet;
    /// as caches do, which is why nothing is ever dropped for what they say.
    /// </summary>
    private async ValueTask<bool> HaveMergedAsync(Attempt attempt, CancellationToken cancellation)
    {
        if (attempt.Top is not { } top)
            return false;
        foreach (var holder in attempt.Others(top).Append(top))
        {
            if ((await profiles.FindAsync(holder.Id, fresh: true, cancellation))?.Decode().MergedInto is not null)
                return true;
        }

        return false;
    }

    /// <summary>
    /// Earlier events of the group may have been resolved by claims that led to a profile then, and were led elsewhere since: what is expected of it by them
    /// never comes. True where there was any.
    /// </summary>
    private async ValueTask<bool> HavePendingLeftAsync(Attempt attempt, CancellationToken cancellation)
    {
        if (attempt.Top is not { } top)
            return false;
        var any = false;
        foreach (var holder in attempt.Others(top).Append(top).DistinctBy(h => h.Id))
        {
            foreach (var identifier in attempt.Scope.Pending(holder.Id).ToArray())
            {
                if (holder.Profile?.Owns(identifier) == true)
                    continue;
                if (await index.ReadAsync(identifier, cancellation) is { } entry
                    && (entry.Profile == holder.Id || (await profiles.FollowAsync(entry.Profile, identifier, fresh: true, cancellation)).Id == holder.Id))
                {
                    continue;
                }

                attempt.Scope.NoLongerExpect(holder.Id, identifier);
                any = true;
            }
        }

        return any;
    }

    /// <summary>The rule that forbids what the event shows, with the identifiers it has left; null where none does.</summary>
    /// <param name="source">Of the event; null where it is not known, or does not matter.</param>
    /// <param name="withPending">Count what earlier events of the batch are about to add, which may still fail.</param>
    private static string? Violation(Attempt attempt, Source? source, bool withPending)
    {
        var rules = attempt.Scope.Rules;
        var holdings = new Holdings(rules, attempt.Event.ReceivedAt);
        if (attempt.Top is not { } top)
        {
            holdings.Add(attempt.Identifiers);
            return holdings.Violation;
        }

        var known = attempt.Known(top);
        holdings.Add(known);
        holdings.Add(attempt.OwnedBy(top));
        var adds = attempt.OwnedBy(top).Exists(i => !known.Owns(i));
        foreach (var other in attempt.Others(top))
        {
            var document = attempt.Known(other);
            var forbidden = IdentityPolicy.IsRejected(known, document, attempt.LedTo(top), attempt.LedTo(other))
                ? "link.rejected"
                : IdentityPolicy.MergeViolation(rules, known, document, attempt.Event.ReceivedAt) ?? SourceViolation(attempt, top, other, source);
            if (forbidden is not null)
                return forbidden;
            holdings.Add(document);
            adds = true;
        }

        if (withPending)
            holdings.Add(attempt.Scope.Pending(top.Id));
        // An event that adds nothing breaks no rule, whatever others are about to add to the profile.
        return adds ? holdings.Violation : null;
    }

    /// <summary>Why an event of this source does not join the two; null where it does.</summary>
    private static string? SourceViolation(Attempt attempt, Holder top, Holder other, Source? source)
    {
        // The write key of a page is public: nobody shall join two known people by it.
        if (source?.Trust != SourceTrust.Server && attempt.Known(top).IsIdentified && attempt.Known(other).IsIdentified)
            return "source.trust";
        foreach (var holder in (ReadOnlySpan<Holder>)[top, other])
        {
            var leadThere = attempt.LedTo(holder);
            if (!leadThere.Exists(i => IdentityRules.MayJoin(attempt.Scope.Rules.Find(i.Type)!, source)))
                return leadThere[^1].Type + ".source";
        }

        return null;
    }

    /// <summary>One try. Null: something changed; look again.</summary>
    private async Task<Resolution?> TryAsync(Attempt attempt, Source? source, CancellationToken cancellation)
    {
        if (attempt.Top is not { } top)
            return await CreateAsync(attempt, cancellation);
        // What is only pending must not take a claim away: its own worker may be about to commit it.
        if (Violation(attempt, source, withPending: false) is not null)
        {
            // Nor what is only reserved: the merge may be refused, and the claim's worker then finds room after all.
            var withoutReserved = new Holdings(attempt.Scope.Rules, attempt.Event.ReceivedAt);
            withoutReserved.Add(attempt.Known(top), reserved: false);
            withoutReserved.Add(attempt.Identifiers);
            if (withoutReserved.Violation is null)
                throw new ConflictException($"Profile {top.Id}, which message {attempt.Event.MessageId} leads to, is being merged.");
            return await TakeOverAsync(attempt, cancellation);
        }

        var merges = new List<MergeRequest>();
        var leadToTop = attempt.LedTo(top);
        foreach (var other in attempt.Others(top))
        {
            if (top.Profile is null || other.Profile is null)
            {
                await GiveUpClaimAsync(attempt, top, other, cancellation);
                return null;
            }

            if (!merges.Exists(m => m.Second == other.Id))
            {
                merges.Add(new MergeRequest(
                    ids.Next("mrg_"), top.Id, other.Id, leadToTop[0], attempt.Identifiers[attempt.IndexOf(other)], leadToTop, attempt.LedTo(other),
                    attempt.Event.Timestamp, attempt.Event.SourceId, attempt.Event.MessageId, Instant.Now(time)));
            }
        }

        var own = attempt.OwnedBy(top);
        return await AdoptAsync(attempt, top, cancellation) && await ClaimMissingAsync(attempt, top.Id, cancellation) ? attempt.Result(top.Id, own, merges) : null;
    }

    private async Task<Resolution?> CreateAsync(Attempt attempt, CancellationToken cancellation)
    {
        var id = ProfileId.New(ids);
        return await ClaimMissingAsync(attempt, id, cancellation) ? attempt.Result(id, attempt.Identifiers, []) with { IsNew = true } : null;
    }

    /// <summary>
    /// Claims of others that no document lists yet: this event's commit may be the first to list them. Writing them anew keeps those who
    /// claimed from taking them back meanwhile. A claim for a profile that was merged since, also one of ours, is led to the winner: were it listed there
    /// while it leads to the tombstone, an unmerge that brings the loser back would lead it astray.
    /// </summary>
    private async Task<bool> AdoptAsync(Attempt attempt, Holder top, CancellationToken cancellation)
    {
        for (var i = 0; i < attempt.Identifiers.Count; i++)
        {
            if (attempt.Entries[i] is not { } entry || attempt.Holders[i]!.Id != top.Id || top.Profile?.Owns(entry.Identifier) == true
                || (attempt.Scope.IsHeld(entry) && entry.Profile == top.Id))
            {
                continue;
            }

            if (await index.RepointAsync(entry, top.Id, remember: false, cancellation) is not { } adopted)
                return false;
            if (attempt.Scope.IsOurs(entry))
                attempt.Scope.Claimed(adopted);
            else
                attempt.Scope.Adopted(adopted);
        }

        return true;
    }

    private async Task<bool> ClaimMissingAsync(Attempt attempt, ProfileId profile, CancellationToken cancellation)
    {
        for (var i = 0; i < attempt.Identifiers.Count; i++)
        {
            if (attempt.Entries[i] is not null)
                continue;
            if (await index.ClaimAsync(attempt.Identifiers[i], profile, cancellation) is not { } claim)
                return false;
            attempt.Scope.Claimed(claim);
        }

        return true;
    }

    /// <summary>The weakest identifier yields: it stays where it was, and the event goes on without it.</summary>
    private async Task DropAsync(Attempt attempt, string rule, CancellationToken cancellation)
    {
        var last = attempt.Identifiers.Count - 1;
        var weakest = attempt.Identifiers[last];
        var entry = attempt.Entries[last];
        attempt.Identifiers.RemoveAt(last);
        // An alias says that two user ids are the same person: that link is refused.
        var action = attempt.Event.Type == EventType.Alias && weakest.Type == IdentityRules.UserId ? DecisionAction.Refused : DecisionAction.Dropped;
        attempt.Decisions.Add(new IdentityDecision(Instant.Now(time), attempt.Event.MessageId, weakest, action, rule));
        // A claim of an earlier try, for a profile that then had no room for it: left there it would lead the identifier to a stranger.
        if (entry is not null && attempt.Holders[last] is { Profile: { } document } holder && attempt.Scope.IsOurs(entry)
            && !document.Owns(weakest) && !attempt.Scope.Pending(holder.Id).Contains(weakest))
        {
            await index.ReleaseAsync(entry, cancellation);
            entry = null;
        }

        attempt.Dropped.Add((weakest, entry));
    }

    /// <summary>
    /// Of two claims one profile has no document yet: it gets a tombstone that leads to the other. Where both have none the larger
    /// id yields, so that workers which meet here agree.
    /// </summary>
    private async Task GiveUpClaimAsync(Attempt attempt, Holder first, Holder second, CancellationToken cancellation)
    {
        var yields = first.Profile is null && (second.Profile is not null || second.Id < first.Id) ? first : second;
        var stays = ReferenceEquals(yields, first) ? second : first;
        var entries = attempt.Entries.Take(attempt.Identifiers.Count).Where(entry => entry?.Profile == yields.Id).ToList();
        // Claims that only this group knows of are led elsewhere, and nobody was ever there.
        var unseen = entries.Count > 0 && attempt.Scope.Pending(yields.Id).Count == 0 && entries.TrueForAll(entry => attempt.Scope.IsOurs(entry!));
        if (!unseen && !await profiles.SaveAsync(new Profile(yields.Id) { MergedInto = stays.Id }, version: null, cancellation))
            return;
        foreach (var entry in entries)
        {
            // Behind a tombstone this only saves later readers the way over it.
            await index.RepointAsync(entry!, stays.Id, remember: false, cancellation);
        }
    }

    /// <summary>
    /// The only identifier of the event leads to a profile that does not list it and has no room for it: a claim that lost its place
    /// before it was committed. It starts a profile of its own.
    /// </summary>
    private async Task<Resolution?> TakeOverAsync(Attempt attempt, CancellationToken cancellation)
    {
        var id = ProfileId.New(ids);
        if (await index.RepointAsync(attempt.Entries[0]!, id, remember: true, cancellation) is not { } taken)
            return null;
        attempt.Scope.Claimed(taken);
        return attempt.Result(id, attempt.Identifiers, []);
    }

    private static List<ProfileId> PastOf(IEnumerable<IdentityEntry?> entries)
    {
        var past = new List<ProfileId>();
        foreach (var entry in entries)
        {
            if (entry is not null)
                past.AddRange(entry.Elsewhere);
        }

        return past;
    }

    /// <param name="Profile">Null where only a claim leads here and no document was written yet.</param>
    private sealed record Holder(ProfileId Id, Profile? Profile);

    /// <param name="Identifiers">Those not dropped; entries and holders stand at the same places.</param>
    private sealed record Attempt(
        Event Event,
        List<Identifier> Identifiers,
        IdentityEntry?[] Entries,
        Holder?[] Holders,
        List<IdentityDecision> Decisions,
        ResolutionScope Scope,
        List<IdentityEntry> Aside)
    {
        /// <summary>Identifiers that had to yield, with their entries where they lead anywhere.</summary>
        public List<(Identifier Identifier, IdentityEntry? Entry)> Dropped { get; } = [];

        /// <summary>The identifiers lead to different profiles.</summary>
        public bool LeadsApart => Top is { } top && Others(top).Any();

        /// <summary>The profile of the strongest identifier that leads anywhere.</summary>
        public Holder? Top => Holders.Take(Identifiers.Count).FirstOrDefault(h => h is not null);

        public IEnumerable<Holder> Others(Holder top) => Holders.Take(Identifiers.Count).Where(h => h is not null && h.Id != top.Id)!;

        public int IndexOf(Holder holder) => Array.FindIndex(Holders, h => h?.Id == holder.Id);

        /// <summary>
        /// The profile's document; where there is none yet, what is known of it all the same: the identifiers that lead there or are about to.
        /// </summary>
        public Profile Known(Holder holder)
        {
            if (holder.Profile is { } document)
                return document;
            var expected = new Profile(holder.Id);
            foreach (var identifier in LedTo(holder).Union(Scope.Pending(holder.Id)))
                expected.See(OwnedIdentifier.Of(identifier, Event));
            return expected;
        }

        /// <summary>Those that lead to this profile, and those that lead nowhere yet.</summary>
        public List<Identifier> OwnedBy(Holder holder) => Where(h => h is null || h.Id == holder.Id);

        public List<Identifier> LedTo(Holder holder) => Where(h => h?.Id == holder.Id);

        public Resolution Result(ProfileId profile, IReadOnlyList<Identifier> identifiers, IReadOnlyList<MergeRequest> merges) =>
            new(profile, identifiers, Decisions, merges, Elsewhere(profile), Verified: true);

        /// <summary>Where the event may have been committed before: wherever any of its identifiers leads or led.</summary>
        private List<ProfileId> Elsewhere(ProfileId profile)
        {
            var past = PastOf(Entries.Take(Identifiers.Count));
            foreach (var holder in Holders.Take(Identifiers.Count))
            {
                if (holder is not null && holder.Id != profile)
                    past.Add(holder.Id);
            }

            foreach (var entry in Dropped.Select(d => d.Entry).Concat(Aside))
            {
                if (entry is not null)
                    past.AddRange(entry.Elsewhere.Append(entry.Profile));
            }

            return past;
        }

        private List<Identifier> Where(Func<Holder?, bool> condition)
        {
            var chosen = new List<Identifier>(Identifiers.Count);
            for (var i = 0; i < Identifiers.Count; i++)
            {
                if (condition(Holders[i]))
                    chosen.Add(Identifiers[i]);
            }

            return chosen;
        }
    }
}
