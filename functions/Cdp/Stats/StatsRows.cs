using System.Globalization;
using Cdp.Events;
using Cdp.Storage;

namespace Cdp.Stats;

/// <summary>
/// Keys of the stats table:
/// <list type="bullet">
/// <item><c>{yyyyMMdd}</c>, <c>{HHmm}|{instance}</c>: the counts of one instance of the app in one minute, by source</item>
/// <item><c>total</c>, <c>{slot}</c>: the number of profiles, as a sum over a fixed number of slots</item>
/// </list>
/// </summary>
/// <remarks>Slots instead of instances, because instances come and go by the thousand and their rows would have to be swept.</remarks>
internal static class StatsRows
{
    public const string Totals = "total";
    public const int Slots = 64;

    public const long Minute = 60_000;

    public static long MinuteOf(Instant at) => at.Milliseconds / Minute;

    public static string Day(long minute) => Format(minute, "yyyyMMdd");

    public static string Key(long minute, string instance) => Format(minute, "HHmm") + RowKeys.Separator + instance;

    /// <summary>All instances from a minute (inclusive) to another of the same day (inclusive).</summary>
    public static (string From, string To) Keys(long first, long last) => (Format(first, "HHmm"), Format(last, "HHmm") + RowKeys.AfterSeparator);

    private static string Format(long minute, string format) =>
        new Instant(minute * Minute).ToDateTimeOffset().UtcDateTime.ToString(format, CultureInfo.InvariantCulture);
}
