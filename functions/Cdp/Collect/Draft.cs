using Cdp.Events;
using Cdp.Problems;

namespace Cdp.Collect;

/// <summary>A stretch of the request's body; an empty one stands for "not there".</summary>
internal readonly record struct Slice(int Start, int End)
{
    public int Length => End - Start;

    public bool IsEmpty => End == Start;

    public ReadOnlySpan<byte> Of(ReadOnlySpan<byte> body) => body[Start..End];
}

/// <summary>Why an event cannot be taken.</summary>
/// <param name="Path">Where within the event, such as <c>properties.total</c>; empty for the event as a whole.</param>
internal sealed record Refused(ProblemType Type, string Detail, string Path);

/// <summary>What one pass over an event found: where its parts stand, and whether it can be taken.</summary>
internal struct Draft
{
    public Slice Text;
    public int FirstMember;
    public int MemberCount;
    public EventType Type;

    /// <summary>The value as sent, with its quotes; empty where one has to be made.</summary>
    public Slice MessageId;

    /// <summary>The sender's time as sent, with its quotes.</summary>
    public Slice ClientTimeText;
    public Instant ClientTime;

    /// <summary>The value as sent, which may be null.</summary>
    public Slice SentAtText;
    public Instant? SentAt;

    /// <summary>The value as sent: an object or null.</summary>
    public Slice Context;
    public bool ContextIsEmpty;
    public bool ContextHasAddress;
    public bool ContextHasUserAgent;

    /// <summary>The value as sent, where it is an object or null.</summary>
    public Slice Integrations;

    /// <summary>integrations is something else, which stays as it is.</summary>
    public bool HasOtherIntegrations;

    /// <summary>A usable userId or anonymousId was seen; otherwise the whole event has to be looked through for identifiers.</summary>
    public bool Identified;

    /// <summary>The event is an alias whose previousId names somebody.</summary>
    public bool HasPrevious;

    /// <summary>Null where the event can be taken.</summary>
    public Refused? Refused;
}
