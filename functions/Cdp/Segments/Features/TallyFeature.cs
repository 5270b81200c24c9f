using Cdp.Events;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;

namespace Cdp.Segments.Features;

/// <summary>How many events match, or how many numbers stand at a path in them, with sum and extremes; ever, or between two fixed times. O(1), mergeable.</summary>
internal sealed class TallyFeature(string key, TimeWindow? between, bool ofNumbers) : Feature(key)
{
    public override FeatureState NewState(bool unlimited) => new TallyState();

    public override bool Includes(Instant at) => between?.ContainsFixed(at) != false;

    public override void Apply(FeatureState state, int role, Event e, List<FoundValue>? values)
    {
        if (!Includes(e.Timestamp))
            return;
        var tally = (TallyState)state;
        if (!ofNumbers)
        {
            tally.Count++;
            return;
        }

        foreach (var value in values!)
        {
            if (value.Value.Kind == ScalarKind.Number)
                tally.Totals = tally.Totals.Plus(value.Value.Number);
        }

        tally.Count = tally.Totals.Count;
    }
}

/// <summary>Numbers taken together.</summary>
internal readonly record struct Totals(long Count, ExactSum Sum, decimal Least, decimal Most)
{
    public Totals Plus(decimal number) => Count == 0
        ? new Totals(1, new ExactSum(number), number, number)
        : new Totals(Count + 1, Sum.Plus(number), Math.Min(Least, number), Math.Max(Most, number));

    public Totals Plus(Totals other) => Count == 0 ? other : other.Count == 0
        ? this
        : new Totals(Count + other.Count, Sum.Plus(other.Sum), Math.Min(Least, other.Least), Math.Max(Most, other.Most));

    /// <summary>With nothing there, the sum is 0, and the others are absent.</summary>
    public JsonScalar Value(Aggregate aggregate) => aggregate switch
    {
        Aggregate.Count => JsonScalar.Of(Count),
        Aggregate.Sum => JsonScalar.Of(Sum.Value),
        _ when Count == 0 => default,
        Aggregate.Avg => JsonScalar.Of(Sum.Value / Count),
        Aggregate.Min => JsonScalar.Of(Least),
        _ => JsonScalar.Of(Most),
    };
}

internal sealed class TallyState : FeatureState
{
    public long Count { get; set; }

    public Totals Totals { get; set; }

    public JsonScalar Value(Aggregate aggregate) => aggregate == Aggregate.Count ? JsonScalar.Of(Count) : Totals.Value(aggregate);

    public override void Write(StateWriter writer, long watermark)
    {
        writer.Long(Count);
        writer.Flag(Totals.Count > 0);
        if (Totals.Count == 0)
            return;
        Totals.Sum.Write(writer);
        writer.Decimal(Totals.Least);
        writer.Decimal(Totals.Most);
    }

    public override void Read(ref StateReader reader)
    {
        Count = reader.Long();
        if (reader.Flag())
            Totals = new Totals(Count, ExactSum.Read(ref reader), reader.Decimal(), reader.Decimal());
    }

    public override bool Merge(FeatureState other)
    {
        var tally = (TallyState)other;
        Count += tally.Count;
        Totals = Totals.Plus(tally.Totals);
        return true;
    }
}
