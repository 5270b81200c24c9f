using Cdp.Events;
using Cdp.Ids;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Identity;

/// <summary>Where an event goes.</summary>
/// <param name="Identifiers">Those of the event that are or become this profile's.</param>
/// <param name="Decisions">What the rules decided against identifiers of the event.</param>
/// <param name="Merges">Other profiles that the event shows to be the same person.</param>
/// <param name="Past">Profiles whose markers have to be read too, for a retry may have been committed there.</param>
/// <param name="IsNew">The profile was made up for this event: nobody has written its document, unless they met one of the claims just now.</param>
/// <param name="Verified">Nothing came from a cache: an identifier that the document does not list is a claim of ours, not a stale entry.</param>
public sealed record Resolution(
    ProfileId Profile,
    IReadOnlyList<Identifier> Identifiers,
    IReadOnlyList<IdentityDecision> Decisions,
    IReadOnlyList<MergeRequest> Merges,
    IReadOnlyList<ProfileId> Past,
    bool Verified,
    bool IsNew = false);

/// <summary>
/// Finds the profile of an event, deterministically: through the identifiers it carries, strongest first.
/// </summary>
/// <remarks>
/// <para>
/// None known: a new profile claims them all. One profile known: it claims the rest. Several: they are merged if the rules allow it;
/// where they do not, the weakest identifier is dropped from the event and the resolution starts again. So a limit never costs an event.
/// </para>
/// <para>
/// Claims are inserts into the identities table, strongest identifier first, so that two workers that see the same new person meet
/// at the first claim. A worker that dies between claims, or between claim and commit, leaves claims that no document lists: the event
/// comes again, finds them and goes on. A claim on a profile without a document that turns out to belong to another one is given up by
/// writing a tombstone in the place of its document, so that a worker which is about to write that document finds out.
/// </para>
/// </remarks>
public sealed class IdentityResolver(IdentityIndex index, ProfileStore profiles, IdentityRules rules, IdGenerator ids, TimeProvider time)
{
    // Each try either makes progress or loses against another worker that made some.
    private const int MostTries = 20;

    /// <param name="scope">Of the group of events this one belongs to.</param>
    /// <param name="fresh">Read everything anew: a cached answer has proven stale.</param>
    /// <returns>Null where the event carries no usable identifier.</returns>
    public async Task<Resolution?> ResolveAsync(
        Event e, ResolutionScope scope, bool fresh, CancellationToken cancellation)
    {
        var identifiers = await IdentifiersAsync(e, fresh, cancellation);
        if (!fresh && e.Type != EventType.Alias && await TryNewAsync(identifiers, scope, cancellation) is { } created)
            return created;
        var decisions = new List<IdentityDecision>();
        for (var tries = 0; identifiers.Count > 0; tries++)
        {
            if (tries >= MostTries)
                throw new ConflictException($"The identifiers of message {e.MessageId} changed {MostTries} times while it was resolved.");
            var entries = await FindAllAsync(identifiers, fresh || tries > 0, cancellation);
            if (AllLeadTo(entries) is { } only && !fresh && tries == 0)
                return new Resolution(only, identifiers, decisions, [], PastOf(entries), Verified: false);

            var holders = await HoldersAsync(entries, fresh || tries > 0, cancellation);
            var attempt = new Attempt(e, identifiers, entries, holders, decisions, scope);
            // What is dropped leaves the rest as it was read.
            while (identifiers.Count > 1 && Violation(attempt, withPending: true) is { } rule)
                await DropAsync(attempt, rule, cancellation);

            if (await TryAsync(attempt, cancellation) is { } resolution)
                return resolution;
        }

        return null;
    }

