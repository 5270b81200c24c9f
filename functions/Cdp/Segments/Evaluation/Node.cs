using Cdp.Segments.Features;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;

namespace Cdp.Segments.Evaluation;

/// <summary>A condition ready to be evaluated. Immutable, shared by all profiles.</summary>
internal abstract class Node(string path)
{
    /// <summary>Where it stands in its definition, such as <c>where.all[1]</c>.</summary>
    public string Path { get; } = path;

    public abstract Outcome Evaluate(EvaluationContext context);
}

/// <summary>
/// A false one can only become true when each of those that are false has changed, so the latest of their next changes is early enough; a true one changes with
/// the first. What is unknown does not matter where another child decides.
/// </summary>
internal sealed class AllNode(string path, Node[] children) : Node(path)
{
    public Node[] Children { get; } = children;

    public override Outcome Evaluate(EvaluationContext context) => Combine(Children, context, decisive: false);

    /// <summary><c>all</c> is decided by a child that is false, <c>any</c> by one that is true.</summary>
    public static Outcome Combine(Node[] children, EvaluationContext context, bool decisive)
    {
        var (decided, unknown) = (false, false);
        var latest = long.MinValue;
        var earliest = Outcome.Never;
        foreach (var child in children)
        {
            var outcome = child.Evaluate(context);
            if (outcome.Result == decisive)
            {
                decided = true;
                latest = Math.Max(latest, outcome.Next);
            }
            else
            {
                unknown |= outcome.Result is null;
                earliest = Math.Min(earliest, outcome.Next);
            }
        }

        return decided ? new Outcome(decisive, latest) : unknown ? new Outcome(null, Outcome.Never) : new Outcome(!decisive, earliest);
    }
}

internal sealed class AnyNode(string path, Node[] children) : Node(path)
{
    public Node[] Children { get; } = children;

    public override Outcome Evaluate(EvaluationContext context) => AllNode.Combine(Children, context, decisive: true);
}

internal sealed class NotNode(string path, Node child) : Node(path)
{
    public Node Child { get; } = child;

    public override Outcome Evaluate(EvaluationContext context)
    {
        var outcome = Child.Evaluate(context);
        return outcome with { Result = !outcome.Result };
    }
}

/// <summary>A condition of its own, described as a whole.</summary>
internal abstract class LeafNode(string path, string text) : Node(path)
{
    /// <summary>For people: <c>event Product Viewed count >= 2 within 90d</c>.</summary>
    public string Text { get; } = text;

    /// <summary>What was compared, as JSON; null where there is nothing to show.</summary>
    public virtual string? Value(EvaluationContext context) => null;

    /// <summary>The feature whose events are shown; null where the condition is not about events.</summary>
    public virtual Feature? Feature => null;
}

internal sealed class TraitNode(string path, string text, string name, bool ofGroup, PathTrie rest, ValueTest test) : LeafNode(path, text)
{
    public override Outcome Evaluate(EvaluationContext context)
    {
        var values = Values(context);
        var result = test.Holds(values, context.Now);
        return new Outcome(result, test.DependsOnTime ? test.NextChange(values, context.Now) : Outcome.Never);
    }

    public override string? Value(EvaluationContext context)
    {
        var json = Json(context);
        return json.IsEmpty ? null : System.Text.Encoding.UTF8.GetString(json.Span);
    }

    private List<FoundValue> Values(EvaluationContext context)
    {
        var json = Json(context);
        if (json.IsEmpty)
            return [];
        rest.Read(json, context.Found);
        return context.Found.Values[0];
    }

    private ReadOnlyMemory<byte> Json(EvaluationContext context) => ofGroup ? context.Traits.FindOfGroup(name) : context.Traits.Find(name);
}

