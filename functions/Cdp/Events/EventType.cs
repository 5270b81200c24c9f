namespace Cdp.Events;

/// <summary>The calls of the Segment specification, https://segment.com/docs/connections/spec/, and RudderStack's <c>merge</c>.</summary>
public enum EventType
{
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
    Merge,
}

public static class EventTypes
{
    private static readonly string[] Names = ["track", "identify", "page", "screen", "group", "alias", "merge"];

    /// <summary>The names of all types, for messages.</summary>
    public static string Listed { get; } = string.Join(", ", Names);

    public static string Name(this EventType type) => Names[(int)type];

    public static bool TryParse(string? name, out EventType type)
    {
        var index = Array.IndexOf(Names, name);
        type = (EventType)Math.Max(index, 0);
        return index >= 0;
    }
}
