using System.Text.Json;
using Cdp.Events;
using Cdp.Identity;

namespace Cdp.Profiles;

/// <summary>
/// The profile document: a fold over the profile's events. For a given set of events the result does not depend on their
/// order, batching or repetition; only <see cref="Version"/> and <see cref="Decisions"/> tell how it came about.
/// </summary>
/// <remarks>
/// Mutable while one commit folds events into it; never shared. <see cref="ProfileCodec"/> reads and writes it.
/// The document, not the identities table, says which identifiers a profile owns.
/// </remarks>
public sealed class Profile(ProfileId id)
{
    /// <summary>Decisions kept; the oldest ones give way.</summary>
    public const int MostDecisions = 100;

    /// <summary>Released identifiers kept.</summary>
    public const int MostReleased = 100;

    public ProfileId Id { get; } = id;

    /// <summary>Counts the commits.</summary>
    public long Version { get; set; }

    public long EventCount { get; set; }

    /// <summary>When the first of its events was received.</summary>
    public Instant CreatedAt { get; set; } = new(long.MaxValue);

    public Instant FirstSeenAt { get; set; } = new(long.MaxValue);

    public Instant LastSeenAt { get; set; } = new(long.MinValue);

    public List<OwnedIdentifier> Identifiers { get; } = [];

    public Dictionary<string, Trait> Traits { get; } = new(StringComparer.Ordinal);

    /// <summary>Traits of the groups that the person was said to belong to, for segments.</summary>
    public Dictionary<string, Trait> GroupTraits { get; } = new(StringComparer.Ordinal);

    /// <summary>What the segment engine knows of the events; empty where no definition has seen any. <see cref="Segments.ProfileSegments"/> reads and writes it.</summary>
    public ReadOnlyMemory<byte> SegmentState { get; set; }

    /// <summary>The segments that the profile is in. The rows <c>s|</c> are an index of these.</summary>
    public List<Membership> Memberships { get; } = [];

    /// <summary>Counts entries and exits of all segments, for ever: what names each of them.</summary>
    public long MembershipChanges { get; set; }

    /// <summary>
    /// What definitions up to this epoch say has been brought into the memberships once. What newer ones change is their backfill's doing, and nobody is told of it
    /// who did not ask for it.
    /// </summary>
    public long FoldedEpoch { get; set; }

    /// <summary>When something can change without an event, at the latest; there is exactly this row <c>d|</c>. See <see cref="DueRows"/>.</summary>
    public Instant? Due { get; set; }

    /// <summary>
    /// The timeline was merged or parted since the segments were folded: they are folded anew from it when it is whole. Until then memberships stay.
    /// </summary>
    public bool NeedsRefold { get; set; }

    public List<MergeRecord> Merges { get; } = [];

    public List<IdentityDecision> Decisions { get; } = [];

    /// <summary>Merges under way that this profile wins. While there are any it is not fenced itself.</summary>
    public List<Absorption> Absorbing { get; } = [];

    /// <summary>Set on the loser of a merge: the profile is gone, and this one took its place.</summary>
    public ProfileId? MergedInto { get; set; }

    /// <summary>What was owned once and must not be listed again. The oldest give way: by then the index says so too.</summary>
    public List<ReleasedIdentifier> Released { get; } = [];

    public List<LinkRejection> Rejections { get; } = [];

    /// <summary>An unmerge under way that leaves this profile. Meanwhile the document counts only what was committed since it began.</summary>
    public Split? Splitting { get; set; }

    /// <summary>An unmerge under way that brings this profile back: events of it may still be with that one.</summary>
    public ProfileId? SplitFrom { get; set; }

    /// <summary>An unmerge moves its events: it neither merges nor is it merged meanwhile.</summary>
    public bool IsSplitting => Splitting is not null || SplitFrom is not null;

    public bool IsEmpty => EventCount == 0;

    public bool IsIdentified => Identifiers.Exists(i => i.Identifier.Type == IdentityRules.UserId);

    /// <summary>Owned, not merely reserved.</summary>
    public bool Lists(Identifier identifier)
    {
        foreach (var owned in Identifiers)
        {
            if (owned.Identifier == identifier)
                return true;
        }

        return false;
    }

