using System.Text.Json;
using Cdp.Events;

namespace Cdp.Catalog;

/// <summary>What a value in an event can be. A time is a string of ISO 8601.</summary>
internal enum PropertyType
{
    String,
    Number,
    Boolean,
    Time,
    List,
    Object,
    Null,
}

internal static class PropertyTypes
{
    public const int Count = (int)PropertyType.Null + 1;

    private const int ShortestTime = 8;
    private const int LongestTime = 40;

    private static readonly string[] Names = ["string", "number", "boolean", "time", "list", "object", "null"];

    public static string Name(this PropertyType type) => Names[(int)type];

    public static bool TryParse(string name, out PropertyType type)
    {
        var index = Array.IndexOf(Names, name);
        type = (PropertyType)Math.Max(index, 0);
        return index >= 0;
    }

    /// <param name="reader">At the value's first token.</param>
    public static PropertyType Of(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.String => IsTime(ref reader) ? PropertyType.Time : PropertyType.String,
        JsonTokenType.Number => PropertyType.Number,
        JsonTokenType.True or JsonTokenType.False => PropertyType.Boolean,
        JsonTokenType.StartArray => PropertyType.List,
        JsonTokenType.StartObject => PropertyType.Object,
        _ => PropertyType.Null,
    };

    // Most texts are no times, and their first byte says so.
    private static bool IsTime(ref Utf8JsonReader reader)
    {
        var text = reader.ValueSpan;
        return text.Length is >= ShortestTime and <= LongestTime && char.IsAsciiDigit((char)text[0]) && text.Contains((byte)'-') && !reader.ValueIsEscaped
            && IsoTime.TryParse(text, out _);
    }
}
