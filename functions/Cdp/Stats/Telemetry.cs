using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Cdp.Stats;

/// <summary>The counters of the app, on the meter <c>Cdp</c>. Names and tags are a contract with dashboards.</summary>
public static partial class Telemetry
{
    public const string MeterName = "Cdp";

    public static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> CollectRequests = Meter.CreateCounter<long>("cdp.collect.requests");
    private static readonly Counter<long> EventsReceived = Meter.CreateCounter<long>("cdp.events.received");
    private static readonly Counter<long> EventsAccepted = Meter.CreateCounter<long>("cdp.events.accepted");
    private static readonly Counter<long> EventsRejected = Meter.CreateCounter<long>("cdp.events.rejected");

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

    private static void Count(Counter<long> counter, string source, int events)
    {
        if (counter.Enabled && events > 0)
            counter.Add(events, new KeyValuePair<string, object?>("source", source));
    }
}
