using System.Text;
using System.Text.Json;
using Cdp.ComputedTraits;
using Cdp.Events;
using Cdp.Segments;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;

namespace Cdp.Tests.Segments;

/// <summary>
/// What the language means, said as plainly as possible: every question reads the whole timeline again. It shares the parsed definition with the engine and nothing else;
/// zones are the machine's, not NodaTime's.
/// </summary>
internal sealed class Oracle(IReadOnlyList<SegmentDefinition> segments, IReadOnlyList<ComputedTraitDefinition> computed)
{
    private const long Grace = 60_000;
    private static readonly Dictionary<string, JsonElement> Parsed = new(StringComparer.Ordinal);

    public bool Member(string segment, IReadOnlyList<Event> timeline, long now)
    {
        var view = new View(timeline, Math.Max(now, timeline.Count == 0 ? now : timeline.Max(e => e.Timestamp.Milliseconds)));
        return Holds(segments.Single(s => s.Id == segment).Where, view);
    }

    /// <summary>JSON text, or null.</summary>
    public string? Computed(string trait, IReadOnlyList<Event> timeline, long now)
    {
        var view = new View(timeline, Math.Max(now, timeline.Count == 0 ? now : timeline.Max(e => e.Timestamp.Milliseconds)));
        return Text(Compute(computed.Single(t => t.Id == trait), view));
    }

    private bool Holds(Condition condition, View view) => condition switch
    {
        AllCondition all => all.Conditions.All(c => Holds(c, view)),
        AnyCondition any => any.Conditions.Any(c => Holds(c, view)),
        NotCondition not => !Holds(not.Condition, view),
        SegmentCondition reference => Holds(segments.Single(s => s.Id == reference.Segment).Where, view),
        TraitCondition trait => HoldsTrait(trait, view),
        EventCondition e => HoldsEvent(e, view),
        SequenceCondition { Absent: null } sequence => HoldsSequence(sequence, view),
        SequenceCondition absence => HoldsAbsence(absence, view),
        _ => throw new NotSupportedException(),
    };

    // Events

    private static bool HoldsEvent(EventCondition condition, View view)
    {
        var matching = view.Events.Where(e => Matches(condition.Pattern, e)).ToList();
        if (condition.Pick != EventPick.Every)
        {
            var ordered = matching.OrderBy(e => e.Timestamp.Milliseconds).ThenBy(e => e.MessageId, StringComparer.Ordinal).ToList();
            return ordered.Count > 0 && InWindow(condition.Window, condition.Pick == EventPick.First ? ordered[0] : ordered[^1], view.Now);
        }

        var inside = matching.Where(e => InWindow(condition.Window, e, view.Now)).ToList();
        return condition.Measures.IsEmpty
            ? inside.Count >= 1
            : condition.Measures.All(m => Pass(m.Tests, Measured(m.Aggregate, m.Path, inside) is { } value ? [JsonScalar.Of(value)] : [], view.Now));
    }

    private static decimal? Measured(Aggregate aggregate, PropertyPath? path, List<Event> events)
    {
        if (aggregate == Aggregate.Count)
            return events.Count;
        var values = events.SelectMany(e => Scalars(e, path!)).ToList();
        if (aggregate == Aggregate.Distinct)
            return values.Distinct().Count();
        var numbers = values.Where(v => v.Kind == ScalarKind.Number).Select(v => v.Number).ToList();
        if (aggregate == Aggregate.Sum)
            return numbers.Sum();
        if (numbers.Count == 0)
            return null;
        return aggregate switch { Aggregate.Avg => numbers.Sum() / numbers.Count, Aggregate.Min => numbers.Min(), _ => numbers.Max() };
    }

    private static bool InWindow(TimeWindow? window, Event e, long now)
    {
        var at = e.Timestamp.Milliseconds;
        if (window is null)
            return true;
        if (window.Within is { } span)
            return at > now - span.Milliseconds && at <= now;
        return (window.From is not { } from || at >= from.Milliseconds) && (window.To is not { } to || at < to.Milliseconds);
    }

    private static bool Matches(EventPattern pattern, Event e)
    {
        var name = e.Type == EventType.Track ? e.Name : "$" + e.Type.Name();
        if (name != pattern.Event)
            return false;
        if (pattern.On is { } on && !OnLocalTime(on, e.Timestamp))
            return false;
        return Filters([.. pattern.Where.Select(f => (f.Path.Steps.ToArray(), f.Tests.ToArray()))], Json(e));
    }

