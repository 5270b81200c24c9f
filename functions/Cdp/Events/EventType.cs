namespace Cdp.Events;

/// <summary>The calls of the Segment specification. https://segment.com/docs/connections/spec/</summary>
public enum EventType
{
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
}

public static class EventTypes
{
    private static readonly string[] Names = ["track", "identify", "page", "screen", "group", "alias"];

    public static string Name(this EventType type) => Names[(int)type];

    public static bool TryParse(string? name, out EventType type)
    {
        var index = Array.IndexOf(Names, name);
        type = (EventType)Math.Max(index, 0);
        return index >= 0;
    }
}
