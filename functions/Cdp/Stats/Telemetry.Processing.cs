using System.Diagnostics.Metrics;

namespace Cdp.Stats;

public static partial class Telemetry
{
    private static readonly Counter<long> EventsCommitted = Meter.CreateCounter<long>("cdp.events.committed");
    private static readonly Counter<long> EventsDuplicate = Meter.CreateCounter<long>("cdp.events.duplicates");
    private static readonly Counter<long> EventsFailed = Meter.CreateCounter<long>("cdp.events.failed");
    private static readonly Counter<long> CommitConflicts = Meter.CreateCounter<long>("cdp.commit.conflicts");
    private static readonly Counter<long> IdentityDecisions = Meter.CreateCounter<long>("cdp.identity.decisions");
    private static readonly Counter<long> Merges = Meter.CreateCounter<long>("cdp.merges");
    private static readonly Counter<long> OutboxSwept = Meter.CreateCounter<long>("cdp.outbox.swept");
    private static readonly Counter<long> Profiles = Meter.CreateCounter<long>("cdp.profiles");
    private static readonly Histogram<double> EventLatency = Meter.CreateHistogram<double>("cdp.event.latency", "s");

    /// <summary>An event is on a timeline for the first time.</summary>
    /// <param name="latency">From the collector's receipt to the commit.</param>
    public static void Committed(string source, TimeSpan latency)
    {
        Count(EventsCommitted, source, 1);
        if (EventLatency.Enabled)
            EventLatency.Record(latency.TotalSeconds, new KeyValuePair<string, object?>("source", source));
    }

    /// <summary>A message was taken before.</summary>
    public static void Duplicate(string source) => Count(EventsDuplicate, source, 1);

    /// <summary>An event went to the failures table.</summary>
    public static void Failed(string source, string reason)
    {
        if (EventsFailed.Enabled)
            EventsFailed.Add(1, new("source", source), new KeyValuePair<string, object?>("reason", reason));
    }

    /// <summary>A transaction was refused because somebody else wrote.</summary>
    public static void Conflicted() => CommitConflicts.Add(1);

    public static void Decided(string action) => IdentityDecisions.Add(1, new KeyValuePair<string, object?>("action", action));

    /// <param name="state">fencing, copying, done or refused.</param>
    public static void Merged(string state) => Merges.Add(1, new KeyValuePair<string, object?>("state", state));

    public static void Swept(int rows)
    {
        if (rows > 0)
            OutboxSwept.Add(rows);
    }

    /// <summary>The number of profiles, in total or of those with a user id, went up or down.</summary>
    public static void ProfilesChanged(int total, int identified)
    {
        if (total != 0)
            Profiles.Add(total, new KeyValuePair<string, object?>("kind", "total"));
        if (identified != 0)
            Profiles.Add(identified, new KeyValuePair<string, object?>("kind", "identified"));
    }
}
