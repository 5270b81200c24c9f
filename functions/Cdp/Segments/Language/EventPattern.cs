using System.Collections.Immutable;
using NodaTime;

namespace Cdp.Segments.Language;

/// <summary>Which events are meant: a name, filters on what is in them, and local times.</summary>
/// <param name="Event">The name of a track call, or <c>$page</c>, <c>$screen</c>, <c>$identify</c>, <c>$group</c>.</param>
/// <param name="LiveOnly">Imported events are none of these. Not part of the language: triggers alone ask for it, which imports must not set off.</param>
public sealed record EventPattern(string Event, ImmutableArray<PropertyFilter> Where, LocalTimes? On, bool LiveOnly = false);

/// <summary>Tests of the value at a path of the event; all must hold, and of one and the same value.</summary>
public sealed record PropertyFilter(PropertyPath Path, ImmutableArray<Comparison> Tests);

/// <summary>
/// The local day and hour of an event, in a time zone. <see cref="From"/> and <see cref="To"/> are milliseconds of the day, from inclusive, to
/// exclusive; from after to wraps midnight, and the day is still the event's own: Friday from 22:00 to 02:00 has the first two hours of Friday.
/// </summary>
/// <param name="Days">A bit for each day, Monday is bit 0; null for every day.</param>
public sealed record LocalTimes(int? Days, int? From, int? To, DateTimeZone Zone)
{
    public static readonly ImmutableArray<string> DayNames = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    private const int MillisecondsPerDay = 86_400_000;

    public bool Contains(Events.Instant at)
    {
        var offset = Zone.GetUtcOffset(NodaTime.Instant.FromUnixTimeMilliseconds(at.Milliseconds)).Milliseconds;
        var local = at.Milliseconds + offset;
        var day = (long)Math.Floor(local / (double)MillisecondsPerDay);
        var time = local - (day * MillisecondsPerDay);
        // 1970-01-01 was a Thursday.
        if (Days is { } days && (days & (1 << (int)((((day + 3) % 7) + 7) % 7))) == 0)
            return false;
        if (From is not { } from || To is not { } to)
            return true;
        return from < to ? time >= from && time < to : time >= from || time < to;
    }

    public override string ToString()
    {
        var parts = new List<string>();
        if (Days is { } days)
            parts.Add(string.Join(", ", DayNames.Where((_, day) => (days & (1 << day)) != 0)));
        if (From is { } from && To is { } to)
            parts.Add($"{Clock(from)} to {Clock(to)}");
        return string.Join(" ", parts) + " " + Zone.Id;
    }

    private static string Clock(int milliseconds) => $"{milliseconds / 3_600_000:00}:{milliseconds / 60_000 % 60:00}";
}
