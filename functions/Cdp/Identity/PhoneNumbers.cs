using System.Text;

namespace Cdp.Identity;

/// <summary>Phone numbers in one form: digits, with a leading + where the country is known (E.164).</summary>
internal static class PhoneNumbers
{
    private const int Shortest = 5;

    // E.164 allows 15; the longest national habit of writing extensions behind them is not supported.
    private const int Longest = 15;

    private const int NorthAmericanWithTrunk = 11;
    private const int RussianWithTrunk = 11;

    /// <summary>The number, or null where the text is none.</summary>
    /// <param name="countryCode">
    /// Put in front of national numbers, in the place of their trunk prefix; without it they stay digits. Digits with the country code but
    /// without a + look like a national number and are taken for one, but in North America (11 digits from 1 on).
    /// </param>
    public static string? Normalise(string value, string? countryCode)
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
        if (countryCode is not null && text[0] != '+')
            text.Remove(0, TrunkPrefix(text, countryCode)).Insert(0, countryCode).Insert(0, '+');
        var digits = text.Length - (text[0] == '+' ? 1 : 0);
        return digits is >= Shortest and <= Longest ? text.ToString() : null;
    }

    /// <summary>How many digits in front of a national number are dialled inside the country only.</summary>
    private static int TrunkPrefix(StringBuilder number, string countryCode) => countryCode switch
    {
        "1" => number.Length == NorthAmericanWithTrunk && number[0] == '1' ? 1 : 0,
        "7" => number.Length == RussianWithTrunk && number[0] is '7' or '8' ? 1 : 0,
        "36" => number is ['0', '6', ..] ? 2 : 0,
        // Italy, San Marino, Ivory Coast, Congo: the zero is part of the number.
        "39" or "378" or "225" or "242" => 0,
        _ => number[0] == '0' ? 1 : 0,
    };
}
