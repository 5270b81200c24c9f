namespace Cdp.Identity;

/// <summary>How values of a type are brought to one form, so that the same identifier compares equal from every source.</summary>
public enum Normalisation
{
    /// <summary>White space around is removed; case is kept.</summary>
    Trim,

    /// <summary>Trimmed and lower-cased.</summary>
    Lower,

    /// <summary>Trimmed and lower-cased. Dots and plus tags stay: whether they matter is up to the mail provider.</summary>
    Email,

    /// <summary>Digits, with a leading + where the country code was given (as + or 00) or the type has a default one.</summary>
    Phone,

    /// <summary>Digits alone; separators are left out. A value with anything else, letters for example, is none: dropping them could make two the same.</summary>
    Digits,

    /// <summary>The SHA-256 of something the sender keeps to itself: 64 hexadecimal digits, lower-cased. Anything else is no value.</summary>
    Sha256,
}

/// <summary>A kind of identifier and the rules for it.</summary>
/// <param name="Name"><c>^[a-z][a-z0-9_]{0,63}$</c></param>
/// <param name="Priority">Smaller is stronger: the weakest identifier of an event is the one that is dropped where a rule forbids a link.</param>
/// <param name="Unique">Two different values never meet in one profile by a merge.</param>
/// <param name="Limit">How many values one profile holds.</param>
public sealed record IdentifierType(string Name, int Priority, bool Unique, IdentifierLimit Limit, Normalisation Normalisation)
{
    /// <summary>The longest value taken; longer ones are no identifiers.</summary>
    public const int LongestValue = 1024;

    /// <summary>Values of one other type that a non-unique identifier may be seen with: more than a person has, fewer than a till.</summary>
    public const int UsualQuarantine = 20;

    private const int Sha256Digits = 64;

    // RFC 5321 section 4.5.3.1.3, less the angle brackets.
    private const int LongestEmail = 254;

    /// <summary>
    /// Where it is read from, see <see cref="IdentifierPath"/>. Besides, every type is read from <c>context.externalIds</c>, and from
    /// <c>mergeProperties</c> of merge calls.
    /// </summary>
    public IReadOnlyList<string> Paths { get; init; } = [];

    /// <summary>What it is called as <c>type</c> in <c>context.externalIds</c> and <c>mergeProperties</c>, besides its name.</summary>
    public IReadOnlyList<string> ExternalIdTypes { get; init; } = [];

    /// <summary>For <see cref="Normalisation.Phone"/>: digits put in front of national numbers, such as <c>49</c>.</summary>
    public string? CountryCode { get; init; }

    public BlockedValues Blocked { get; init; } = BlockedValues.Default;

    public MergeSources MergeSources { get; init; } = MergeSources.Any;

    /// <summary>Seen with more than so many values of one other type an identifier is quarantined; null: never.</summary>
    public int? QuarantineAfter { get; init; } = Unique ? null : UsualQuarantine;

    /// <summary>The normalised value, or null where the text is no value of this type or is blocked, as it is sent or as it is normalised.</summary>
    public string? Normalise(string? text)
    {
        var trimmed = text?.Trim();
        if (string.IsNullOrEmpty(trimmed) || trimmed.Length > LongestValue)
            return null;
        var value = Normalisation switch
        {
            Normalisation.Lower => trimmed.ToLowerInvariant(),
            Normalisation.Email => Email(trimmed),
            Normalisation.Phone => PhoneNumbers.Normalise(trimmed, CountryCode),
            Normalisation.Digits => Digits(trimmed),
            Normalisation.Sha256 => Sha256(trimmed),
            _ => trimmed,
        };
        return value is null || Blocked.Contains(value) || (!ReferenceEquals(value, trimmed) && Blocked.Contains(trimmed)) ? null : value;
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

    private static string? Digits(string value)
    {
        Span<char> digits = stackalloc char[LongestValue];
        var length = 0;
        foreach (var c in value)
        {
            if (char.IsAsciiDigit(c))
                digits[length++] = c;
            else if (c is not (' ' or '-' or '.' or '(' or ')' or '/' or '_' or '\u00a0'))
                return null;
        }

        return length == 0 ? null : new string(digits[..length]);
    }

    private static string? Sha256(string value)
    {
        if (value.Length != Sha256Digits)
            return null;
        foreach (var c in value)
        {
            if (!char.IsAsciiHexDigit(c))
                return null;
        }

        return value.ToLowerInvariant();
    }
}
