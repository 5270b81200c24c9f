using System.Text;

namespace Cdp.Identity;

/// <summary>How values of a type are brought to one form, so that the same identifier compares equal from every source.</summary>
public enum Normalisation
{
    /// <summary>White space around is removed; case is kept.</summary>
    Trim,

    /// <summary>Trimmed and lower-cased. Dots and plus tags stay: whether they matter is up to the mail provider.</summary>
    Email,

    /// <summary>Digits, with a leading + where the country code was given (as + or 00).</summary>
    Phone,
}

public sealed record IdentifierLimit(int Count, TimeSpan? Window = null);

/// <summary>A kind of identifier and the rules for it.</summary>
/// <param name="Name"><c>^[a-z][a-z0-9_]{0,63}$</c></param>
/// <param name="Priority">Smaller is stronger: the weakest identifier of an event is the one that is dropped where a rule forbids a link.</param>
/// <param name="Unique">Two different values never meet in one profile by a merge.</param>
/// <param name="Limit">How many values one profile holds, for ever.</param>
public sealed record IdentifierType(string Name, int Priority, bool Unique, IdentifierLimit Limit, Normalisation Normalisation, int? QuarantineAfter = 20)
{
    /// <summary>The longest value taken; longer ones are no identifiers.</summary>
    public const int LongestValue = 1024;

    private const int ShortestPhone = 5;

    // E.164 allows 15; the longest national habit of writing extensions behind them is not supported.
    private const int LongestPhone = 15;

    // RFC 5321 section 4.5.3.1.3, less the angle brackets.
    private const int LongestEmail = 254;

    /// <summary>The normalised value, or null where the text is no value of this type or is blocked.</summary>
    public string? Normalise(string? text)
    {
        var value = text?.Trim();
        if (string.IsNullOrEmpty(value) || value.Length > LongestValue)
            return null;
        value = Normalisation switch
        {
            Normalisation.Email => Email(value),
            Normalisation.Phone => Phone(value),
            _ => value,
        };
        return value is null || BlockedValues.Contains(value) ? null : value;
    }

    private static string? Email(string value)
    {
        var at = value.IndexOf('@', StringComparison.Ordinal);
        if (at <= 0 || at == value.Length - 1 || value.Length > LongestEmail || value.IndexOf('@', at + 1) >= 0)
            return null;
        foreach (var c in value)
        {
            if (char.IsWhiteSpace(c) || char.IsControl(c))
                return null;
        }

        return value.ToLowerInvariant();
    }

    private static string? Phone(string value)
    {
        var text = new StringBuilder(value.Length);
        foreach (var c in value)
        {
            if (char.IsAsciiDigit(c))
                text.Append(c);
            else if (c == '+' && text.Length == 0)
                text.Append(c);
            else if (c is not (' ' or '-' or '.' or '(' or ')' or '/' or '\u00a0'))
                return null;
        }

        // What forms are filled with where somebody has none.
        if (text.ToString().AsSpan().TrimStart('+').TrimStart('0').IsEmpty)
            return null;
        if (text.Length > 2 && text[0] == '0' && text[1] == '0')
            text.Remove(0, 2).Insert(0, '+');
        var digits = text.Length - (text.Length > 0 && text[0] == '+' ? 1 : 0);
        return digits is >= ShortestPhone and <= LongestPhone ? text.ToString() : null;
    }
}
