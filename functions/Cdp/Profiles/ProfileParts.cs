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
public sealed record OwnedIdentifier(Identifier Identifier, Instant FirstSeenAt, Instant LastSeenAt, string SourceId, string MessageId)
{
    public OwnedIdentifier Seen(Instant at, string sourceId, string messageId)
    {
        var earlier = at < FirstSeenAt || (at == FirstSeenAt && string.CompareOrdinal(messageId, MessageId) < 0);
        return this with
        {
            FirstSeenAt = earlier ? at : FirstSeenAt,
            SourceId = earlier ? sourceId : SourceId,
            MessageId = earlier ? messageId : MessageId,
            LastSeenAt = at > LastSeenAt ? at : LastSeenAt,
        };
    }

    public OwnedIdentifier With(OwnedIdentifier other)
    {
        var merged = Seen(other.FirstSeenAt, other.SourceId, other.MessageId);
        return other.LastSeenAt > merged.LastSeenAt ? merged with { LastSeenAt = other.LastSeenAt } : merged;
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
/// <param name="Link">The two identifiers that a message showed to be of the same person.</param>
public sealed record MergeRecord(
    string Id, ProfileId Winner, ProfileId Loser, Instant At, string MessageId, Identifier LinkedBy, Identifier LinkedTo, MergeState State, Instant? UndoneAt);

/// <summary>A decision of the identity rules against an identifier of an event, as <c>/identities</c> shows it.</summary>
/// <param name="Action"><c>dropped</c>: the identifier stayed where it was; <c>refused</c>: a link between two profiles was not taken.</param>
/// <param name="Rule">The type whose rule decided, such as <c>user_id.limit</c>.</param>
public sealed record IdentityDecision(Instant At, string MessageId, Identifier Identifier, string Action, string Rule);

/// <summary>
/// A merge under way, in the winner's document. The loser's identifiers are reserved from here on: the winner takes no identifier
/// that would not fit beside them.
/// </summary>
/// <param name="Folded">The loser's document is part of this one.</param>
public sealed record Absorption(string MergeId, ProfileId Loser, bool Folded, IReadOnlyList<Identifier> Reserved);
