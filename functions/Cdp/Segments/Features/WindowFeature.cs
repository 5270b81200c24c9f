using Cdp.Events;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;

namespace Cdp.Segments.Features;

/// <summary>
/// The matching events of the last while, or the numbers at a path in them: the newest ones up to a capacity, and the time up to which some were left out.
/// A test of a count that never needs more than <c>n</c> keeps only <c>n</c>.
/// </summary>
internal sealed class WindowFeature(string key, Duration span, bool ofNumbers, int capacity) : Feature(key)
{
    public Duration Span { get; } = span;

    public override FeatureState NewState(bool unlimited) => new WindowState(Span.Milliseconds, ofNumbers, capacity, unlimited);

    public override void Apply(FeatureState state, int role, Event e, List<FoundValue>? values)
    {
        var window = (WindowState)state;
        if (!ofNumbers)
        {
            window.Add(e.Timestamp.Milliseconds, 0);
            return;
        }

        foreach (var value in values!)
        {
            if (value.Value.Kind == ScalarKind.Number)
                window.Add(e.Timestamp.Milliseconds, value.Value.Number);
        }
    }

    public override long? NeededAfter(long now) => now - Span.Milliseconds;
}

internal readonly record struct Contribution(long Time, decimal Number);

internal sealed class WindowState(long span, bool ofNumbers, int capacity, bool unlimited) : FeatureState
{
    private readonly List<Contribution> contributions = [];
    private bool sorted = true;

    /// <summary>Contributions at this time or before it may have been left out.</summary>
    public long? Floor { get; private set; }

    public void Add(long time, decimal number)
    {
        if (time <= Floor)
            return;
        sorted = sorted && (contributions.Count == 0 || contributions[^1].Time <= time);
        contributions.Add(new Contribution(time, number));
        // Sorting now and then costs less than keeping order at every event.
        if (!unlimited && contributions.Count > (2 * capacity) + 16)
            Trim();
    }

    /// <summary>The contributions, oldest first.</summary>
    public List<Contribution> Sorted()
    {
        if (!unlimited)
            Trim();
        Sort();
        return contributions;
    }

    /// <summary>Something inside the window was left out.</summary>
    public bool IsIncomplete(long now) => Floor > now - span;

    public override void Write(StateWriter writer, long watermark)
    {
        Forget(watermark);
        Trim();
        writer.Time(Floor);
        writer.Count(contributions.Count);
        long previous = 0;
        foreach (var (time, number) in contributions)
        {
            writer.Long(time - previous);
            previous = time;
            if (ofNumbers)
                writer.Decimal(number);
        }
    }

    public override void Read(ref StateReader reader)
    {
        Floor = reader.Time();
        long time = 0;
        for (var n = reader.Count(); n > 0; n--)
        {
            time += reader.Long();
            contributions.Add(new Contribution(time, ofNumbers ? reader.Decimal() : 0));
        }
    }

    public override bool Merge(FeatureState other)
    {
        var window = (WindowState)other;
        // Left out on either side is left out of both; what it might have been among is not missed for it.
        if (window.Floor is { } floor)
            Floor = Floor is { } own ? Math.Max(own, floor) : floor;
        contributions.AddRange(window.contributions);
        contributions.RemoveAll(c => c.Time < Floor);
        sorted = false;
        Trim();
        return true;
    }

    public override FeatureState? Bounded(long watermark)
    {
        var bounded = new WindowState(span, ofNumbers, capacity, unlimited: false);
        bounded.contributions.AddRange(contributions);
        bounded.sorted = sorted;
        bounded.Forget(watermark);
        bounded.Trim();
        return bounded;
    }

    /// <summary>What no question can reach any more.</summary>
    private void Forget(long watermark)
    {
        Sort();
        var old = 0;
        while (old < contributions.Count && contributions[old].Time <= watermark - span)
            old++;
        contributions.RemoveRange(0, old);
        if (Floor <= watermark - span)
            Floor = null;
    }

    private void Trim()
    {
        Sort();
        var surplus = contributions.Count - capacity;
        if (surplus <= 0)
            return;
        Floor = contributions[surplus - 1].Time;
        contributions.RemoveRange(0, surplus);
    }

    private void Sort()
    {
        if (!sorted)
            contributions.Sort(static (a, b) => a.Time != b.Time ? a.Time.CompareTo(b.Time) : a.Number.CompareTo(b.Number));
        sorted = true;
    }
}
