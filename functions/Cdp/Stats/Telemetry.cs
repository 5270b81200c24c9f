using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Cdp.Stats;

/// <summary>The counters of the app, on the meter <c>Cdp</c>. Names and tags are a contract with dashboards.</summary>
public static class Telemetry
{
    public const string MeterName = "Cdp";

    public static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> CollectRequests = Meter.CreateCounter<long>("cdp.collect.requests");
    private static readonly Counter<long> EventsReceived = Meter.CreateCounter<long>("cdp.events.received");
    private static readonly Counter<long> EventsAccepted = Meter.CreateCounter<long>("cdp.events.accepted");
    private static readonly Counter<long> EventsRejected = Meter.CreateCounter<long>("cdp.events.rejected");
    private static readonly Counter<long> Webhooks = Meter.CreateCounter<long>("cdp.webhooks");
    private static readonly Counter<long> EventsCommitted = Meter.CreateCounter<long>("cdp.events.committed");
    private static readonly Counter<long> EventsDuplicate = Meter.CreateCounter<long>("cdp.events.duplicates");
    private static readonly Counter<long> EventsFailed = Meter.CreateCounter<long>("cdp.events.failed");
    private static readonly Counter<long> CommitConflicts = Meter.CreateCounter<long>("cdp.commit.conflicts");
    private static readonly Counter<long> IdentityDecisions = Meter.CreateCounter<long>("cdp.identity.decisions");
    private static readonly Counter<long> Merges = Meter.CreateCounter<long>("cdp.merges");
    private static readonly Counter<long> SegmentChanges = Meter.CreateCounter<long>("cdp.segment.changes");
    private static readonly Counter<long> OutboxSwept = Meter.CreateCounter<long>("cdp.outbox.swept");
    private static readonly Counter<long> Profiles = Meter.CreateCounter<long>("cdp.profiles");
    private static readonly Histogram<double> EventLatency = Meter.CreateHistogram<double>("cdp.event.latency", "s");

    /// <summary>A collector answered.</summary>
    /// <param name="endpoint">The route's last part, such as <c>batch</c> or <c>track</c>.</param>
    public static void Collected(string endpoint, int status)
    {
        if (CollectRequests.Enabled)
            CollectRequests.Add(1, new("endpoint", endpoint), new KeyValuePair<string, object?>("status", status));
    }

    /// <summary>Events arrived at a collector. Each of them is counted once more, as accepted or as rejected.</summary>
    /// <param name="source">The source's id; empty where the write key names none.</param>
    public static void Received(string source, int events) => Count(EventsReceived, source, events);

    /// <summary>Events are durably in the queue.</summary>
    public static void Accepted(string source, int events) => Count(EventsAccepted, source, events);

    /// <param name="reason">A problem's code, such as <c>event-too-large</c>.</param>
    public static void Rejected(string source, string reason, int events)
    {
        if (EventsRejected.Enabled && events > 0)
            EventsRejected.Add(events, new("source", source), new KeyValuePair<string, object?>("reason", reason));
    }

    /// <summary>A webhook was answered.</summary>
    /// <param name="source">Empty where the call does not show that it is this source's.</param>
    /// <param name="outcome">mapped; unmapped: the mapping gives nothing for the payload; refused.</param>
    public static void WebhookReceived(string source, string outcome)
    {
        if (Webhooks.Enabled)
            Webhooks.Add(1, new("source", source), new KeyValuePair<string, object?>("outcome", outcome));
    }

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

    /// <summary>Profiles entered segments, or left them.</summary>
    public static void SegmentsChanged(int entered, int exited)
    {
        if (entered > 0)
            SegmentChanges.Add(entered, new KeyValuePair<string, object?>("change", "entered"));
        if (exited > 0)
            SegmentChanges.Add(exited, new KeyValuePair<string, object?>("change", "exited"));
    }

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

    private static void Count(Counter<long> counter, string source, int events)
    {
        if (counter.Enabled && events > 0)
            counter.Add(events, new KeyValuePair<string, object?>("source", source));
    }
}
