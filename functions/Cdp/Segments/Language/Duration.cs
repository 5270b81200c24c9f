using System.Globalization;

namespace Cdp.Segments.Language;

/// <summary>A span of time as definitions write it: a positive whole number and one of s, m, h, d, w. A day is 24 hours.</summary>
public readonly record struct Duration(long Milliseconds)
{
    /// <summary>A hundred years: whatever is longer is meant as "ever", and sums of times must not overflow.</summary>
    public const long MostMilliseconds = 36_525L * 86_400_000;

    private const string Units = "smhdw";
    private static readonly long[] UnitMilliseconds = [1000, 60_000, 3_600_000, 86_400_000, 604_800_000];

    public static bool TryParse(string text, out Duration duration)
    {
        duration = default;
        if (text.Length is < 2 or > 12)
            return false;
        var unit = Units.IndexOf(text[^1], StringComparison.Ordinal);
        if (unit < 0 || !long.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return false;
        if (number <= 0 || number > MostMilliseconds / UnitMilliseconds[unit])
            return false;
        duration = new Duration(number * UnitMilliseconds[unit]);
        return true;
    }

    /// <summary>In days if it is whole days, else in the largest unit that fits.</summary>
    public override string ToString()
    {
        for (var unit = 3; unit > 0; unit--)
        {
            if (Milliseconds % UnitMilliseconds[unit] == 0)
                return Milliseconds / UnitMilliseconds[unit] + Units[unit].ToString();
        }

        return Milliseconds / UnitMilliseconds[0] + "s";
    }
}
