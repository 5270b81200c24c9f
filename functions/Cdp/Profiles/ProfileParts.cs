using Cdp.Events;
using Cdp.Identity;

namespace Cdp.Profiles;

/// <summary>The value of a trait and where it came from. <paramref name="Value"/> is JSON text; the text <c>null</c> is a deletion, kept so that a late older value does not come back.</summary>
public readonly record struct Trait(ReadOnlyMemory<byte> Value, Instant At, string MessageId, string SourceId)
{
    public bool IsDeleted => Value.Span.SequenceEqual("null"u8);

    /// <summary>Last writer wins: by event time, then messageId, then source, so that arrival order does not matter.</summary>
    public bool Supersedes(in Trait other)
    {
        var order = At.CompareTo(other.At);
        if (order == 0)
            order = string.CompareOrdinal(MessageId, other.MessageId);
        if (order == 0)
            order = string.CompareOrdinal(SourceId, other.SourceId);
        return order > 0;
    }
}

/// <summary>An identifier a profile owns; the source and message are those of its earliest event.</summary>
/// <param name="AddedAt">When the first event that brought it was received: what limits per day, week, month and year count by.</param>
/// <param name="Quarantined">Seen with too many others: it still leads here, but links nobody.</param>
public sealed record OwnedIdentifier(
    Identifier Identifier, Instant FirstSeenAt, Instant LastSeenAt, string SourceId, string MessageId, Instant AddedAt, bool Quarantined = false)
{
    private static readonly Instant Never = new(long.MaxValue);

    public static OwnedIdentifier Of(Identifier identifier, Event e) =>
        new(identifier, e.Timestamp, e.Timestamp, e.SourceId, e.MessageId, e.ReceivedAt);

    /// <summary>Owned, and nothing known yet of when it was seen: that is folded in anew.</summary>
    public OwnedIdentifier Unseen() => this with { FirstSeenAt = Never, LastSeenAt = new Instant(long.MinValue), SourceId = "", MessageId = "" };

    public bool IsUnseen => FirstSeenAt == Never;

    public OwnedIdentifier With(OwnedIdentifier other)
    {
        var earlier = other.FirstSeenAt < FirstSeenAt || (other.FirstSeenAt == FirstSeenAt && string.CompareOrdinal(other.MessageId, MessageId) < 0);
        var first = earlier ? other : this;
        return new OwnedIdentifier(
            Identifier, first.FirstSeenAt, other.LastSeenAt > LastSeenAt ? other.LastSeenAt : LastSeenAt, first.SourceId, first.MessageId,
            other.AddedAt < AddedAt ? other.AddedAt : AddedAt, Quarantined || other.Quarantined);
    }
}

/// <summary>
/// An identifier this profile owned once and must not list again, whatever a stale look-up says: it was detached, or given back by an unmerge.
/// </summary>
/// <param name="To">The profile an unmerge gave it to; null where it was detached. Until the index says so too, who looks for it is led there.</param>
/// <param name="Quarantined">Seen with too many others since.</param>
public sealed record ReleasedIdentifier(OwnedIdentifier Was, ProfileId? To, Instant At, bool Quarantined = false)
{
    public Identifier Identifier => Was.Identifier;
}

/// <summary>A person's decision that two profiles are not one: no identifier of the one side links to one of the other any more.</summary>
/// <param name="Ours">What this profile owned when they were parted.</param>
/// <param name="Theirs">What the other one owned.</param>
public sealed record LinkRejection(string MergeId, IReadOnlyList<Identifier> Ours, IReadOnlyList<Identifier> Theirs)
{
    public bool Forbids(Identifier first, Identifier second) =>
        (Ours.Contains(first) && Theirs.Contains(second)) || (Theirs.Contains(first) && Ours.Contains(second));
}

/// <summary>An unmerge under way, in the document of the profile that is left.</summary>
/// <param name="Loser">The profile that comes back.</param>
/// <param name="Version">The document's version at which it was parted: it counts no events of earlier versions until the unmerge is done.</param>
/// <param name="Family">The loser and all that had been merged into it: what was first committed to one of them goes back.</param>
/// <param name="Given">The identifiers that go back.</param>
public sealed record Split(string MergeId, ProfileId Loser, long Version, IReadOnlyList<ProfileId> Family, IReadOnlyList<OwnedIdentifier> Given)
{
    /// <summary>
    /// Whether an event of the common timeline belongs to the one who leaves: what they brought along, and what came later under identifiers that
    /// are all theirs.
    /// </summary>
    /// <param name="identifiers">All that the event carries.</param>
    public bool Takes(ProfileId firstProfile, EventIdentifiers identifiers) =>
        Family.Contains(firstProfile) || identifiers.AreAllAmong(Gives);

    private bool Gives(Identifier identifier)
    {
        foreach (var given in Given)
        {
            if (given.Identifier == identifier)
                return true;
        }

        return false;
    }
}

public enum MergeState
{
    Fencing,
    Copying,
    Done,
    Undone,
}

/// <summary>A merge this profile won, as <c>/identities</c> shows it.</summary>
/// <param name="LinkedBy">The identifier of the message that led to the one profile.</param>
/// <param name="LinkedTo">The identifier of the message that led to the other.</param>
/// <param name="PartedFrom">The profile that had both when the merge was undone: the winner, or one that had absorbed it since.</param>
public sealed record MergeRecord(
    string Id, ProfileId Winner, ProfileId Loser, Instant At, string MessageId, Identifier LinkedBy, Identifier LinkedTo, MergeState State, Instant? UndoneAt,
    ProfileId? PartedFrom = null);

/// <summary>A decision of the identity rules against an identifier of an event, as <c>/identities</c> shows it.</summary>
/// <param name="Action">One of <see cref="DecisionAction"/>.</param>
/// <param name="Rule">The rule that decided, such as <c>user_id.limit</c>.</param>
public sealed record IdentityDecision(Instant At, string MessageId, Identifier Identifier, string Action, string Rule)
{
    public const string Detached = ".detached";
    public const string Quarantined = ".quarantined";

    /// <summary>Decided by what became of the identifier before, not by this message.</summary>
    public bool LeftAside => Rule.EndsWith(Detached, StringComparison.Ordinal) || Rule.EndsWith(Quarantined, StringComparison.Ordinal);
}

/// <summary>What <see cref="IdentityDecision.Action"/> says, on the wire.</summary>
public static class DecisionAction
{
    /// <summary>The identifier was left out of an event and stayed where it was.</summary>
    public const string Dropped = "dropped";

    /// <summary>A link between two profiles was not taken.</summary>
    public const string Refused = "refused";

    /// <summary>Two different people use the identifier: it links nobody any more.</summary>
    public const string Detached = "detached";

    /// <summary>Seen with too many others: it links nobody any more.</summary>
    public const string Quarantined = "quarantined";

    /// <summary>A person has taken the quarantine back.</summary>
    public const string Released = "released";

    /// <summary>The profile is full: a merged profile's traits stayed on its events.</summary>
    public const string TraitsRefused = "traits-refused";
}

/// <summary>
/// A merge under way, in the winner's document. The loser's identifiers are reserved from here on: the winner takes no identifier
/// that would not fit beside them.
/// </summary>
/// <param name="Folded">The loser's document is part of this one.</param>
public sealed record Absorption(string MergeId, ProfileId Loser, bool Folded, IReadOnlyList<Identifier> Reserved)
{
    /// <summary>Of the same merge: the two may have been merged before, and parted again.</summary>
    public bool IsSame(Absorption other) => Loser == other.Loser && MergeId == other.MergeId;
}
