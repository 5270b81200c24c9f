using System.Text;
using Cdp.Segments.Features;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;

namespace Cdp.Segments.Evaluation;

/// <summary>One value, or a list of them.</summary>
internal readonly record struct MeasureValue(JsonScalar Scalar, List<JsonScalar>? List = null)
{
    /// <summary>JSON text; null where there is no value.</summary>
    public string? ToJson()
    {
        if (List is null)
            return Scalar.IsAbsent ? null : Scalar.ToJson();
        var json = new StringBuilder("[");
        foreach (var value in List)
            json.Append(json.Length > 1 ? "," : "").Append(value.ToJson());
        return json.Append(']').ToString();
    }
}

/// <summary>
/// A value that a feature's state amounts to at an instant: the count, sum, ... of an event condition, and a computed trait's value. Immutable.
/// </summary>
internal abstract class Measure(Feature feature)
{
    public Feature Feature { get; } = feature;

    /// <summary>The value moves with the clock alone, day after day, as long as there is one.</summary>
    public virtual bool Ticks => false;

    /// <param name="state">Null where nothing ever matched.</param>
    /// <param name="next">When the value changes next without an event.</param>
    /// <returns>Null where only the timeline tells.</returns>
    public abstract MeasureValue? Read(FeatureState? state, long now, out long next);

    /// <summary>Whether the value passes a test, and when that changes next. The result is null where only the timeline tells.</summary>
    public virtual Outcome Test(FeatureState? state, long now, ValueTest test)
    {
        if (Read(state, now, out var next) is not { } value)
            return new Outcome(null, Outcome.Never);
        if (value.List is null && !test.DependsOnTime)
            return new Outcome(test.Holds(value.Scalar), next);
        var list = value.List?.ConvertAll(v => new FoundValue(v, InList: true)) ?? (value.Scalar.IsAbsent ? [] : [new FoundValue(value.Scalar, InList: false)]);
        return new Outcome(test.Holds(list, now), Math.Min(next, test.NextChange(list, now)));
    }
}

/// <summary>Of all events, or those between two times.</summary>
internal sealed class TallyMeasure(TallyFeature feature, Aggregate aggregate) : Measure(feature)
{
    public override MeasureValue? Read(FeatureState? state, long now, out long next)
    {
        next = Outcome.Never;
        return new MeasureValue(state is TallyState tally ? tally.Value(aggregate) : default(Totals).Value(aggregate));
    }
}

/// <summary>Of the events in a window that moves on.</summary>
internal sealed class WindowMeasure(WindowFeature feature, Aggregate aggregate) : Measure(feature)
{
    private readonly long span = feature.Span.Milliseconds;

    public override MeasureValue? Read(FeatureState? state, long now, out long next)
    {
        next = Outcome.Never;
        if (state is not WindowState window)
            return new MeasureValue(default(Totals).Value(aggregate));
        var contributions = window.Sorted();
        if (window.IsIncomplete(now))
            return null;
        var start = FirstInside(contributions, now);
        if (start < contributions.Count)
            next = contributions[start].Time + span;
        if (aggregate == Aggregate.Count)
            return new MeasureValue(JsonScalar.Of(contributions.Count - start));
        var totals = default(Totals);
        for (var i = start; i < contributions.Count; i++)
            totals = totals.Plus(contributions[i].Number);
        return new MeasureValue(totals.Value(aggregate));
    }

    public override Outcome Test(FeatureState? state, long now, ValueTest test)
    {
        if (state is not WindowState window)
            return Outcome.Fixed(test.Holds(default(Totals).Value(aggregate)));
        var contributions = window.Sorted();
        var start = FirstInside(contributions, now);
        if (window.IsIncomplete(now))
        {
            // All that is known is inside, and there is at least one more.
            return aggregate == Aggregate.Count
                ? new Outcome(test.HoldsFrom(contributions.Count - start + 1), window.Floor!.Value + span)
                : new Outcome(null, Outcome.Never);
        }

        return aggregate == Aggregate.Count ? TestCount(contributions, start, test) : TestTotals(contributions, start, test);
    }

    private Outcome TestCount(List<Contribution> contributions, int start, ValueTest test)
    {
        var result = test.Holds(JsonScalar.Of(contributions.Count - start));
        for (var i = start; i < contributions.Count; i++)
        {
            // Those of one moment leave together.
            if (i + 1 < contributions.Count && contributions[i + 1].Time == contributions[i].Time)
                continue;
            if (test.Holds(JsonScalar.Of(contributions.Count - i - 1)) != result)
                return new Outcome(result, contributions[i].Time + span);
        }

        return Outcome.Fixed(result);
    }

    private Outcome TestTotals(List<Contribution> contributions, int start, ValueTest test)
    {
        var totals = default(Totals);
        for (var i = start; i < contributions.Count; i++)
            totals = totals.Plus(contributions[i].Number);
        var result = test.Holds(totals.Value(aggregate));

        // What is left when the oldest have gone, from the newest backwards.
        var next = Outcome.Never;
        totals = default;
        for (var i = contributions.Count - 1; i >= start; i--)
        {
            var last = i + 1 == contributions.Count || contributions[i + 1].Time != contributions[i].Time;
            if (last && test.Holds(totals.Value(aggregate)) != result)
                next = contributions[i].Time + span;
            totals = totals.Plus(contributions[i].Number);
        }

        return new Outcome(result, next);
    }

    private int FirstInside(List<Contribution> contributions, long now)
    {
        var start = 0;
        while (start < contributions.Count && contributions[start].Time <= now - span)
            start++;
        return start;
    }
}