    private static bool OnLocalTime(LocalTimes on, Instant at)
    {
        var local = TimeZoneInfo.ConvertTime(at.ToDateTimeOffset(), TimeZoneInfo.FindSystemTimeZoneById(on.Zone.Id));
        var day = ((int)local.DayOfWeek + 6) % 7;
        if (on.Days is { } days && (days >> day & 1) == 0)
            return false;
        if (on.From is not { } from || on.To is not { } to)
            return true;
        var time = (int)local.TimeOfDay.TotalMilliseconds;
        return from < to ? from <= time && time < to : !(to <= time && time < from);
    }

    // Filters: those on one [] path of one element, and where they are all negative, of all elements.

    private static bool Filters((PathStep[] Path, Comparison[] Tests)[] filters, JsonElement? json)
    {
        foreach (var (path, tests) in filters.Where(f => !f.Path.Any(s => s.EachElement)))
        {
            if (!Pass(tests, Find(json, path, 0), long.MaxValue))
                return false;
        }

        var lists = filters.Where(f => f.Path.Any(s => s.EachElement)).GroupBy(f => string.Join('.', f.Path.Take(1 + Array.FindIndex(f.Path, s => s.EachElement)).Select(s => s.Name)));
        foreach (var list in lists)
        {
            var depth = 1 + Array.FindIndex(list.First().Path, s => s.EachElement);
            var inner = list.Select(f => (f.Path[depth..], f.Tests)).ToArray();
            var elements = Lists(json, list.First().Path[..depth], 0).SelectMany(l => l.EnumerateArray()).ToList();
            var negative = list.All(f => f.Tests.All(t => t.IsNegative));
            if (negative ? !elements.All(e => Filters(inner, e)) : !elements.Any(e => Filters(inner, e)))
                return false;
        }

        return true;
    }

    private static IEnumerable<JsonElement> Lists(JsonElement? json, PathStep[] path, int step)
    {
        if (json is not { } value)
            yield break;
        if (step == path.Length)
        {
            if (value.ValueKind == JsonValueKind.Array)
                yield return value;
            yield break;
        }

        foreach (var candidate in value.ValueKind == JsonValueKind.Array ? Flat(value) : [value])
        {
            if (candidate.ValueKind == JsonValueKind.Object && candidate.TryGetProperty(path[step].Name, out var next))
            {
                foreach (var found in Lists(next, path, step + 1))
                    yield return found;
            }
        }
    }

    /// <summary>What the path leads to: each a value, or a whole list.</summary>
    private static List<JsonElement> Find(JsonElement? json, PathStep[] path, int step)
    {
        if (json is not { } value || value.ValueKind == JsonValueKind.Null)
            return [];
        if (step == path.Length)
            return [value];
        var candidates = value.ValueKind == JsonValueKind.Array ? Flat(value) : [value];
        return [.. candidates.Where(c => c.ValueKind == JsonValueKind.Object && c.TryGetProperty(path[step].Name, out _))
            .SelectMany(c => Find(c.GetProperty(path[step].Name), path, step + 1))];
    }

    private static IEnumerable<JsonElement> Flat(JsonElement list) =>
        list.EnumerateArray().SelectMany(e => e.ValueKind == JsonValueKind.Array ? Flat(e) : [e]);

    // Tests

    private static bool Pass(IReadOnlyCollection<Comparison> tests, List<JsonElement> found, long now)
    {
        var values = new List<(JsonScalar Value, bool Element)>();
        foreach (var element in found)
        {
            if (element.ValueKind != JsonValueKind.Array)
            {
                values.Add((Scalar(element), false));
                continue;
            }

            var inner = Flat(element).Where(e => e.ValueKind != JsonValueKind.Null).Select(e => (Scalar(e), true)).ToList();
            values.AddRange(inner.Count > 0 ? inner : [(JsonScalar.Composite, true)]);
        }

        return Pass(tests, values, now);
    }

    private static bool Pass(IReadOnlyCollection<Comparison> tests, List<JsonScalar> values, long now) =>
        Pass(tests, values.Select(v => (v, false)).ToList(), now);

    private static bool Pass(IReadOnlyCollection<Comparison> tests, List<(JsonScalar Value, bool Element)> values, long now) =>
        tests.All(t => t.IsNegative)
            ? values.TrueForAll(v => tests.All(t => Pass(t, v.Value, v.Element, now)))
            : values.Exists(v => tests.All(t => Pass(t, v.Value, v.Element, now)));

