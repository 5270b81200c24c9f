using Cdp.Events;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;
using Cdp.Storage;

namespace Cdp.Segments.Features;

/// <summary>
/// Whether the steps were taken one after the other, and when the last of them was, at the latest. The role of a pattern is its step.
/// </summary>
/// <remarks>
/// For each number of steps the state knows the latest start from which they were taken: the greedy choice with the latest start, which finds a
/// sequence whenever there is one. That needs the events in order, so the newest contributions are held back to let late ones in between;
/// an event later than even that makes the feature say that the timeline has to be read.
/// </remarks>
internal sealed class SequenceFeature(string key, int steps, Duration? within, bool endMatters, bool grouped, int capacity) : Feature(key)
{
    public override FeatureState NewState(bool unlimited) => new SequenceState(steps, within?.Milliseconds, endMatters, capacity, unlimited);

    public override void Apply(FeatureState state, int role, Event e, List<FoundValue>? values)
    {
        if (!grouped)
            ((SequenceState)state).Add(new StepTaken(EventKey.Of(e), role, default));
        else if (AbsenceFeature.Group(values!) is { } group)
            ((SequenceState)state).Add(new StepTaken(EventKey.Of(e), role, group));
    }
}

internal readonly record struct StepTaken(EventKey Key, int Step, Hash128 Group);

internal sealed class SequenceState(int steps, long? within, bool endMatters, int capacity, bool unlimited) : FeatureState
{
    /// <summary>Contributions held back: sources that run a little behind each other interleave within so many.</summary>
    public const int MostHeld = 16;

    private const long None = long.MinValue;

    private readonly List<StepTaken> held = [];

    // Latest start of 1, 2, ... steps, by group, over everything up to the floor.
    private readonly Dictionary<Hash128, long[]> starts = [];
    private bool sorted = true;
    private EventKey? floor;

    /// <summary>When the latest complete sequence ended.</summary>
    public long? End { get; private set; }

    /// <summary>Not all events were taken in order: <see cref="End"/> may be missing, or too early.</summary>
    public bool IsUncertain { get; private set; }

    private bool IsSettled => End is not null && !endMatters;

    public void Add(StepTaken taken)
    {
        if (IsSettled)
            return;
        if (floor is { } reached && taken.Key.CompareInSequence(reached) <= 0)
        {
            IsUncertain = true;
            return;
        }

        sorted = sorted && (held.Count == 0 || Order(held[^1], taken) <= 0);
        held.Add(taken);
        if (!unlimited && held.Count > 2 * MostHeld)
            Settle();
    }

    /// <summary>The end of the latest complete sequence, over the contributions held back too.</summary>
    public long? LatestEnd()
    {
        if (IsSettled)
            return End;
        Sort();
        var end = End;
        var seen = new Dictionary<Hash128, long[]>();
        foreach (var taken in held)
        {
            if (!seen.TryGetValue(taken.Group, out var reached))
            {
                reached = new long[steps - 1];
                if (starts.TryGetValue(taken.Group, out var known))
                    known.CopyTo(reached, 0);
                else
                    Array.Fill(reached, None);
                seen.Add(taken.Group, reached);
            }

            end = Take(reached, taken, end);
        }

        if (!endMatters && end is not null)
        {
            End = end;
            Clear();
        }

        return end;
    }

    public override void Write(StateWriter writer, long watermark)
    {
        LatestEnd();
        Settle();
        writer.Time(End);
        writer.Flag(IsUncertain);
        writer.Flag(floor is not null);
        if (floor is { } key)
            writer.Key(key);
        writer.Count(held.Count);
        foreach (var taken in held)
        {
            writer.Key(taken.Key);
            writer.Count(taken.Step);
            Group(writer, taken.Group);
        }

        var groups = new List<Hash128>(starts.Keys);
        groups.Sort(static (a, b) => a.High != b.High ? a.High.CompareTo(b.High) : a.Low.CompareTo(b.Low));
        writer.Count(groups.Count);
        foreach (var group in groups)
        {
            Group(writer, group);
            foreach (var start in starts[group])
                writer.Time(start == None ? null : start);
        }
    }

    public override void Read(ref StateReader reader)
    {
        End = reader.Time();
        IsUncertain = reader.Flag();
        if (reader.Flag())
            floor = reader.Key();
        for (var n = reader.Count(); n > 0; n--)
        {
            var key = reader.Key();
            var step = (int)reader.Unsigned();
            held.Add(step < steps ? new StepTaken(key, step, Group(ref reader)) : throw StateReader.Truncated());
        }

        for (var n = reader.Count(); n > 0; n--)
        {
            var group = Group(ref reader);
            var reached = new long[steps - 1];
            for (var i = 0; i < reached.Length; i++)
                reached[i] = reader.Time() ?? None;
            starts[group] = reached;
        }
    }