    /// <summary>
    /// Where this process knows none of the identifiers the person is mostly new: claiming without looking first saves a read for each of
    /// them, and costs one refused claim where the person is known after all. Null where somebody has one of them.
    /// </summary>
    private async Task<Resolution?> TryNewAsync(List<Identifier> identifiers, ResolutionScope scope, CancellationToken cancellation)
    {
        if (identifiers.Count == 0 || identifiers.Exists(i => index.FindCached(i) is not null) || IdentityPolicy.Violation(rules, identifiers) is not null)
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

    /// <summary>Everything the event may be resolved by, without looking anything up; for an alias both readings of the previous id.</summary>
    public IReadOnlyList<Identifier> Extract(Event e)
    {
        var identifiers = IdentifierExtractor.Extract(e, rules);
        if (e.Type != EventType.Alias || rules.Find(IdentityRules.AnonymousId)?.Normalise(e.PreviousId) is not { } previous)
            return identifiers;
        return [.. identifiers, new Identifier(IdentityRules.AnonymousId, previous), new Identifier(IdentityRules.UserId, previous)];
    }

    /// <summary>
    /// The identifiers of the event; for an alias with the previous id at the end, so that of two user ids the previous one yields.
    /// It is looked up as an anonymous id first, then as a user id, and taken for an anonymous id where nobody knows it.
    /// </summary>
    private async ValueTask<List<Identifier>> IdentifiersAsync(Event e, bool fresh, CancellationToken cancellation)
    {
        var identifiers = new List<Identifier>(IdentifierExtractor.Extract(e, rules));
        if (e.Type != EventType.Alias || rules.Find(IdentityRules.AnonymousId)?.Normalise(e.PreviousId) is not { } previous)
            return identifiers;
        var anonymous = new Identifier(IdentityRules.AnonymousId, previous);
        var user = new Identifier(IdentityRules.UserId, previous);
        var meant = anonymous;
        if (await index.FindAsync(anonymous, fresh, cancellation) is null && await index.FindAsync(user, fresh, cancellation) is not null)
            meant = user;
        if (!identifiers.Contains(meant))
            identifiers.Add(meant);
        return identifiers;
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

    private async ValueTask<Holder?[]> HoldersAsync(IdentityEntry?[] entries, bool fresh, CancellationToken cancellation)
    {
        var holders = new Holder?[entries.Length];
        for (var i = 0; i < entries.Length; i++)
        {
            if (entries[i] is not { } entry)
                continue;
            var (id, profile, _) = await profiles.FollowAsync(entry.Profile, fresh, cancellation);
            if (entry.FromCache && (profile is null || !profile.Owns(entry.Identifier)))
            {
                // Cached, and the document knows nothing of it: stale, or a claim on its way. The table tells.
                if (await index.FindAsync(entry.Identifier, fresh: true, cancellation) is not { } now)
                {
                    entries[i] = null;
                    continue;
                }

                entries[i] = now;
                (id, profile, _) = await profiles.FollowAsync(now.Profile, fresh: true, cancellation);
            }

            holders[i] = new Holder(id, profile);
        }

        return holders;
    }

    /// <summary>The rule that forbids what the event shows, with the identifiers it has left; null where none does.</summary>
    /// <param name="withPending">Count what earlier events of the batch are about to add, which may still fail.</param>
    private string? Violation(Attempt attempt, bool withPending)
    {
        if (attempt.Top is not { } top)
            return IdentityPolicy.Violation(rules, attempt.Identifiers);
        var known = attempt.Known(top);
        var everybody = known.AllIdentifiers().Concat(attempt.OwnedBy(top));
        var adds = attempt.OwnedBy(top).Exists(i => !known.Owns(i));
        foreach (var other in attempt.Others(top))
        {
            if (IdentityPolicy.MergeViolation(rules, known, attempt.Known(other)) is { } forbidden)
                return forbidden;
            everybody = everybody.Concat(attempt.Known(other).AllIdentifiers());
            adds = true;
        }

        if (withPending)
            everybody = everybody.Concat(attempt.Scope.Pending(top.Id));
        // An event that adds nothing breaks no rule, whatever others are about to add to the profile.
        return adds ? IdentityPolicy.Violation(rules, everybody) : null;
    }

    /// <summary>One try. Null: something changed; look again.</summary>
    private async Task<Resolution?> TryAsync(Attempt attempt, CancellationToken cancellation)
    {
        if (attempt.Top is not { } top)
            return await CreateAsync(attempt, cancellation);
        // What is only pending must not take a claim away: its own worker may be about to commit it.
        if (Violation(attempt, withPending: false) is not null)
        {
            // Nor what is only reserved: the merge may be refused, and the claim's worker then finds room after all.
            if (IdentityPolicy.Violation(rules, attempt.Known(top).Identifiers.Select(i => i.Identifier).Concat(attempt.Identifiers)) is null)
                throw new ConflictException($"Profile {top.Id}, which message {attempt.Event.MessageId} leads to, is being merged.");
            return await TakeOverAsync(attempt, cancellation);
        }


        var merges = new List<MergeRequest>();
        var topIdentifier = attempt.Identifiers[attempt.IndexOf(top)];
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
                    ids.Next("mrg_"), top.Id, other.Id, topIdentifier, attempt.Identifiers[attempt.IndexOf(other)], attempt.LedTo(other),
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
    /// claimed from taking them back meanwhile.
    /// </summary>
    private async Task<bool> AdoptAsync(Attempt attempt, Holder top, CancellationToken cancellation)
    {
        for (var i = 0; i < attempt.Identifiers.Count; i++)
        {
            if (attempt.Entries[i] is not { } entry || attempt.Holders[i]!.Id != top.Id || top.Profile?.Owns(entry.Identifier) == true || attempt.Scope.IsHeld(entry))
                continue;
            if (await index.RepointAsync(entry, entry.Profile, remember: false, cancellation) is not { } adopted)
                return false;
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
        attempt.Identifiers.RemoveAt(last);
        // An alias says that two user ids are the same person: that link is refused.
        var action = attempt.Event.Type == EventType.Alias && weakest.Type == IdentityRules.UserId ? "refused" : "dropped";
        attempt.Decisions.Add(new IdentityDecision(Instant.Now(time), attempt.Event.MessageId, weakest, action, rule));
        // A claim of an earlier try, for a profile that then had no room for it: left there it would lead the identifier to a stranger.
        if (attempt.Entries[last] is { } entry && attempt.Holders[last] is { Profile: { } document } holder && attempt.Scope.IsOurs(entry)
            && !document.Owns(weakest) && !attempt.Scope.Pending(holder.Id).Contains(weakest))
        {
            await index.ReleaseAsync(entry, cancellation);
        }
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
                past.AddRange(entry.Past);
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
        ResolutionScope Scope)
    {
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
                expected.See(new OwnedIdentifier(identifier, Event.Timestamp, Event.Timestamp, Event.SourceId, Event.MessageId));
            return expected;
        }

        /// <summary>Those that lead to this profile, and those that lead nowhere yet.</summary>
        public List<Identifier> OwnedBy(Holder holder) => Where(h => h is null || h.Id == holder.Id);

        public List<Identifier> LedTo(Holder holder) => Where(h => h?.Id == holder.Id);

        public Resolution Result(ProfileId profile, IReadOnlyList<Identifier> identifiers, IReadOnlyList<MergeRequest> merges) =>
            new(profile, identifiers, Decisions, merges, PastOf(Entries.Take(Identifiers.Count)), Verified: true);

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
