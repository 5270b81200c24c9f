namespace Cdp.Events;

/// <summary>
/// Times as senders write them: calendar dates of ISO 8601, with or without time, seconds, fraction and offset, in the extended form, such as
/// <c>2026-01-02</c>, <c>2026-01-02T03:04Z</c> and <c>2026-01-02 03:04:05.678901+02:00</c>, or in the basic one, such as
/// <c>20260102T030405Z</c>. Without an offset it is UTC. Week dates (<c>2026-W01-5</c>) and ordinal dates (<c>2026-002</c>) are not taken.
/// </summary>
public static class IsoTime
{
    private const long MillisecondsPerDay = 86_400_000;

    /// <summary>Cuts the fraction to milliseconds. A leap second is the first one of the next minute.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out Instant instant)
    {
        instant = default;
        if (!Digits(ref text, 4, out var year))
            return false;
        var extended = Take(ref text, '-');
        if (!Digits(ref text, 2, out var month) || Take(ref text, '-') != extended || !Digits(ref text, 2, out var day))
            return false;
        if (year < 1 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month))
            return false;
        var milliseconds = (new DateOnly(year, month, day).DayNumber - DateOnly.FromDateTime(DateTime.UnixEpoch).DayNumber) * MillisecondsPerDay;
        if (text.IsEmpty)
        {
            instant = new Instant(milliseconds);
            return true;
        }

        if (!Take(ref text, 'T') && !Take(ref text, 't') && !Take(ref text, ' '))
            return false;
        if (!TimeOfDay(ref text, extended, out var time) || !Offset(ref text, out var offset) || !text.IsEmpty)
            return false;
        instant = new Instant(milliseconds + time - offset);
        return true;
    }

    private static bool TimeOfDay(ref ReadOnlySpan<byte> text, bool extended, out long milliseconds)
    {
        milliseconds = 0;
        if (!Digits(ref text, 2, out var hour) || Take(ref text, ':') != extended || !Digits(ref text, 2, out var minute) || hour > 23 || minute > 59)
            return false;
        milliseconds = ((hour * 60) + minute) * 60_000L;
        if (extended ? !Take(ref text, ':') : text.IsEmpty || !char.IsAsciiDigit((char)text[0]))
            return true;
        if (!Digits(ref text, 2, out var second) || second > 60)
            return false;
        milliseconds += second * 1000;
        return (!Take(ref text, '.') && !Take(ref text, ',')) || Fraction(ref text, ref milliseconds);
    }

    private static bool Fraction(ref ReadOnlySpan<byte> text, ref long milliseconds)
    {
        var unit = 100;
        var digits = 0;
        while (!text.IsEmpty && char.IsAsciiDigit((char)text[0]))
        {
            milliseconds += (text[0] - '0') * unit;
            unit /= 10;
            digits++;
            text = text[1..];
        }

        return digits > 0;
    }

    private static bool Offset(ref ReadOnlySpan<byte> text, out long milliseconds)
    {
        milliseconds = 0;
        if (text.IsEmpty || Take(ref text, 'Z') || Take(ref text, 'z'))
            return true;
        var sign = Take(ref text, '+') ? 1 : Take(ref text, '-') ? -1 : 0;
        if (sign == 0 || !Digits(ref text, 2, out var hours) || hours > 23)
            return false;
        var minutes = 0;
        if ((Take(ref text, ':') || !text.IsEmpty) && (!Digits(ref text, 2, out minutes) || minutes > 59))
            return false;
        milliseconds = sign * ((hours * 60) + minutes) * 60_000L;
        return true;
    }

    private static bool Take(ref ReadOnlySpan<byte> text, char expected)
    {
        if (text.IsEmpty || text[0] != expected)
            return false;
        text = text[1..];
        return true;
    }

    private static bool Digits(ref ReadOnlySpan<byte> text, int count, out int value)
    {
        value = 0;
        if (text.Length < count)
            return false;
        foreach (var b in text[..count])
        {
            if (!char.IsAsciiDigit((char)b))
                return false;
            value = (value * 10) + (b - '0');
        }

        text = text[count..];
        return true;
    }
}
