using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Cdp.Storage;

namespace Cdp.Segments.Matching;

public enum ScalarKind : byte
{
    /// <summary>Missing, or null.</summary>
    Absent,
    False,
    True,
    Number,
    Text,

    /// <summary>An object or a list: it exists, and equals nothing.</summary>
    Composite,
}

/// <summary>
/// A JSON value as the language sees it. Numbers are decimals, so 1 equals 1.0; a number is never equal to a text. The default is an absent value.
/// </summary>
public readonly record struct JsonScalar : IComparable<JsonScalar>
{
    private JsonScalar(ScalarKind kind, decimal number = 0, string? text = null)
    {
        Kind = kind;
        Number = number;
        Text = text;
    }

    public static JsonScalar Composite => new(ScalarKind.Composite);

    public ScalarKind Kind { get; }

    public decimal Number { get; }

    public string? Text { get; }

    public bool IsAbsent => Kind == ScalarKind.Absent;

    public static JsonScalar Of(string text) => new(ScalarKind.Text, text: text);

    public static JsonScalar Of(decimal number) => new(ScalarKind.Number, number);

    public static JsonScalar Of(bool value) => new(value ? ScalarKind.True : ScalarKind.False);

    /// <summary>The value the reader stands on. A number beyond decimals is taken for a composite: it exists, and compares with nothing.</summary>
    public static JsonScalar Read(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.String => Of(JsonText.Read(ref reader)),
        JsonTokenType.Number => reader.TryGetDecimal(out var number) ? Of(number) : Composite,
        JsonTokenType.True => Of(true),
        JsonTokenType.False => Of(false),
        JsonTokenType.Null => default,
        _ => Composite,
    };

    /// <summary>Some total order, for lists that have to come out the same whatever came first: booleans, numbers, texts.</summary>
    public int CompareTo(JsonScalar other)
    {
        var order = Kind.CompareTo(other.Kind);
        if (order == 0)
            order = Number.CompareTo(other.Number);
        return order == 0 ? string.CompareOrdinal(Text, other.Text) : order;
    }

    public static bool operator <(JsonScalar left, JsonScalar right) => left.CompareTo(right) < 0;

    public static bool operator >(JsonScalar left, JsonScalar right) => left.CompareTo(right) > 0;

    public static bool operator <=(JsonScalar left, JsonScalar right) => left.CompareTo(right) <= 0;

    public static bool operator >=(JsonScalar left, JsonScalar right) => left.CompareTo(right) >= 0;

    /// <summary>Stands for the value where many have to be told apart. Equal values have equal hashes, 1 and 1.0 too.</summary>
    internal Hash128 Hash() => Kind == ScalarKind.Text ? Hash128.Of("t", Text!) : Hash128.Of("j", ToJson());

    /// <summary>The JSON text; equal values have equal texts.</summary>
    public string ToJson() => Kind switch
    {
        ScalarKind.Absent => "null",
        ScalarKind.False => "false",
        ScalarKind.True => "true",
        ScalarKind.Number => PlainNumber(Number),
        ScalarKind.Text => '"' + Encoding.UTF8.GetString(JsonEncodedText.Encode(Text!.AsSpan(), JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes) + '"',
        _ => "{}",
    };

    public override string ToString() => ToJson();

    /// <summary>Without an exponent, and without zeros that say nothing.</summary>
    internal static string PlainNumber(decimal number) => number.ToString("0.############################", CultureInfo.InvariantCulture);
}
