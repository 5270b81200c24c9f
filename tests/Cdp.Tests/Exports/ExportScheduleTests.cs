using System.Globalization;
using Cdp.Events;
using Cdp.Exports;
using Cdp.Segments;
using NCrontab;

namespace Cdp.Tests.Exports;

public sealed class ExportScheduleTests
{
    [Theory]
    // Daily at six: the start is not included, the end is.
    [InlineData("0 0 6 * * *", "2026-03-01T05:59:59.999Z", "2026-03-01T06:00:00.000Z", "2026-03-01T06:00:00.000Z")]
    [InlineData("0 0 6 * * *", "2026-03-01T06:00:00.000Z", "2026-03-02T05:59:59.999Z", null)]
    [InlineData("0 0 6 * * *", "2026-03-01T06:00:00.000Z", "2026-03-02T06:00:00.001Z", "2026-03-02T06:00:00.000Z")]
    // An outage of a week: the latest alone.
    [InlineData("0 0 6 * * *", "2026-03-01T06:00:00.000Z", "2026-03-08T05:00:00.000Z", "2026-03-07T06:00:00.000Z")]
    [InlineData("* * * * * *", "2026-03-01T06:00:00.500Z", "2026-03-01T06:00:00.999Z", null)]
    [InlineData("* * * * * *", "2016-03-01T06:00:00.500Z", "2026-03-01T06:00:01.000Z", "2026-03-01T06:00:01.000Z")]
    // Leap days are further apart than a year.
    [InlineData("0 0 0 29 2 *", "2023-01-01T00:00:00.000Z", "2027-12-31T00:00:00.000Z", "2024-02-29T00:00:00.000Z")]
    [InlineData("0 30 8 * * 1", "2026-03-01T00:00:00.000Z", "2026-03-31T00:00:00.000Z", "2026-03-30T08:30:00.000Z")]
    [InlineData("0 0 6 * * *", "2026-03-02T06:00:00.000Z", "2026-03-01T06:00:00.000Z", null)]
    public void Due_IsTheLatestTimeInTheInterval(string schedule, string after, string until, string? due) =>
        Assert.Equal(due, ExportSchedule.Due([Segment("vip", schedule)], At(after), At(until)).Select(static export => export.At.ToString()).SingleOrDefault());

    [Fact]
    public void Due_OfManySegments_ComesInOrder()
    {
        SegmentDefinition[] segments = [Segment("b", "0 0 6 * * *"), Segment("a", "0 0 6 * * *"), Segment("early", "0 0 5 * * *"), Segment("never", null), Segment("later", "0 0 7 * * *")];

        Assert.Equal(
            ["early", "a", "b"],
            ExportSchedule.Due(segments, At("2026-03-01T00:00:00.000Z"), At("2026-03-01T06:30:00.000Z")).Select(static export => export.Segment.Id));
    }

    /// <summary>However time is cut into intervals, nothing is missed and nothing is due twice.</summary>
    [Fact]
    public void ConsecutiveIntervals_FindEachTimeOnce()
    {
        for (var seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            var schedule = $"{random.Next(60)} {random.Next(60)} */{random.Next(1, 12)} * * *";
            var (start, end) = (At("2026-03-01T00:00:00.000Z"), At("2026-03-04T00:00:00.000Z"));
            var found = new List<DateTime>();
            // Shorter than the distance of two times, so that none is skipped.
            for (var from = start; from < end;)
            {
                var to = from.Plus(TimeSpan.FromMilliseconds(random.Next(1, 3_600_000)));
                to = to < end ? to : end;
                found.AddRange(ExportSchedule.Due([Segment("vip", schedule)], from, to).Select(static export => export.At.ToDateTimeOffset().UtcDateTime));
                from = to;
            }

            var expected = CrontabSchedule.Parse(schedule, new CrontabSchedule.ParseOptions { IncludingSeconds = true })
                .GetNextOccurrences(start.ToDateTimeOffset().UtcDateTime, end.ToDateTimeOffset().UtcDateTime);
            Assert.Equal(expected, found);
        }
    }

    private static Instant At(string time) => Instant.Of(DateTimeOffset.Parse(time, CultureInfo.InvariantCulture));

    private static SegmentDefinition Segment(string id, string? schedule)
    {
        var export = schedule is null ? "" : $$""","export":{"schedule":"{{schedule}}"}""";
        return SegmentDefinition.Parse(System.Text.Encoding.UTF8.GetBytes($$"""{"id":"{{id}}","where":{"trait":"plan","eq":"vip"}{{export}}}""")).Definition!;
    }
}
