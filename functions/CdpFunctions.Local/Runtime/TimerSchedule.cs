using NCrontab;

namespace CdpFunctions.Local.Runtime;

/// <summary>When a timer fires: an NCRONTAB expression of six fields (or five, without seconds) in UTC, or a fixed time span.</summary>
internal sealed class TimerSchedule
{
    private readonly Func<DateTime, DateTime> _next;

    private TimerSchedule(Func<DateTime, DateTime> next) => _next = next;

    /// <exception cref="LocalHostException">It is neither.</exception>
    public static TimerSchedule Parse(string expression, string function)
    {
        var fields = expression.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Length;
        var options = new CrontabSchedule.ParseOptions { IncludingSeconds = fields == 6 };
        if (CrontabSchedule.TryParse(expression, options) is { } cron) return new TimerSchedule(cron.GetNextOccurrence);
        if (TimeSpan.TryParse(expression, out var interval) && interval > TimeSpan.Zero) return new TimerSchedule(now => now + interval);
        throw new LocalHostException($"The schedule '{expression}' of the function {function} is neither an NCRONTAB expression of 6 fields nor a time span: correct it.");
    }

    /// <summary>The first occurrence after <paramref name="now"/>.</summary>
    public DateTimeOffset Next(DateTimeOffset now) => new(DateTime.SpecifyKind(_next(now.UtcDateTime), DateTimeKind.Utc));

    /// <summary>Whether it fires more than once a minute; the host does not record the status of such schedules.</summary>
    public bool IsSubMinute(DateTimeOffset now)
    {
        var first = Next(now);
        return Next(first) - first < TimeSpan.FromMinutes(1);
    }
}
