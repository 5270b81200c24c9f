using System.Globalization;
using System.Text;
using System.Text.Json;
using Cdp.Events;

namespace Cdp.Webhooks.Mapping;

/// <summary>How a value becomes another kind of value: exactly, or not at all.</summary>
internal static class Conversions
{
    public const string Kinds = "text, number, boolean, time, unix, unix-ms, money";

    private const int LongestNumber = 100;
    private const decimal MillisecondsAtMost = 253_402_300_799_999m;

    // https://docs.stripe.com/currencies#zero-decimal and #three-decimal
    private static readonly HashSet<string> WithoutMinor = new(StringComparer.OrdinalIgnoreCase)
    {
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf",
    };

    private static readonly HashSet<string> InThousandths = new(StringComparer.OrdinalIgnoreCase) { "bhd", "jod", "kwd", "omr", "tnd" };

    private static readonly string[] MailTimes =
        ["ddd, d MMM yyyy H:mm:ss zzz", "ddd, d MMM yyyy H:mm zzz", "d MMM yyyy H:mm:ss zzz", "d MMM yyyy H:mm zzz"];

    public static bool IsKind(string kind) => kind is "text" or "number" or "boolean" or "time" or "unix" or "unix-ms" or "money";

    /// <param name="currency">For money; null where the payload names none.</param>
    /// <returns>JSON.</returns>
    /// <exception cref="MappingFaultException">It cannot become that.</exception>
    public static byte[] To(string kind, JsonElement value, string? currency) => kind switch
    {
        "text" => MappingJson.Quote(Text(value)),
        "number" => Encoding.ASCII.GetBytes(Number(value)),
        "boolean" => Boolean(value) ? "true"u8.ToArray() : "false"u8.ToArray(),
        "time" => Time(Mail(Text(value)) ?? throw new MappingFaultException("not a time of ISO 8601 or RFC 2822")),
        "unix" => Time(Unix(value, 1000)),
        "unix-ms" => Time(Unix(value, 1)),
        _ => Encoding.ASCII.GetBytes(Shift(Number(value), Decimals(currency))),
    };

