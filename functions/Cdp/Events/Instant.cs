using System.Globalization;

namespace Cdp.Events;

/// <summary>A moment in milliseconds since 1970-01-01T00:00:00Z, the resolution of every time in this product.</summary>
public readonly record struct Instant(long Milliseconds) : IComparable<Instant>
{
    /// <summary>Length of the wire form, <c>2026-01-02T03:04:05.678Z</c>.</summary>
    public const int TextLength = 24;

    private const string Format = "yyyy-MM-ddTHH:mm:ss.fffZ";

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
    public override string ToString() => ToDateTimeOffset().UtcDateTime.ToString(Format, CultureInfo.InvariantCulture);

    /// <summary>Writes the wire form, exactly <see cref="TextLength"/> ASCII bytes.</summary>
    public void Write(Span<byte> destination)
    {
        if (!ToDateTimeOffset().UtcDateTime.TryFormat(destination, out var written, Format, CultureInfo.InvariantCulture) || written != TextLength)
            throw new ArgumentException($"{TextLength} bytes are needed", nameof(destination));
    }
}
