using Cdp.Events;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;

namespace Cdp.Segments.Features;

/// <summary>
/// The values at a path in the matching events: which there were, and when last (for a list of them), or each single one (to find the most frequent).
/// The newest up to a capacity.
/// </summary>
/// <param name="every">Each occurrence is kept; else each value once, with its latest time.</param>
internal sealed class ValuesFeature(string key, TimeWindow? window, bool every, int capacity) : Feature(key)
{
    private readonly Duration? within = window?.Within;

    public override FeatureState NewState(bool unlimited) => new ValuesState(within?.Milliseconds, every, unlimited ? int.MaxValue : capacity);

    public override void Apply(FeatureState state, int role, Event e, List<FoundValue>? values)
    {
        if (!Includes(e.Timestamp))
            return;
        foreach (var value in values!)
        {
            if (value.Value.Kind != ScalarKind.Composite && value.Value.Text?.Length is null or <= EndFeature.LongestValue)
                ((ValuesState)state).Add(value.Value, e.Timestamp.Milliseconds);
        }
    }

    public override bool Includes(Instant at) => window is not { Within: null } || window.ContainsFixed(at);

    public override long? NeededAfter(long now) => now - within?.Milliseconds;
}

/// <summary>
/// Values with the times at which they were seen, or the latest of these alone. Without a window the times of an occurrence say nothing and are all 0, so that
/// a value is stored once with its number.
/// </summary>
internal sealed class ValuesState(long? span, bool every, int capacity) : FeatureState
{
    private readonly Dictionary<(JsonScalar Value, long Time), long> seen = [];
    private readonly Dictionary<JsonScalar, long> latest = [];

    /// <summary>Occurrences at this time or before it may have been left out.</summary>
    public long? Floor { get; private set; }

    public bool IsIncomplete(long now) => every && Floor is { } floor && (span is not { } length || floor > now - length);

    public void Add(JsonScalar value, long time) => Add(value, time, 1);

    /// <summary>The value there is most of; of several the first in order. Absent where there is none.</summary>
    public JsonScalar MostFrequent(long now)
    {
        Trim();
        var counts = new Dictionary<JsonScalar, long>();
        foreach (var ((value, time), count) in seen)
        {
            if (span is null || time > now - span)
                counts[value] = counts.GetValueOrDefault(value) + count;
        }

        var best = default(JsonScalar);
        long most = 0;
        foreach (var (value, count) in counts)
        {
            if (count < most || (count == most && value > best))
                continue;
            best = value;
            most = count;
        }

        return best;
    }

    /// <summary>The values in order; of too many those that were seen last.</summary>
    public List<JsonScalar> List(long now)
    {
        Trim();
        var list = new List<JsonScalar>();
        foreach (var (value, time) in latest)
        {
            if (span is null || time > now - span)
                list.Add(value);
        }

        list.Sort();
        return list;
    }

    /// <summary>When the oldest leaves the window.</summary>
    public long NextChange(long now)
    {
        var next = long.MaxValue;
        if (span is not { } length)
            return next;
        foreach (var ((_, time), _) in seen)
        {
            if (time > now - length)
                next = Math.Min(next, time + length);
        }

        foreach (var (_, time) in latest)
        {
            if (time > now - length)
                next = Math.Min(next, time + length);
        }

        return next;
    }

    public override void Write(StateWriter writer, long watermark)
    {
        Forget(watermark);
        Trim();
        writer.Time(Floor);
        var ordered = Ordered();
        writer.Count(ordered.Count);
        foreach (var (value, time, count) in ordered)
        {
            writer.Scalar(value);
            writer.Long(time);
            if (every)
                writer.Long(count);
        }
    }

    public override void Read(ref StateReader reader)
    {
        Floor = reader.Time();
        for (var n = reader.Count(); n > 0; n--)
        {
            var (value, time) = (reader.Scalar(), reader.Long());
            if (every)
                seen[(value, time)] = reader.Long();
            else
                latest[value] = time;
        }
    }

    public override bool Merge(FeatureState other)
    {
        var values = (ValuesState)other;
        if (values.Floor is { } floor)
            Floor = Floor is { } own ? Math.Max(own, floor) : floor;
        foreach (var ((value, time), count) in values.seen)
            seen[(value, time)] = seen.GetValueOrDefault((value, time)) + count;
        foreach (var (value, time) in values.latest)
            latest[value] = latest.TryGetValue(value, out var own) ? Math.Max(own, time) : time;
        Trim();
        return true;
    }

    private void Add(JsonScalar value, long time, long count)
    {
        if (!every)
        {
            if (latest.TryGetValue(value, out var own))
                latest[value] = Math.Max(own, time);
            else
                latest.Add(value, time);
        }
        else
        {
            var at = (value, span is null ? 0 : time);
            if (seen.TryGetValue(at, out var own))
                seen[at] = own + count;
            else if (Floor is null || at.Item2 > Floor)
                seen.Add(at, count);
        }

        if (capacity != int.MaxValue && seen.Count + latest.Count > (2 * capacity) + 16)
            Trim();
    }

    private void Forget(long watermark)
    {
        if (span is not { } length)
            return;
        foreach (var (at, _) in seen)
        {
            if (at.Time <= watermark - length)
                seen.Remove(at);
        }

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
        if (seen.Count + latest.Count <= capacity)
            return;
        var ordered = Ordered();
        for (var i = 0; i < ordered.Count - capacity; i++)
        {
            var (value, time, _) = ordered[i];
            Floor = time;
            if (every)
                seen.Remove((value, time));
            else
                latest.Remove(value);
        }
    }

    /// <summary>Oldest first.</summary>
    private List<(JsonScalar Value, long Time, long Count)> Ordered()
    {
        var ordered = new List<(JsonScalar Value, long Time, long Count)>(seen.Count + latest.Count);
        foreach (var ((value, time), count) in seen)
            ordered.Add((value, time, count));
        foreach (var (value, time) in latest)
            ordered.Add((value, time, 1));
        ordered.Sort(static (a, b) => a.Time != b.Time ? a.Time.CompareTo(b.Time) : a.Value.CompareTo(b.Value));
        return ordered;
    }
}
