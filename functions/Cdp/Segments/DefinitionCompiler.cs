using System.Collections.Immutable;
using System.Globalization;
using Cdp.ComputedTraits;
using Cdp.Events;
using Cdp.Segments.Evaluation;
using Cdp.Segments.Features;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;

namespace Cdp.Segments;

/// <summary>Turns definitions into nodes and features, and finds the features that several of them share.</summary>
/// <param name="exact">Counts are kept whole, for people to see, where a test alone needs only the newest few.</param>
internal sealed class DefinitionCompiler(SegmentLimits limits, bool exact)
{
    private readonly Dictionary<string, Feature> features = new(StringComparer.Ordinal);
    private readonly Dictionary<string, EventPlan> byName = new(StringComparer.Ordinal);
    private readonly EventPlan?[] byType = new EventPlan?[Enum.GetValues<EventType>().Length];
    private readonly Dictionary<string, Measure> computed = new(StringComparer.Ordinal);

    // What the definition being compiled uses directly.
    private Uses uses = new();

    public CompiledDefinitions Compile(long epoch, IReadOnlyList<SegmentDefinition> segments, IReadOnlyList<ComputedTraitDefinition> traits)
    {
        if (SegmentReferences.Check(segments) is [var error, ..])
            throw new ArgumentException(error, nameof(segments));
        var definitions = new List<CompiledDefinition>();
        var used = new List<Uses>();
        foreach (var trait in traits)
        {
            uses = new Uses { Epoch = trait.Epoch };
            var measure = Measure(trait);
            computed.Add(trait.Id, measure);
            definitions.Add(new CompiledTrait(trait.Id, trait.Epoch, measure));
            used.Add(uses);
        }

        var nodes = new Dictionary<string, (Node Node, Uses Uses)>(StringComparer.Ordinal);
        foreach (var segment in segments)
        {
            uses = new Uses { Epoch = segment.Epoch };
            nodes.Add(segment.Id, (Node(segment.Where, "where"), uses));
        }

        foreach (var (node, own) in nodes.Values)
        {
            foreach (var reference in own.References)
                reference.Target = nodes[reference.Segment].Node;
            foreach (var feature in own.Features)
                feature.NeededSince(own.Epoch);
        }

        foreach (var segment in segments)
        {
            var all = new Uses();
            Include(all, segment.Id, nodes, []);
            foreach (var trait in traits)
            {
                if (all.Computed.Contains(trait.Id))
                    all.Epoch = Math.Max(all.Epoch, trait.Epoch);
            }

            definitions.Add(new CompiledSegment(segment.Id, all.Epoch, nodes[segment.Id].Node));
            used.Add(all);
        }

        for (var i = 0; i < traits.Count; i++)
        {
            foreach (var feature in used[i].Features)
                feature.NeededSince(traits[i].Epoch);
        }

        var byTrait = new Dictionary<string, List<int>>(StringComparer.Ordinal);
        var byGroupTrait = new Dictionary<string, List<int>>(StringComparer.Ordinal);
        for (var i = 0; i < used.Count; i++)
        {
            foreach (var feature in used[i].Features)
                feature.ConcernsDefinition(i);
            foreach (var (name, ofGroup) in used[i].Traits)
            {
                var index = ofGroup ? byGroupTrait : byTrait;
                if (!index.TryGetValue(name, out var list))
                    index[name] = list = [];
                list.Add(i);
            }
        }

        return new CompiledDefinitions(
            epoch,
            limits,
            definitions,
            features.Values,
            byName,
            byType,
            byTrait.ToDictionary(t => t.Key, t => t.Value.ToArray(), StringComparer.Ordinal),
            byGroupTrait.ToDictionary(t => t.Key, t => t.Value.ToArray(), StringComparer.Ordinal));
    }

    private static void Include(Uses all, string segment, Dictionary<string, (Node Node, Uses Uses)> nodes, HashSet<string> seen)
    {
        if (!seen.Add(segment))
            return;
        var own = nodes[segment].Uses;
        all.Epoch = Math.Max(all.Epoch, own.Epoch);
        all.Features.UnionWith(own.Features);
        all.Traits.UnionWith(own.Traits);
        all.Computed.UnionWith(own.Computed);
        foreach (var reference in own.References)
            Include(all, reference.Segment, nodes, seen);
    }

    private Node Node(Condition condition, string path)
    {
        switch (condition)
        {
            case AllCondition all:
                return new AllNode(path, Nodes(all.Conditions, path + ".all"));
            case AnyCondition any:
                return new AnyNode(path, Nodes(any.Conditions, path + ".any"));
            case NotCondition not:
                return new NotNode(path, Node(not.Condition, path + ".not"));
            case TraitCondition trait:
                return Trait(trait, path);
            case EventCondition e:
                return Event(e, path);
            case SequenceCondition sequence:
                return Sequence(sequence, path);
            default:
                var reference = new ReferenceNode(path, ConditionText.Of(condition), ((SegmentCondition)condition).Segment);
                uses.References.Add(reference);
                return reference;
        }
    }