    public override bool Merge(FeatureState other)
    {
        var sequence = (SequenceState)other;
        if (sequence.End is { } end)
            End = End is { } own ? Math.Max(own, end) : end;
        if (IsSettled)
        {
            Clear();
            return true;
        }

        IsUncertain |= sequence.IsUncertain;
        if (floor is not null || sequence.floor is not null)
        {
            // What was already taken in order has no place for the other's events.
            IsUncertain = true;
            floor = floor is { } a && sequence.floor is { } b ? (a.CompareInSequence(b) > 0 ? a : b) : floor ?? sequence.floor;
        }

        foreach (var taken in sequence.held)
        {
            if (floor is not { } reached || taken.Key.CompareInSequence(reached) > 0)
                held.Add(taken);
        }

        held.RemoveAll(taken => floor is { } reached && taken.Key.CompareInSequence(reached) <= 0);
        sorted = false;
        Settle();
        return !IsUncertain;
    }

    public override FeatureState? Bounded(long watermark)
    {
        var bounded = new SequenceState(steps, within, endMatters, capacity, unlimited: false) { End = LatestEnd(), sorted = false };
        if (bounded.IsSettled)
            return bounded;
        bounded.held.AddRange(held);
        bounded.Settle();
        return bounded;
    }

    /// <summary>Takes the oldest contributions in order for good, so that no more than <see cref="MostHeld"/> are held back.</summary>
    private void Settle()
    {
        var most = Math.Min(MostHeld, capacity);
        if (held.Count <= most)
            return;
        Sort();
        var count = held.Count - most;
        // Steps of one event are taken together.
        while (count < held.Count && held[count].Key.CompareInSequence(held[count - 1].Key) == 0)
            count++;
        for (var i = 0; i < count; i++)
        {
            var taken = held[i];
            if (!starts.TryGetValue(taken.Group, out var reached))
            {
                // A later step without a first one leads nowhere.
                if (taken.Step > 0)
                    continue;
                starts[taken.Group] = reached = new long[steps - 1];
                Array.Fill(reached, None);
            }

            End = Take(reached, taken, End);
        }

        floor = held[count - 1].Key;
        held.RemoveRange(0, count);
        if (IsSettled)
            Clear();
        else
            ForgetGroups();
    }

    private long? Take(long[] reached, StepTaken taken, long? end)
    {
        var step = taken.Step;
        var time = taken.Key.Time;
        if (step > 0 && reached[step - 1] == None)
            return end;
        var start = step == 0 ? time : reached[step - 1];
        if (step < reached.Length)
        {
            reached[step] = Math.Max(reached[step], start);
            return end;
        }

        return (within is not { } most || time - start <= most) && (end is null || time > end) ? time : end;
    }

    /// <summary>Groups that nothing can complete any more go; and beyond the capacity the oldest, after which only the timeline knows.</summary>
    private void ForgetGroups()
    {
        if (within is { } most && floor is { } reached)
        {
            foreach (var (group, known) in starts)
            {
                if (known[0] < reached.Time - most)
                    starts.Remove(group);
            }
        }

        if (starts.Count <= capacity)
            return;
        IsUncertain = true;
        var ordered = new List<(long Start, Hash128 Group)>();
        foreach (var (group, known) in starts)
            ordered.Add((known[0], group));
        ordered.Sort(static (a, b) => a.Start.CompareTo(b.Start));
        for (var i = 0; i < ordered.Count - capacity; i++)
            starts.Remove(ordered[i].Group);
    }

    private void Clear()
    {
        held.Clear();
        starts.Clear();
        floor = null;
        IsUncertain = false;
    }

    private void Sort()
    {
        if (!sorted)
            held.Sort(Order);
        sorted = true;
    }

    /// <summary>Later steps of one event first: an event never follows itself.</summary>
    private static int Order(StepTaken a, StepTaken b)
    {
        var order = a.Key.CompareInSequence(b.Key);
        return order == 0 ? b.Step.CompareTo(a.Step) : order;
    }

    private static void Group(StateWriter writer, Hash128 group)
    {
        writer.Flag(group != default);
        if (group != default)
            writer.Hash(group);
    }

    private static Hash128 Group(ref StateReader reader) => reader.Flag() ? reader.Hash() : default;
}