    private static bool Pass(Comparison test, JsonScalar value, bool element, long now)
    {
        bool Equal(JsonScalar other) => (value.Kind, other.Kind) switch
        {
            (ScalarKind.Number, ScalarKind.Number) => value.Number == other.Number,
            (ScalarKind.Text, ScalarKind.Text) => string.Equals(value.Text, other.Text, StringComparison.Ordinal),
            (ScalarKind.Composite, _) => false,
            var (a, b) => a == b,
        };
        int? Order() => (value.Kind, test.Operand.Kind) switch
        {
            (ScalarKind.Number, ScalarKind.Number) => decimal.Compare(value.Number, test.Operand.Number),
            (ScalarKind.Text, ScalarKind.Text) => string.CompareOrdinal(value.Text, test.Operand.Text),
            _ => null,
        };
        long? Time() => value.Kind == ScalarKind.Text && value.Text!.Length >= 10 && IsoTime.TryParse(Encoding.UTF8.GetBytes(value.Text), out var at) ? at.Milliseconds : null;
        return test.Operator switch
        {
            Operator.Eq => Equal(test.Operand),
            Operator.Ne => !Equal(test.Operand),
            Operator.Gt => Order() > 0,
            Operator.Gte => Order() >= 0,
            Operator.Lt => Order() < 0,
            Operator.Lte => Order() <= 0,
            Operator.In => test.Operands.Any(Equal),
            Operator.Contains => element ? Equal(test.Operand) : value.Text is { } text && test.Operand.Text is { } part && text.Contains(part, StringComparison.Ordinal),
            Operator.StartsWith => value.Text?.StartsWith(test.Operand.Text!, StringComparison.Ordinal) == true,
            Operator.EndsWith => value.Text?.EndsWith(test.Operand.Text!, StringComparison.Ordinal) == true,
            Operator.Exists => test.Operand == JsonScalar.Of(true),
            Operator.Before => Time() < test.Time.Milliseconds,
            Operator.After => Time() > test.Time.Milliseconds,
            _ => Time() <= now && Time() > now - test.Span.Milliseconds,
        };
    }

    // Traits

    private bool HoldsTrait(TraitCondition condition, View view)
    {
        var steps = condition.Trait.Steps;
        if (steps.Length == 1 && computed.FirstOrDefault(t => t.Id == steps[0].Name) is { } trait)
        {
            var value = Compute(trait, view);
            return Pass(condition.Tests, value switch
            {
                null => new List<(JsonScalar, bool)>(),
                List<JsonScalar> list => [.. list.Select(v => (v, true))],
                var single => [((JsonScalar)single, false)],
            }, view.Now);
        }

        var ofGroup = steps.Length > 1 && steps[0].Name == "group";
        var name = steps[ofGroup ? 1 : 0].Name;
        JsonElement? found = null;
        foreach (var e in view.Events.OrderBy(e => e.Timestamp.Milliseconds).ThenBy(e => e.MessageId, StringComparer.Ordinal).ThenBy(e => e.SourceId, StringComparer.Ordinal))
        {
            if (e.Type == (ofGroup ? EventType.Group : EventType.Identify) && Json(e).TryGetProperty("traits", out var traits) && traits.TryGetProperty(name, out var set))
                found = set;
        }

        return Pass(condition.Tests, Find(found, [.. steps.Skip(ofGroup ? 2 : 1)], 0), view.Now);
    }

    private static object? Compute(ComputedTraitDefinition trait, View view)
    {
        var matching = view.Events.Where(e => Matches(trait.Pattern, e))
            .OrderBy(e => e.Timestamp.Milliseconds).ThenBy(e => e.MessageId, StringComparer.Ordinal).ThenBy(e => e.SourceId, StringComparer.Ordinal).ToList();
        var inside = matching.Where(e => InWindow(trait.Window, e, view.Now)).ToList();
        object? Measure(Aggregate aggregate) => Measured(aggregate, trait.Of, inside) is { } number ? JsonScalar.Of(number) : null;
        switch (trait.Computation)
        {
            case Computation.Count: return Measure(Aggregate.Count);
            case Computation.Sum: return Measure(Aggregate.Sum);
            case Computation.Average: return Measure(Aggregate.Avg);
            case Computation.Min: return Measure(Aggregate.Min);
            case Computation.Max: return Measure(Aggregate.Max);
            case Computation.First or Computation.Last:
                var having = matching.Where(e => trait.Of is null || Scalars(e, trait.Of).Count > 0).ToList();
                var end = trait.Computation == Computation.First ? having.FirstOrDefault() : having.LastOrDefault();
                if (end is null || !InWindow(trait.Window, end, view.Now))
                    return null;
                return trait.Of is null ? JsonScalar.Of(end.Timestamp.ToString()) : Scalars(end, trait.Of)[0];
            case Computation.DaysSince:
                if (matching.Count == 0 || !InWindow(trait.Window, matching[^1], view.Now))
                    return null;
                return JsonScalar.Of((view.Now - matching[^1].Timestamp.Milliseconds) / 86_400_000);
            case Computation.MostFrequent:
                var groups = inside.SelectMany(e => Scalars(e, trait.Of!)).GroupBy(v => v).OrderByDescending(g => g.Count()).ThenBy(g => g.Key).ToList();
                return groups.Count == 0 ? null : groups[0].Key;
            default:
                var values = inside.SelectMany(e => Scalars(e, trait.Of!)).Distinct().Order().ToList();
                return values.Count == 0 ? null : values;
        }
    }

