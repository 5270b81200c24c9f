using Cdp.Events;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;
using Cdp.Storage;

namespace Cdp.Segments.Features;

/// <summary>
/// The different values at a path in the matching events, each as a hash with the time it was last seen: the latest ones up to a capacity.
/// </summary>
/// <param name="window">The last while, two fixed times, or null for ever.</param>
internal sealed class DistinctFeature(string key, TimeWindow? window, int capacity) : Feature(key)
{
    private readonly Duration? within = window?.Within;

    public override FeatureState NewState(bool unlimited) => new DistinctState(within?.Milliseconds, unlimited ? int.MaxValue : capacity);

    public override void Apply(FeatureState state, int role, Event e, List<FoundValue>? values)
    {
        if (!Includes(e.Timestamp))
            return;
        foreach (var value in values!)
        {
            if (value.Value.Kind != ScalarKind.Composite)
                ((DistinctState)state).Add(value.Value.Hash(), e.Timestamp.Milliseconds);
        }
    }

    public override bool Includes(Instant at) => window is not { Within: null } || window.ContainsFixed(at);

    public override long? NeededAfter(long now) => now - within?.Milliseconds;
}

internal sealed class DistinctState(long? span, int capacity) : FeatureState
{
    private readonly Dictionary<Hash128, long> latest = [];

    /// <summary>Values last seen at this time or before it may have been left out.</summary>
    public long? Floor { get; private set; }

    public void Add(Hash128 value, long time)
    {
        if (latest.TryGetValue(value, out var seen))
        {
            latest[value] = Math.Max(seen, time);
            return;
        }

        if (time <= Floor)
            return;
        latest.Add(value, time);
        if (capacity != int.MaxValue && latest.Count > (2 * capacity) + 16)
            Trim();
    }

    /// <summary>How many values were seen after a time, of those that are known. Gives the times too, oldest first, if they are asked for.</summary>
    public int CountAfter(long time, List<long>? times = null)
    {
        if (capacity != int.MaxValue)
            Trim();
        var count = 0;
        foreach (var seen in latest.Values)
        {
            if (seen <= time)
                continue;
            count++;
            times?.Add(seen);
        }

        times?.Sort();
        return count;
    }

    public bool IsIncomplete(long now) => Floor is { } floor && (span is not { } length || floor > now - length);

    public override void Write(StateWriter writer, long watermark)
    {
        Forget(watermark);
        Trim();
        writer.Time(Floor);
        writer.Count(latest.Count);
        foreach (var (value, time) in Ordered())
        {
            writer.Hash(value);
            writer.Long(time);
        }
    }

    public override void Read(ref StateReader reader)
    {
        Floor = reader.Time();
        for (var n = reader.Count(); n > 0; n--)
            latest[reader.Hash()] = reader.Long();
    }

    public override bool Merge(FeatureState other)
    {
        var distinct = (DistinctState)other;
        if (distinct.Floor is { } floor)
            Floor = Floor is { } own ? Math.Max(own, floor) : floor;
        foreach (var (value, time) in distinct.latest)
            latest[value] = latest.TryGetValue(value, out var seen) ? Math.Max(seen, time) : time;
        Trim();
        return true;
    }

    public override FeatureState? Bounded(long watermark) => null;

    private void Forget(long watermark)
    {
        if (span is not { } length)
            return;
        foreach (var (value, time) in latest)
        {
            if (time <= watermark - length)
                latest.Remove(value);
        }

        if (Floor <= watermark - length)
            Floor = null;
    }

    private void Trim()
    {
        if (latest.Count <= capacity)
            return;
        var ordered = Ordered();
        for (var i = 0; i < ordered.Count - capacity; i++)
        {
            latest.Remove(ordered[i].Value);
            Floor = ordered[i].Time;
        }
    }

    private List<(Hash128 Value, long Time)> Ordered()
    {
        var ordered = new List<(Hash128 Value, long Time)>(latest.Count);
        foreach (var (value, time) in latest)
            ordered.Add((value, time));
        ordered.Sort(static (a, b) => a.Time != b.Time ? a.Time.CompareTo(b.Time)
            : a.Value.High != b.Value.High ? a.Value.High.CompareTo(b.Value.High) : a.Value.Low.CompareTo(b.Value.Low));
        return ordered;
    }
}