    /// <summary>Owned, or reserved by a merge under way.</summary>
    public bool Owns(Identifier identifier)
    {
        if (Lists(identifier))
            return true;
        foreach (var absorption in Absorbing)
        {
            if (absorption.Reserved.Contains(identifier))
                return true;
        }

        return false;
    }

    public bool IsQuarantined(Identifier identifier)
    {
        foreach (var owned in Identifiers)
        {
            if (owned.Quarantined && owned.Identifier == identifier)
                return true;
        }

        return false;
    }

    public ReleasedIdentifier? FindReleased(Identifier identifier)
    {
        foreach (var released in Released)
        {
            if (released.Identifier == identifier)
                return released;
        }

        return null;
    }

    /// <summary>
    /// Whether an unmerge has taken the identifier away and the profile that gets it is not back yet. Asked of the profile that the identifier was
    /// followed to; whoever needs its owner has to wait.
    /// </summary>
    public bool IsAwaiting(Identifier identifier) => FindReleased(identifier) is { To: not null } && !Owns(identifier);

    /// <summary>Everything owned or reserved.</summary>
    public IEnumerable<Identifier> AllIdentifiers()
    {
        foreach (var owned in Identifiers)
            yield return owned.Identifier;
        foreach (var absorption in Absorbing)
        {
            foreach (var reserved in absorption.Reserved)
                yield return reserved;
        }
    }

    /// <summary>Folds one event in.</summary>
    /// <param name="identifiers">The identifiers of the event that belong to this profile.</param>
    /// <param name="withTraits">False for a document at its size limit: the event counts, its traits are refused.</param>
    public void Apply(Event e, IReadOnlyList<Identifier> identifiers, bool withTraits = true)
    {
        EventCount++;
        if (e.ReceivedAt < CreatedAt)
            CreatedAt = e.ReceivedAt;
        if (e.Timestamp < FirstSeenAt)
            FirstSeenAt = e.Timestamp;
        if (e.Timestamp > LastSeenAt)
            LastSeenAt = e.Timestamp;
        foreach (var identifier in identifiers)
            See(OwnedIdentifier.Of(identifier, e));
        if (withTraits && e.Type == EventType.Identify)
        {
            // The event's own traits are the authority; context.traits fill in the names they lack.
            ApplyTraits(Traits, e, e.Traits, except: default);
            ApplyTraits(Traits, e, ContextTraits(e.Context), except: e.Traits);
        }
        else if (withTraits && e.Type == EventType.Group)
        {
            ApplyTraits(GroupTraits, e, e.Traits, except: default);
        }
    }

    /// <summary>Folds a merged profile's document in. Repeating it would count twice: <see cref="Absorption.Folded"/> guards that.</summary>
    /// <param name="withTraits">False where both documents' traits are too much for one: the loser's stay on its events alone.</param>
    public void Absorb(Profile loser, bool withTraits = true)
    {
        foreach (var identifier in loser.Identifiers)
        {
            // Detached while the merge was under way: nobody's any more. What an unmerge gave away comes back with its new owner.
            if (FindReleased(identifier.Identifier) is { To: null })
                continue;
            Released.RemoveAll(r => r.Identifier == identifier.Identifier);
            See(identifier);
        }

        foreach (var released in loser.Released)
        {
            // Detached, it is nobody's, also where a commit that knew nothing of it has listed it here meanwhile.
            if (released.To is null || (!Owns(released.Identifier) && FindReleased(released.Identifier) is null))
                Release(released);
        }

        // One that had no event is told what the other one would have been.
        if (IsEmpty)
            FoldedEpoch = loser.FoldedEpoch;
        AddEventsOf(loser, withTraits);
        MembershipChanges = Math.Max(MembershipChanges, loser.MembershipChanges);
        NeedsRefold |= loser.NeedsRefold || !SegmentState.IsEmpty || !loser.SegmentState.IsEmpty;
        Rejections.AddRange(loser.Rejections);
        foreach (var merge in loser.Merges)
        {
            // Of an unmerge both sides have the record.
            if (!Merges.Exists(m => m.Id == merge.Id))
                Merges.Add(merge);
        }

        foreach (var decision in loser.Decisions)
            Record(decision);
    }

