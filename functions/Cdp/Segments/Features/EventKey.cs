namespace Cdp.Segments.Features;

/// <summary>The place of an event in the order of a timeline: time, then messageId. The source decides only between events that share both.</summary>
internal readonly record struct EventKey(long Time, string MessageId, string SourceId) : IComparable<EventKey>
{
    public static EventKey Of(Events.Event e) => new(e.Timestamp.Milliseconds, e.MessageId, e.SourceId);

    public int CompareTo(EventKey other)
    {
        var order = CompareInSequence(other);
        return order == 0 ? string.CompareOrdinal(SourceId, other.SourceId) : order;
    }

    /// <summary>By time and messageId alone, as sequences have it: of two events that share both none is after the other.</summary>
    public int CompareInSequence(EventKey other)
    {
        var order = Time.CompareTo(other.Time);
        return order == 0 ? string.CompareOrdinal(MessageId, other.MessageId) : order;
    }
}