    private static string? Text(object? value) => value switch
    {
        null => null,
        List<JsonScalar> list => "[" + string.Join(',', list.Select(v => v.ToJson())) + "]",
        var single => ((JsonScalar)single).ToJson(),
    };

    // Sequences

    private static bool HoldsSequence(SequenceCondition condition, View view)
    {
        foreach (var events in Groups(condition.By, view.Events))
        {
            foreach (var end in Ends(condition, events, 0, null, 0))
            {
                if (condition.Expires is not { } expires || view.Now < end + expires.Milliseconds)
                    return true;
            }
        }

        return false;
    }

    private static IEnumerable<long> Ends(SequenceCondition condition, List<Event> events, int step, Event? before, long start)
    {
        foreach (var e in events)
        {
            if (!Matches(condition.Steps[step], e) || (before is not null && !After(e, before)))
                continue;
            var began = step == 0 ? e.Timestamp.Milliseconds : start;
            if (condition.Within is { } within && e.Timestamp.Milliseconds - began > within.Milliseconds)
                continue;
            if (step == condition.Steps.Length - 1)
            {
                yield return e.Timestamp.Milliseconds;
                continue;
            }

            foreach (var end in Ends(condition, events, step + 1, e, began))
                yield return end;
        }
    }

    private static bool HoldsAbsence(SequenceCondition condition, View view)
    {
        foreach (var events in Groups(condition.By, view.Events))
        {
            Event? latest = null;
            foreach (var e in events.Where(e => Matches(condition.Steps[0], e)))
            {
                if (latest is null || After(e, latest))
                    latest = e;
            }

            if (latest is null || events.Exists(e => Matches(condition.Absent!, e) && After(e, latest)))
                continue;
            var at = latest.Timestamp.Milliseconds;
            if (view.Now >= at + condition.Within!.Value.Milliseconds + Grace && (condition.Expires is not { } expires || view.Now < at + expires.Milliseconds))
                return true;
        }

        return false;
    }

    private static IEnumerable<List<Event>> Groups(PropertyPath? by, IReadOnlyList<Event> events) => by is null
        ? [[.. events]]
        : events.Where(e => Scalars(e, by).Count > 0).GroupBy(e => Scalars(e, by)[0]).Select(g => g.ToList());

    private static bool After(Event e, Event other) =>
        e.Timestamp > other.Timestamp || (e.Timestamp == other.Timestamp && string.CompareOrdinal(e.MessageId, other.MessageId) > 0);

    // Values

    private static List<JsonScalar> Scalars(Event e, PropertyPath path) =>
        [.. Find(Json(e), [.. path.Steps], 0).SelectMany(v => v.ValueKind == JsonValueKind.Array ? Flat(v) : [v])
            .Select(Scalar).Where(v => v.Kind is not (ScalarKind.Absent or ScalarKind.Composite))];

    private static JsonScalar Scalar(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.String => JsonScalar.Of(json.GetString()!),
        JsonValueKind.Number => JsonScalar.Of(json.GetDecimal()),
        JsonValueKind.True => JsonScalar.Of(true),
        JsonValueKind.False => JsonScalar.Of(false),
        JsonValueKind.Null => default,
        _ => JsonScalar.Composite,
    };

    private static JsonElement Json(Event e)
    {
        var text = Encoding.UTF8.GetString(e.Json.Span);
        lock (Parsed)
        {
            if (!Parsed.TryGetValue(text, out var json))
            {
                if (Parsed.Count > 10_000)
                    Parsed.Clear();
                Parsed[text] = json = JsonDocument.Parse(text).RootElement.Clone();
            }

            return json;
        }
    }

    private sealed record View(IReadOnlyList<Event> Events, long Now);
}