    /// <summary>Adds what another fold's events determine: counts, times, traits, and when this profile's identifiers were seen.</summary>
    public void AddEventsOf(Profile other, bool withTraits = true)
    {
        EventCount += other.EventCount;
        if (other.CreatedAt < CreatedAt)
            CreatedAt = other.CreatedAt;
        if (other.FirstSeenAt < FirstSeenAt)
            FirstSeenAt = other.FirstSeenAt;
        if (other.LastSeenAt > LastSeenAt)
            LastSeenAt = other.LastSeenAt;
        foreach (var seen in other.Identifiers)
        {
            var index = Identifiers.FindIndex(i => i.Identifier == seen.Identifier);
            if (index >= 0)
                Identifiers[index] = Identifiers[index].With(seen);
        }

        if (!withTraits)
            return;
        foreach (var (name, trait) in other.Traits)
            Set(Traits, name, trait);
        foreach (var (name, trait) in other.GroupTraits)
            Set(GroupTraits, name, trait);
    }

    /// <summary>Notes a decision. That an identifier which links nobody was left aside is noted once: it is the same with each of its events.</summary>
    public void Record(IdentityDecision decision)
    {
        if (Decisions.Exists(d => d == decision || (d.LeftAside && d.Identifier == decision.Identifier && d.Rule == decision.Rule)))
            return;
        Decisions.Add(decision);
        if (Decisions.Count > MostDecisions)
            Decisions.RemoveAt(0);
    }

    /// <summary>Gives an identifier away, or up: the profile does not own it any more, and keeps that in mind.</summary>
    public void Release(ReleasedIdentifier released)
    {
        Identifiers.RemoveAll(i => i.Identifier == released.Identifier);
        for (var i = 0; i < Absorbing.Count; i++)
        {
            if (Absorbing[i].Reserved.Contains(released.Identifier))
                Absorbing[i] = Absorbing[i] with { Reserved = [.. Absorbing[i].Reserved.Where(r => r != released.Identifier)] };
        }

        Released.RemoveAll(r => r.Identifier == released.Identifier);
        Released.Add(released);
        if (Released.Count > MostReleased)
            Released.RemoveAt(0);
    }

    /// <summary>Starts the fold anew: owned identifiers and the record of decisions stay, what events determine is forgotten.</summary>
    public void ForgetEvents()
    {
        EventCount = 0;
        CreatedAt = FirstSeenAt = new Instant(long.MaxValue);
        LastSeenAt = new Instant(long.MinValue);
        Traits.Clear();
        GroupTraits.Clear();
        NeedsRefold |= !SegmentState.IsEmpty;
        for (var i = 0; i < Identifiers.Count; i++)
            Identifiers[i] = Identifiers[i].Unseen();
    }

    /// <summary>Notes that an identifier of this profile was seen. False where that is nothing new.</summary>
    public bool See(OwnedIdentifier seen)
    {
        var index = Identifiers.FindIndex(i => i.Identifier == seen.Identifier);
        if (index < 0)
        {
            Identifiers.Add(seen);
            return true;
        }

        var before = Identifiers[index];
        Identifiers[index] = before.With(seen);
        return Identifiers[index] != before;
    }

    private static void Set(Dictionary<string, Trait> traits, string name, in Trait trait)
    {
        if (!traits.TryGetValue(name, out var present) || trait.Supersedes(present))
            traits[name] = trait;
    }

    private static void ApplyTraits(Dictionary<string, Trait> into, Event e, ReadOnlyMemory<byte> traits, ReadOnlyMemory<byte> except)
    {
        if (traits.IsEmpty)
            return;
        var reader = new Utf8JsonReader(traits.Span, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (except.IsEmpty || !HasMember(except.Span, name))
                Set(into, name, new Trait(traits[start..(int)reader.BytesConsumed], e.Timestamp, e.MessageId, e.SourceId));
        }
    }

    private static bool HasMember(ReadOnlySpan<byte> json, string name)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals(name))
                return true;
            reader.Read();
            reader.Skip();
        }

        return false;
    }

    private static ReadOnlyMemory<byte> ContextTraits(ReadOnlyMemory<byte> context)
    {
        if (context.IsEmpty)
            return default;
        var reader = new Utf8JsonReader(context.Span, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isTraits = reader.ValueTextEquals("traits"u8);
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            var isObject = reader.TokenType == JsonTokenType.StartObject;
            reader.Skip();
            if (isTraits)
                return isObject ? context[start..(int)reader.BytesConsumed] : default;
        }

        return default;
    }
}