    /// <summary>Of a text, a number or a boolean.</summary>
    public static string Text(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                try
                {
                    return value.GetString()!;
                }
                catch (InvalidOperationException)
                {
                    throw new MappingFaultException("a text with half of a surrogate pair");
                }

            case JsonValueKind.Number:
                return value.GetRawText();
            case JsonValueKind.True:
                return "true";
            case JsonValueKind.False:
                return "false";
            default:
                throw new MappingFaultException("an object or a list, and no text");
        }
    }

    /// <summary>The decimal text as a JSON number of exactly that value: digits stay as they are, also zeros at the end.</summary>
    public static string Number(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number)
            return value.GetRawText();
        if (value.ValueKind != JsonValueKind.String)
            throw new MappingFaultException("not a number");
        return Lexeme(Text(value).AsSpan().Trim()) ?? throw new MappingFaultException("not a number such as 12.50");
    }

    /// <summary>Null where it is no decimal number. Thousands separators are none: whether 1,234 is large or small depends on who wrote it.</summary>
    public static string? Lexeme(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > LongestNumber)
            return null;
        var negative = text[0] == '-';
        if (text[0] is '-' or '+')
            text = text[1..];
        var whole = Digits(text);
        var rest = text[whole..];
        var fraction = rest is ['.', ..] ? Digits(rest[1..]) : -1;
        if (fraction >= 0)
            rest = rest[(fraction + 1)..];
        if (whole + Math.Max(fraction, 0) == 0)
            return null;
        if (!rest.IsEmpty && !IsExponent(rest))
            return null;
        var integer = text[..whole].TrimStart('0');
        var lexeme = new StringBuilder(text.Length + 2);
        if (negative)
            lexeme.Append('-');
        lexeme.Append(integer.IsEmpty ? "0" : integer);
        if (fraction > 0)
            lexeme.Append('.').Append(text.Slice(whole + 1, fraction));
        return lexeme.Append(rest).ToString();
    }

    /// <summary>Times of ISO 8601 (Salesforce writes <c>2026-01-02T03:04:05.000+0000</c>) and of mails; null for anything else.</summary>
    public static Instant? Mail(string text)
    {
        if (text.Length > 64)
            return null;
        if (IsoTime.TryParse(Encoding.UTF8.GetBytes(text), out var time))
            return time;
        var zone = text.LastIndexOf(' ');
        if (zone < 0)
            return null;
        // Comments and zones by name, but for those of Greenwich, are of the past.
        var offset = text[(zone + 1)..];
        offset = offset is "GMT" or "UT" or "UTC" or "Z" ? "+00:00" : offset is ['+' or '-', _, _, _, _] ? offset.Insert(3, ":") : offset;
        return DateTimeOffset.TryParseExact(text[..zone] + " " + offset, MailTimes, CultureInfo.InvariantCulture, DateTimeStyles.AllowInnerWhite, out var parsed)
            ? Instant.Of(parsed)
            : null;
    }

    /// <summary>Whether two values are the same: 1 equals 1.0 and not "1".</summary>
    public static bool AreEqual(JsonElement a, JsonElement b)
    {
        if (a.ValueKind != b.ValueKind)
            return false;
        return a.ValueKind switch
        {
            JsonValueKind.Number => Compare(a, b) == 0,
            JsonValueKind.String => TextOrNull(a) is { } text && text == TextOrNull(b),
            JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null => true,
            _ => false,
        };
    }

    /// <summary>Null where one of them is no number that can be compared exactly.</summary>
    public static int? Compare(JsonElement a, JsonElement b)
    {
        if (a.ValueKind != JsonValueKind.Number || b.ValueKind != JsonValueKind.Number)
            return null;
        if (a.TryGetDecimal(out var left) && b.TryGetDecimal(out var right))
            return left.CompareTo(right);
        return a.GetRawText() == b.GetRawText() ? 0 : null;
    }

    public static string? TextOrNull(JsonElement value)
    {
        try
        {
            return value.ValueKind is JsonValueKind.Object or JsonValueKind.Array or JsonValueKind.Null or JsonValueKind.Undefined ? null : Text(value);
        }
        catch (MappingFaultException)
        {
            return null;
        }
    }

    private static bool Boolean(JsonElement value) => TextOrNull(value)?.Trim().ToLowerInvariant() switch
    {
        "true" or "1" => true,
        "false" or "0" => false,
        _ => throw new MappingFaultException("not true, false, 1 or 0"),
    };

    private static Instant Unix(JsonElement value, int factor)
    {
        if (!decimal.TryParse(Number(value), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) || number < 0 || number > MillisecondsAtMost / factor)
            throw new MappingFaultException(factor == 1 ? "not milliseconds since 1970" : "not seconds since 1970");
        return new Instant((long)(number * factor));
    }

    private static byte[] Time(Instant time) => Encoding.ASCII.GetBytes('"' + time.ToString() + '"');

    private static int Decimals(string? currency)
    {
        if (currency is null)
            throw new MappingFaultException("money without a currency");
        return WithoutMinor.Contains(currency) ? 0 : InThousandths.Contains(currency) ? 3 : 2;
    }

    /// <summary>Moves the decimal point to the left.</summary>
    private static string Shift(string lexeme, int places)
    {
        if (places == 0)
            return lexeme;
        var negative = lexeme[0] == '-';
        var digits = negative ? lexeme[1..] : lexeme;
        if (digits.AsSpan().IndexOfAnyExceptInRange('0', '9') >= 0)
            throw new MappingFaultException("not a whole number of the smallest unit");
        digits = digits.PadLeft(places + 1, '0');
        return string.Concat(negative ? "-" : "", digits.AsSpan(0, digits.Length - places), ".", digits.AsSpan(digits.Length - places));
    }

    private static int Digits(ReadOnlySpan<char> text) => text.IndexOfAnyExceptInRange('0', '9') is var end and >= 0 ? end : text.Length;

    private static bool IsExponent(ReadOnlySpan<char> text)
    {
        if (text[0] is not ('e' or 'E'))
            return false;
        text = text[1..];
        if (text is ['+' or '-', ..])
            text = text[1..];
        return !text.IsEmpty && Digits(text) == text.Length;
    }
}