internal sealed class MeasureNode(string path, string text, Measure measure, ValueTest test) : LeafNode(path, text)
{
    public override Outcome Evaluate(EvaluationContext context)
    {
        var outcome = measure.Test(context.Find(measure.Feature), context.Now, test);
        if (outcome.Result is null)
            context.NeedTimeline(measure.Feature);
        return outcome;
    }

    public override string? Value(EvaluationContext context) => measure.Read(context.Find(measure.Feature), context.Now, out _)?.ToJson();

    public override Feature? Feature => measure.Feature;
}

/// <summary>Whether the first or last matching event is inside the window.</summary>
internal sealed class EndNode(string path, string text, EndFeature feature, TimeWindow? window) : LeafNode(path, text)
{
    public override Outcome Evaluate(EvaluationContext context)
    {
        if (context.Find(feature) is not EndState { Key: { } key })
            return Outcome.Fixed(false);
        return new Outcome(Windows.Contains(window, key.Time, context.Now, out var next), next);
    }

    public override string? Value(EvaluationContext context) =>
        context.Find(feature) is EndState { Key: { } key } ? JsonScalar.Of(new Events.Instant(key.Time).ToString()).ToJson() : null;

    public override Feature? Feature => feature;
}

internal sealed class SequenceNode(string path, string text, SequenceFeature feature, Duration? expires) : LeafNode(path, text)
{
    public override Outcome Evaluate(EvaluationContext context)
    {
        if (context.Find(feature) is not SequenceState state)
            return Outcome.Fixed(false);
        var end = state.LatestEnd();
        // A sequence that is not known of could only end later, and hold for longer.
        if (end is { } time && (expires is not { } span || context.Now < time + span.Milliseconds))
            return new Outcome(true, expires is { } last ? time + last.Milliseconds : Outcome.Never);
        if (!state.IsUncertain)
            return Outcome.Fixed(false);
        context.NeedTimeline(feature);
        return new Outcome(null, Outcome.Never);
    }

    public override string? Value(EvaluationContext context) =>
        context.Find(feature) is SequenceState state && state.LatestEnd() is { } end ? JsonScalar.Of(new Events.Instant(end).ToString()).ToJson() : null;

    public override Feature? Feature => feature;
}

internal sealed class AbsenceNode(string path, string text, AbsenceFeature feature, Duration within, Duration? expires) : LeafNode(path, text)
{
    // While events wait no absence matures; when they have been taken nobody says so.
    private const long LookAgain = 10_000;

    public override Outcome Evaluate(EvaluationContext context)
    {
        if (context.Find(feature) is not AbsenceState state)
            return Outcome.Fixed(false);
        var (any, latest, earliest) = (false, long.MinValue, Outcome.Never);
        foreach (var awaited in state.Groups)
        {
            if (!awaited.IsOpen)
                continue;
            var matures = awaited.Taken!.Value.Time + within.Milliseconds + context.Grace;
            var expired = expires is { } span ? awaited.Taken.Value.Time + span.Milliseconds : Outcome.Never;
            if (context.Now >= expired)
                continue;
            if (context.Now >= matures && !context.HasBacklog && !awaited.Matured)
            {
                awaited.Matured = true;
                context.Changed(feature);
            }

            if (context.Now >= matures && awaited.Matured)
                (any, latest) = (true, Math.Max(latest, expired));
            else
                earliest = Math.Min(earliest, matures > context.Now ? matures : context.Now + LookAgain);
        }

        if (any)
            return new Outcome(true, latest);
        if (!state.IsIncomplete(context.Now))
            return new Outcome(false, earliest);
        context.NeedTimeline(feature);
        return new Outcome(null, Outcome.Never);
    }

    public override Feature? Feature => feature;
}

internal sealed class ReferenceNode(string path, string text, string segment) : LeafNode(path, text)
{
    /// <summary>Set when all segments are compiled: they may be defined in any order.</summary>
    public Node? Target { get; set; }

    public string Segment => segment;

    public override Outcome Evaluate(EvaluationContext context) => context.Referenced(Target!);
}
