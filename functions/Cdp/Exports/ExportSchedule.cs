using Cdp.Events;
using Cdp.Segments;
using NCrontab;

namespace Cdp.Exports;

/// <summary>An export that is due by its schedule.</summary>
/// <param name="At">When it was due: what <see cref="ExportStore.StartAsync"/> is told, so that it starts once.</param>
public readonly record struct DueExport(SegmentDefinition Segment, Instant At);

/// <summary>What <c>export.schedule</c> means: six fields, seconds first, in UTC.</summary>
public static class ExportSchedule
{
    private static readonly CrontabSchedule.ParseOptions Options = new() { IncludingSeconds = true };

    // How far back the latest occurrence is looked for, step by step: a schedule of every second has millions of them in a month.
    private static readonly TimeSpan[] Reaches =
        [TimeSpan.FromMinutes(1), TimeSpan.FromHours(1), TimeSpan.FromDays(1), TimeSpan.FromDays(32), TimeSpan.FromDays(366)];

    /// <summary>
    /// The exports that became due after <paramref name="after"/> and until <paramref name="until"/>, that included, in the order they were due. Each segment
    /// once, with its latest time: after an outage the members of now are exported once, not as often as was missed.
    /// </summary>
    public static IReadOnlyList<DueExport> Due(IEnumerable<SegmentDefinition> segments, Instant after, Instant until)
    {
        var due = new List<DueExport>();
        foreach (var segment in segments)
        {
            if (segment.Export?.Schedule is { } schedule && Latest(schedule, after, until) is { } at)
                due.Add(new DueExport(segment, at));
        }

        return [.. due.OrderBy(static export => export.At).ThenBy(static export => export.Segment.Id, StringComparer.Ordinal)];
    }

    public static bool IsValid(string text) => CrontabSchedule.TryParse(text, Options) is not null;

    /// <summary>The latest time after <paramref name="after"/> and until <paramref name="until"/>, that included; null where there is none.</summary>
    public static Instant? Latest(string text, Instant after, Instant until)
    {
        // Definitions and settings are refused where this does not parse.
        var schedule = CrontabSchedule.Parse(text, Options);
        // Occurrences are on whole seconds, and asked for between two times neither of which is included.
        var end = until.ToDateTimeOffset().UtcDateTime.AddMilliseconds(1);
        var start = after.ToDateTimeOffset().UtcDateTime;
        foreach (var reach in Reaches)
        {
            var from = end - reach;
            if (Last(from > start ? from : start) is { } found)
                return found;
            if (from <= start)
                return null;
        }

        return Last(start);

        Instant? Last(DateTime from) => schedule.GetNextOccurrences(from, end).Select(static at => (Instant?)Instant.Of(new DateTimeOffset(at, TimeSpan.Zero))).LastOrDefault();
    }
}
