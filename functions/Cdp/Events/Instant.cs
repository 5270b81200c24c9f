using System.Text;

namespace Cdp.Events;

/// <summary>A moment in milliseconds since 1970-01-01T00:00:00Z, the resolution of every time in this product.</summary>
public readonly record struct Instant(long Milliseconds) : IComparable<Instant>
{
    /// <summary>Length of the wire form, <c>2026-01-02T03:04:05.678Z</c>.</summary>
    public const int TextLength = 24;

    public static Instant Now(TimeProvider time) => Of(time.GetUtcNow());

    public static Instant Of(DateTimeOffset time) => new(time.ToUnixTimeMilliseconds());

    public DateTimeOffset ToDateTimeOffset() => DateTimeOffset.FromUnixTimeMilliseconds(Milliseconds);

    public Instant Plus(TimeSpan span) => new(Milliseconds + (long)span.TotalMilliseconds);

    public int CompareTo(Instant other) => Milliseconds.CompareTo(other.Milliseconds);

    public static bool operator <(Instant left, Instant right) => left.Milliseconds < right.Milliseconds;

    public static bool operator >(Instant left, Instant right) => left.Milliseconds > right.Milliseconds;

    public static bool operator <=(Instant left, Instant right) => left.Milliseconds <= right.Milliseconds;

    public static bool operator >=(Instant left, Instant right) => left.Milliseconds >= right.Milliseconds;

    /// <summary>The wire form: UTC with milliseconds.</summary>
    public override string ToString()
    {
        Span<byte> text = stackalloc byte[TextLength];
        Write(text);
        return Encoding.ASCII.GetString(text);
    }

    /// <summary>Writes the wire form, exactly <see cref="TextLength"/> ASCII bytes.</summary>
    public void Write(Span<byte> destination)
    {
        // By hand: every event is stamped several times, and a format string is taken apart at each use.
        var time = ToDateTimeOffset().UtcDateTime;
        Digits(destination, 0, 4, time.Year);
        destination[4] = destination[7] = (byte)'-';
        Digits(destination, 5, 2, time.Month);
        Digits(destination, 8, 2, time.Day);
        destination[10] = (byte)'T';
        Digits(destination, 11, 2, time.Hour);
        destination[13] = destination[16] = (byte)':';
        Digits(destination, 14, 2, time.Minute);
        Digits(destination, 17, 2, time.Second);
        destination[19] = (byte)'.';
        Digits(destination, 20, 3, time.Millisecond);
        destination[23] = (byte)'Z';
    }

    private static void Digits(Span<byte> destination, int start, int count, int value)
    {
        for (var i = start + count - 1; i >= start; i--, value /= 10)
            destination[i] = (byte)('0' + (value % 10));
    }
}