    private Node[] Nodes(ImmutableArray<Condition> conditions, string path)
    {
        var nodes = new Node[conditions.Length];
        for (var i = 0; i < nodes.Length; i++)
            nodes[i] = Node(conditions[i], $"{path}[{i}]");
        return nodes;
    }

    private LeafNode Trait(TraitCondition condition, string path)
    {
        var text = ConditionText.Of(condition);
        var test = new ValueTest(condition.Tests);
        var steps = condition.Trait.Steps;
        if (steps is [{ EachElement: false, Name: var id }] && computed.TryGetValue(id, out var measure))
        {
            uses.Computed.Add(id);
            uses.Features.Add(measure.Feature);
            return new MeasureNode(path, text, measure, test);
        }

        var ofGroup = steps[0].Name == "group" && steps.Length > 1;
        var name = steps[ofGroup ? 1 : 0].Name;
        var rest = steps.AsSpan()[(ofGroup ? 2 : 1)..];
        var paths = new PathTrie(ofEvents: false);
        paths.Values(rest);
        uses.Traits.Add((name, ofGroup));
        return new TraitNode(path, text, name, ofGroup, paths, test);
    }

    private Node Event(EventCondition condition, string path)
    {
        var text = ConditionText.Of(condition);
        if (condition.Pick != EventPick.Every)
            return new EndNode(path, text, End(condition.Pattern, condition.Pick == EventPick.Last, null), condition.Window);
        if (condition.Measures.IsEmpty)
            return new MeasureNode(path, text, Aggregated(condition.Pattern, AtLeastOne, condition.Window), new ValueTest(AtLeastOne.Tests));
        var nodes = condition.Measures.Select(
            Node (test) => new MeasureNode(path, ConditionText.Of(condition with { Measures = [test] }), Aggregated(condition.Pattern, test, condition.Window), new ValueTest(test.Tests)));
        return condition.Measures.Length == 1 ? nodes.Single() : new AllNode(path, [.. nodes]);
    }

    private static readonly MeasureTest AtLeastOne =
        new(Language.Aggregate.Count, null, [new Comparison(Operator.Gte, [JsonScalar.Of(1)])]);

    private LeafNode Sequence(SequenceCondition condition, string path)
    {
        var text = ConditionText.Of(condition);
        var grouped = condition.By is not null;
        var patterns = condition.Absent is { } absent ? condition.Steps.Add(absent) : condition.Steps;
        var capacity = limits.MostContributions;
        var key = new FeatureKey(condition.Absent is null ? "sequence" : "absence").Add(condition.By?.Text ?? "");
        foreach (var pattern in patterns)
            key.Add(pattern);
        // How long an absence has to last, and a sequence to be remembered, is asked of the state, and no part of it.
        if (condition.Absent is not null)
        {
            key.Add(condition.Expires).Add(capacity);
            var absence = Register(new AbsenceFeature(key.Text, condition.Expires, grouped, capacity), patterns, condition.By);
            return new AbsenceNode(path, text, absence, condition.Within!.Value, condition.Expires);
        }

        key.Add(condition.Within).Add(condition.Expires is not null ? 1 : 0).Add(capacity);
        var sequence = Register(
            new SequenceFeature(key.Text, patterns.Length, condition.Within, condition.Expires is not null, grouped, capacity), patterns, condition.By);
        return new SequenceNode(path, text, sequence, condition.Expires);
    }

    private Measure Measure(ComputedTraitDefinition trait)
    {
        var (pattern, window, of) = (trait.Pattern, trait.Window, trait.Of);
        Measure Aggregated(Aggregate aggregate) => this.Aggregated(pattern, new MeasureTest(aggregate, of, []), window);
        switch (trait.Computation)
        {
            case Computation.Count:
                return Aggregated(Language.Aggregate.Count);
            case Computation.Sum:
                return Aggregated(Language.Aggregate.Sum);
            case Computation.Average:
                return Aggregated(Language.Aggregate.Avg);
            case Computation.Min:
                return Aggregated(Language.Aggregate.Min);
            case Computation.Max:
                return Aggregated(Language.Aggregate.Max);
            case Computation.First:
                return new EndMeasure(End(pattern, last: false, of), window, of is null);
            case Computation.Last:
                return new EndMeasure(End(pattern, last: true, of), window, of is null);
            case Computation.DaysSince:
                return new DaysSinceMeasure(End(pattern, last: true, null), window);
            default:
                var every = trait.Computation == Computation.MostFrequent;
                var key = new FeatureKey(every ? "occurrences" : "values").Add(pattern).Add(of!.Text).Add(window).Add(limits.MostContributions);
                var feature = Register(new ValuesFeature(key.Text, window, every, limits.MostContributions), [pattern], of);
                return every ? new MostFrequentMeasure(feature) : new UniqueListMeasure(feature);
        }
    }