/// <summary>The number of different values.</summary>
/// <param name="within">The window that moves on; null for ever, or between two times.</param>
internal sealed class DistinctMeasure(DistinctFeature feature, Duration? within) : Measure(feature)
{
    public override MeasureValue? Read(FeatureState? state, long now, out long next)
    {
        next = Outcome.Never;
        if (state is not DistinctState distinct)
            return new MeasureValue(JsonScalar.Of(0));
        var times = within is null ? null : new List<long>();
        var count = distinct.CountAfter(After(now), times);
        if (distinct.IsIncomplete(now))
            return null;
        if (times is [var oldest, ..])
            next = oldest + within!.Value.Milliseconds;
        return new MeasureValue(JsonScalar.Of(count));
    }

    public override Outcome Test(FeatureState? state, long now, ValueTest test)
    {
        if (state is not DistinctState distinct)
            return Outcome.Fixed(test.Holds(JsonScalar.Of(0)));
        if (within is not { } span)
        {
            var known = distinct.CountAfter(long.MinValue);
            return distinct.IsIncomplete(now) ? new Outcome(test.HoldsFrom(known), Outcome.Never) : Outcome.Fixed(test.Holds(JsonScalar.Of(known)));
        }

        var times = new List<long>();
        var count = distinct.CountAfter(After(now), times);
        if (distinct.IsIncomplete(now))
            return new Outcome(test.HoldsFrom(count), distinct.Floor!.Value + span.Milliseconds);
        var result = test.Holds(JsonScalar.Of(count));
        for (var i = 0; i < count; i++)
        {
            if ((i + 1 == count || times[i + 1] != times[i]) && test.Holds(JsonScalar.Of(count - i - 1)) != result)
                return new Outcome(result, times[i] + span.Milliseconds);
        }

        return Outcome.Fixed(result);
    }

    private long After(long now) => within is { } span ? now - span.Milliseconds : long.MinValue;
}

/// <summary>The value in the first or last event that has one, if that event is inside the window; without a path its time.</summary>
internal sealed class EndMeasure(EndFeature feature, TimeWindow? window, bool ofTime) : Measure(feature)
{
    public override MeasureValue? Read(FeatureState? state, long now, out long next)
    {
        var value = default(JsonScalar);
        next = Outcome.Never;
        if (state is EndState { Key: { } key } end && Windows.Contains(window, key.Time, now, out next))
            value = ofTime ? JsonScalar.Of(new Events.Instant(key.Time).ToString()) : end.Value;
        return new MeasureValue(value);
    }
}

/// <summary>Whole days since the last matching event.</summary>
internal sealed class DaysSinceMeasure(EndFeature feature, TimeWindow? window) : Measure(feature)
{
    private const long Day = 86_400_000;

    public override bool Ticks => true;

    public override MeasureValue? Read(FeatureState? state, long now, out long next)
    {
        next = Outcome.Never;
        if (state is not EndState { Key: { } key } || !Windows.Contains(window, key.Time, now, out next))
            return default(MeasureValue);
        var days = Math.Max(0, (now - key.Time) / Day);
        next = Math.Min(next, key.Time + ((days + 1) * Day));
        return new MeasureValue(JsonScalar.Of(days));
    }

    public override Outcome Test(FeatureState? state, long now, ValueTest test)
    {
        if (Read(state, now, out _) is not { Scalar.IsAbsent: false } value)
            return Outcome.Fixed(test.Holds(default));
        var time = ((EndState)state!).Key!.Value.Time;
        Windows.Contains(window, time, now, out var next);
        var result = test.Holds(value.Scalar);
        // The answer changes at the numbers that the test names, or one after them.
        foreach (var comparison in test.Comparisons)
        {
            foreach (var operand in comparison.Operands)
            {
                if (operand.Kind != ScalarKind.Number || Math.Abs(operand.Number) > int.MaxValue)
                    continue;
                for (var days = (long)Math.Floor(operand.Number); days <= (long)operand.Number + 1; days++)
                {
                    if (days > value.Scalar.Number && test.Holds(JsonScalar.Of(days)) != result)
                        next = Math.Min(next, time + (days * Day));
                }
            }
        }

        return new Outcome(result, next);
    }
}

internal sealed class MostFrequentMeasure(ValuesFeature feature) : Measure(feature)
{
    public override MeasureValue? Read(FeatureState? state, long now, out long next)
    {
        next = Outcome.Never;
        if (state is not ValuesState values)
            return default(MeasureValue);
        var best = values.MostFrequent(now);
        next = values.NextChange(now);
        return values.IsIncomplete(now) ? null : new MeasureValue(best);
    }
}

/// <summary>The values in order; none at all is an absent value, not an empty list.</summary>
internal sealed class UniqueListMeasure(ValuesFeature feature) : Measure(feature)
{
    public override MeasureValue? Read(FeatureState? state, long now, out long next)
    {
        next = Outcome.Never;
        if (state is not ValuesState values)
            return default(MeasureValue);
        next = values.NextChange(now);
        return values.List(now) is { Count: > 0 } list ? new MeasureValue(default, list) : default(MeasureValue);
    }
}

internal static class Windows
{
    /// <param name="next">When an event inside leaves it.</param>
    public static bool Contains(TimeWindow? window, long time, long now, out long next)
    {
        next = Outcome.Never;
        if (window is null)
            return true;
        if (window.Within is not { } within)
            return window.ContainsFixed(new Events.Instant(time));
        if (time <= now - within.Milliseconds)
            return false;
        next = time + within.Milliseconds;
        return true;
    }
}
