using System.Collections.Immutable;
using Cdp.Events;

namespace Cdp.Segments.Language;

/// <summary>A condition of the segment language, parsed and checked. Immutable.</summary>
public abstract record Condition;

public sealed record AllCondition(ImmutableArray<Condition> Conditions) : Condition;

public sealed record AnyCondition(ImmutableArray<Condition> Conditions) : Condition;

public sealed record NotCondition(Condition Condition) : Condition;

/// <summary>All tests hold of one value of the trait. A computed trait's id goes before a sent trait of the same name; <c>group.x</c> is a group's trait.</summary>
public sealed record TraitCondition(PropertyPath Trait, ImmutableArray<Comparison> Tests) : Condition;

/// <summary>What the matching events amount to, all measures together. Without any measure, and without <see cref="Pick"/>: at least one.</summary>
public sealed record EventCondition(EventPattern Pattern, ImmutableArray<MeasureTest> Measures, TimeWindow? Window, EventPick Pick) : Condition;

/// <summary>
/// The steps one after the other, strictly by (time, messageId), from the first to the last within <see cref="Within"/>; or, with
/// <see cref="Absent"/>, one step and then not the other.
/// </summary>
/// <param name="Expires">Positive: holds that long after the last step. Absence: holds until that long after the step that was taken.</param>
/// <param name="By">Only events with the same value here belong together; events without it are passed over.</param>
public sealed record SequenceCondition(
    ImmutableArray<EventPattern> Steps, EventPattern? Absent, Duration? Within, Duration? Expires, PropertyPath? By) : Condition;

public sealed record SegmentCondition(string Segment) : Condition;

public enum Aggregate
{
    Count,
    Sum,
    Avg,
    Min,
    Max,
    Distinct,
}

public static class Aggregates
{
    /// <summary>As written in definitions, by <see cref="Aggregate"/>.</summary>
    public static readonly ImmutableArray<string> Names = ["count", "sum", "avg", "min", "max", "distinct"];

    public static string Name(this Aggregate aggregate) => Names[(int)aggregate];
}

/// <param name="Path">Where the values are; null for <see cref="Aggregate.Count"/>.</param>
public sealed record MeasureTest(Aggregate Aggregate, PropertyPath? Path, ImmutableArray<Comparison> Tests);

public enum EventPick
{
    /// <summary>All matching events count.</summary>
    Every,

    /// <summary>The window tests the first matching event alone.</summary>
    First,

    /// <summary>The window tests the last matching event alone.</summary>
    Last,
}

/// <summary>Either <see cref="Within"/>: (now - within, now]; or <see cref="From"/> inclusive to <see cref="To"/> exclusive, one of which may be open.</summary>
public sealed record TimeWindow(Duration? Within, Instant? From, Instant? To)
{
    public bool ContainsFixed(Instant at) => (From is not { } from || at >= from) && (To is not { } to || at < to);

    public override string ToString() => Within is { } within
        ? $"within {within}"
        : $"between {From?.ToString() ?? "ever"} and {To?.ToString() ?? "ever"}";
}