    private Measure Aggregated(EventPattern pattern, MeasureTest test, TimeWindow? window)
    {
        var capacity = Capacity(test);
        if (test.Aggregate == Language.Aggregate.Distinct)
        {
            // One more than the test names, because what is left out may be among what is kept again.
            var most = Math.Min(capacity + 1, limits.MostContributions);
            var key = new FeatureKey("distinct").Add(pattern).Add(test.Path!.Text).Add(window).Add(most);
            return new DistinctMeasure(Register(new DistinctFeature(key.Text, window, most), [pattern], test.Path), window?.Within);
        }

        var ofNumbers = test.Aggregate != Language.Aggregate.Count;
        if (window?.Within is { } span)
        {
            var key = new FeatureKey("window").Add(pattern).Add(test.Path?.Text ?? "").Add(span).Add(capacity);
            return new WindowMeasure(Register(new WindowFeature(key.Text, span, ofNumbers, capacity), [pattern], test.Path), test.Aggregate);
        }

        var tally = new FeatureKey("tally").Add(pattern).Add(test.Path?.Text ?? "").Add(window);
        return new TallyMeasure(Register(new TallyFeature(tally.Text, window, ofNumbers), [pattern], test.Path), test.Aggregate);
    }

    /// <summary>A count is told from the numbers its test names by as many contributions as the largest of them; a sum needs all.</summary>
    private int Capacity(MeasureTest test)
    {
        if (exact || test.Tests.IsEmpty || test.Aggregate is not (Language.Aggregate.Count or Language.Aggregate.Distinct))
            return limits.MostContributions;
        var most = test.Tests.Max(t => t.Operand.Number);
        return (int)Math.Clamp(Math.Ceiling(most), 1, limits.MostContributions);
    }

    private EndFeature End(EventPattern pattern, bool last, PropertyPath? of)
    {
        var key = new FeatureKey(last ? "last" : "first").Add(pattern).Add(of?.Text ?? "");
        return Register(new EndFeature(key.Text, last, of is not null), [pattern], of);
    }

    /// <summary>The feature, or the equal one that is there already; and where its events are found.</summary>
    private T Register<T>(T feature, ImmutableArray<EventPattern> patterns, PropertyPath? values)
        where T : Feature
    {
        if (features.TryGetValue(feature.Key, out var present))
        {
            uses.Features.Add(present);
            return (T)present;
        }

        features.Add(feature.Key, feature);
        uses.Features.Add(feature);
        for (var role = 0; role < patterns.Length; role++)
        {
            var pattern = patterns[role];
            var plan = PlanFor(pattern.Event);
            var filter = pattern.Where.IsEmpty ? null : Filter.Compile(pattern.Where, plan.Paths);
            plan.Add(new PlanEntry(feature, role, filter, pattern.On, values is null ? -1 : plan.Paths.Values(values.Steps.AsSpan()), pattern.LiveOnly));
        }

        return feature;
    }

    private EventPlan PlanFor(string name)
    {
        if (name[0] == '$' && EventTypes.TryParse(name[1..], out var type))
            return byType[(int)type] ??= new EventPlan();
        if (!byName.TryGetValue(name, out var plan))
            byName[name] = plan = new EventPlan();
        return plan;
    }

    private sealed class Uses
    {
        public long Epoch { get; set; }

        public HashSet<Feature> Features { get; } = [];

        public HashSet<(string Name, bool OfGroup)> Traits { get; } = [];

        public HashSet<string> Computed { get; } = new(StringComparer.Ordinal);

        public List<ReferenceNode> References { get; } = [];
    }

    /// <summary>
    /// Says everything that a feature's state depends on. Free texts are JSON strings, so that no two keys can be read as one another.
    /// </summary>
    private sealed class FeatureKey(string kind)
    {
        private readonly System.Text.StringBuilder text = new(kind);

        public string Text => text.ToString();

        public FeatureKey Add(string part)
        {
            text.Append('|').Append(JsonScalar.Of(part).ToJson());
            return this;
        }

        public FeatureKey Add(int number)
        {
            text.Append('|').Append(number.ToString(CultureInfo.InvariantCulture));
            return this;
        }

        public FeatureKey Add(Duration? duration)
        {
            text.Append('|').Append(duration?.Milliseconds.ToString(CultureInfo.InvariantCulture));
            return this;
        }

        public FeatureKey Add(TimeWindow? window)
        {
            text.Append('|').Append(CultureInfo.InvariantCulture, $"{window?.Within?.Milliseconds};{window?.From?.Milliseconds};{window?.To?.Milliseconds}");
            return this;
        }

        public FeatureKey Add(EventPattern pattern)
        {
            Add(pattern.Event);
            foreach (var filter in pattern.Where.OrderBy(f => f.Path.Text, StringComparer.Ordinal))
            {
                Add(filter.Path.Text);
                foreach (var test in filter.Tests)
                {
                    text.Append(' ').Append(test.Operator.Name());
                    foreach (var operand in test.Operands)
                        text.Append(' ').Append(operand.ToJson());
                }
            }

            if (pattern.On is { } on)
                text.Append(CultureInfo.InvariantCulture, $"|on {on.Days};{on.From};{on.To};{on.Zone.Id}");
            if (pattern.LiveOnly)
                text.Append("|live");
            return this;
        }
    }
}
