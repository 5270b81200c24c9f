using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Segments.Matching;
using NodaTime;

namespace Cdp.Segments.Language;

/// <summary>Reads conditions, noting every mistake with its path. What it returns is complete only where nothing was noted.</summary>
internal sealed class ConditionParser(DefinitionReader read)
{
    private int conditions;

    public Condition? Condition(JsonElement json, string path, int depth = 1)
    {
        if (depth > DefinitionLimits.MostDepth)
            return read.Refuse<Condition>(path, $"is nested more than {DefinitionLimits.MostDepth} levels deep");
        if (++conditions > DefinitionLimits.MostConditions)
        {
            if (conditions == DefinitionLimits.MostConditions + 1)
                read.Refuse(path, $"is one of more than {DefinitionLimits.MostConditions} conditions");
            return null;
        }

        if (json.ValueKind != JsonValueKind.Object)
            return read.Refuse<Condition>(path, "is not an object");
        string? kind = null;
        foreach (var candidate in Grammar.Kinds)
        {
            if (DefinitionReader.Find(json, candidate) is null)
                continue;
            if (kind is not null)
                return read.Refuse<Condition>(path, $"is both {kind} and {candidate}");
            kind = candidate;
        }

        if (kind is null)
            return read.Refuse<Condition>(path, $"is no condition: it has none of {string.Join(", ", Grammar.Kinds)}");
        read.IsObject(json, path, Grammar.Conditions[kind]);
        var subject = json.GetProperty(kind);
        var inner = path + "." + kind;
        switch (kind)
        {
            case "all":
                return Conditions(subject, inner, depth) is { } all ? new AllCondition(all) : null;
            case "any":
                return Conditions(subject, inner, depth) is { } any ? new AnyCondition(any) : null;
            case "not":
                return Condition(subject, inner, depth + 1) is { } negated ? new NotCondition(negated) : null;
            case "trait":
                return Trait(json, path);
            case "event":
                return Event(json, path);
            case "sequence":
                return Sequence(json, path);
            default:
                if (read.Text(subject, inner) is not { } segment)
                    return null;
                return DefinitionIds.IsValid(segment) ? new SegmentCondition(segment) : read.Refuse<Condition>(inner, $"'{segment}' is not a segment id");
        }
    }

    private ImmutableArray<Condition>? Conditions(JsonElement json, string path, int depth)
    {
        if (read.List(json, path, DefinitionLimits.MostConditions) is not { } items)
            return null;
        var list = ImmutableArray.CreateBuilder<Condition>();
        var index = 0;
        foreach (var item in items)
        {
            if (Condition(item, $"{path}[{index++}]", depth + 1) is { } condition)
                list.Add(condition);
        }

        return list.ToImmutable();
    }

    private TraitCondition? Trait(JsonElement json, string path)
    {
        var name = read.Member(json, path, "trait");
        var trait = name is null ? null : PropertyPath.TryParse(name) ?? read.Refuse<PropertyPath>(path + ".trait", $"'{name}' is not a path");
        if (trait is { Steps: [{ EachElement: true, Name: var first }, ..] } && first == "group")
            read.Refuse(path + ".trait", "group is no list");
        var tests = Tests(json, path, Operators.Names, "trait");
        return trait is null ? null : new TraitCondition(trait, tests);
    }

    private EventCondition? Event(JsonElement json, string path)
    {
        var pattern = Pattern(json, path);
        var measures = ImmutableArray.CreateBuilder<MeasureTest>();
        foreach (var aggregate in Enum.GetValues<Aggregate>())
        {
            if (DefinitionReader.Find(json, aggregate.Name()) is { } measure)
                Measure(measure, $"{path}.{aggregate.Name()}", aggregate, measures);
        }

        var first = DefinitionReader.Find(json, "first") is { } f && read.Flag(f, path + ".first") == true;
        var last = DefinitionReader.Find(json, "last") is { } l && read.Flag(l, path + ".last") == true;
        if (first && last)
            read.Refuse(path + ".last", "contradicts first: give one of them");
        if ((first || last) && measures.Count > 0)
            read.Refuse($"{path}.{measures[0].Aggregate.Name()}", $"contradicts {(first ? "first" : "last")}, which is about one event alone");
        var window = Window(json, path);
        return pattern is null ? null : new EventCondition(
            pattern, measures.ToImmutable(), window, first ? EventPick.First : last ? EventPick.Last : EventPick.Every);
    }

    private void Measure(JsonElement json, string path, Aggregate aggregate, ImmutableArray<MeasureTest>.Builder measures)
    {
        if (aggregate == Aggregate.Count)
        {
            if (read.IsObject(json, path, Grammar.NumericOperators))
                measures.Add(new MeasureTest(aggregate, null, Tests(json, path, Grammar.NumericOperators)));
            return;
        }

        if (json.ValueKind != JsonValueKind.Object)
        {
            read.Refuse(path, "is not an object");
            return;
        }

        var any = false;
        foreach (var member in json.EnumerateObject())
        {
            any = true;
            var inner = path + "." + member.Name;
            var property = Path(member.Name, inner);
            if (read.IsObject(member.Value, inner, Grammar.NumericOperators) && property is not null)
                measures.Add(new MeasureTest(aggregate, property, Tests(member.Value, inner, Grammar.NumericOperators)));
        }

        if (!any)
            read.Refuse(path, "names no property");
    }

    private SequenceCondition? Sequence(JsonElement json, string path)
    {
        var within = DefinitionReader.Find(json, "within") is { } w ? read.Duration(w, path + ".within") : null;
        var expires = DefinitionReader.Find(json, "expires") is { } e ? read.Duration(e, path + ".expires") : null;
        var by = read.Member(json, path, "by") is { } text ? Path(text, path + ".by") : null;
        var list = json.GetProperty("sequence");
        var inner = path + ".sequence";
        if (read.List(list, inner, DefinitionLimits.MostSteps) is not { } items)
            return null;
        var count = list.GetArrayLength();
        if (count < 2)
            return read.Refuse<SequenceCondition>(inner, "has one step: a sequence has at least two");
        var steps = ImmutableArray.CreateBuilder<EventPattern>();
        EventPattern? absent = null;
        var index = 0;
        foreach (var item in items)
        {
            var at = $"{inner}[{index++}]";
            if (item.ValueKind == JsonValueKind.Object && DefinitionReader.Find(item, "not") is { } not)
            {
                if (index != count || count != 2)
                    read.Refuse(at, "is an absence, which is the second of exactly two steps");
                if (!read.IsObject(item, at, Grammar.Absence))
                    continue;
                absent = Step(not, at + ".not");
                if (DefinitionReader.Find(json, "within") is null)
                    read.Refuse(path + ".within", "is missing: an absence needs the time after which the event counts as absent");
            }
            else if (Step(item, at) is { } step)
            {
                steps.Add(step);
            }
        }

        if (absent is not null && expires is { } until && within is { } wait && until.Milliseconds <= wait.Milliseconds + (long)DefinitionLimits.Grace.TotalMilliseconds)
            read.Refuse(path + ".expires", $"contradicts within: it ends before {wait} and the minute of grace are over");
        return new SequenceCondition(steps.ToImmutable(), absent, within, expires, by);
    }

    private EventPattern? Step(JsonElement json, string path) => read.IsObject(json, path, Grammar.Step) ? Pattern(json, path) : null;

    /// <summary>The members <c>event</c>, <c>where</c> and <c>on</c> of an object.</summary>
    public EventPattern? Pattern(JsonElement json, string path)
    {
        var name = read.Member(json, path, "event", required: true);
        if (name is not null && name[0] == '$' && !Grammar.EventNames.Contains(name))
            read.Refuse(DefinitionReader.Join(path, "event"), $"'{name}' is unknown; names with $ are {string.Join(", ", Grammar.EventNames)}");
        var filters = DefinitionReader.Find(json, "where") is { } where ? Filters(where, DefinitionReader.Join(path, "where")) : [];
        var on = DefinitionReader.Find(json, "on") is { } local ? On(local, DefinitionReader.Join(path, "on")) : null;
        return name is null ? null : new EventPattern(name, filters, on);
    }

    /// <summary>Paths into an event, and what is tested there.</summary>
    public ImmutableArray<PropertyFilter> Filters(JsonElement json, string path)
    {
        var filters = ImmutableArray.CreateBuilder<PropertyFilter>();
        if (json.ValueKind != JsonValueKind.Object)
        {
            read.Refuse(path, "is not an object of paths and tests");
            return [];
        }

        foreach (var member in json.EnumerateObject())
        {
            var inner = path + "." + member.Name;
            if (filters.Count == DefinitionLimits.MostFilters)
            {
                read.Refuse(inner, $"is one of more than {DefinitionLimits.MostFilters} filters");
                break;
            }

            var property = Path(member.Name, inner);
            if (read.IsObject(member.Value, inner, Grammar.FilterOperators) && property is not null)
                filters.Add(new PropertyFilter(property, Tests(member.Value, inner, Grammar.FilterOperators)));
        }

        return filters.ToImmutable();
    }

    /// <summary>A path into an event.</summary>
    public PropertyPath? Path(string text, string path)
    {
        if (PropertyPath.TryParse(text) is not { } parsed)
            return read.Refuse<PropertyPath>(path, $"'{text}' is not a path, such as properties.products[].category");
        return Grammar.PathRoots.Contains(parsed.Steps[0].Name) && !parsed.Steps[0].EachElement
            ? parsed
            : read.Refuse<PropertyPath>(path, $"begins with none of {string.Join(", ", Grammar.PathRoots)}");
    }

    /// <summary>Every operator among the members of an object; at least one.</summary>
    private ImmutableArray<Comparison> Tests(JsonElement json, string path, ImmutableArray<string> operators, string? subject = null)
    {
        var tests = ImmutableArray.CreateBuilder<Comparison>();
        var any = false;
        for (var op = Operator.Eq; op <= Operator.Within; op++)
        {
            if (!operators.Contains(op.Name()) || !json.TryGetProperty(op.Name(), out var operand))
                continue;
            any = true;
            if (Test(op, operand, path + "." + op.Name(), operators.Length == Operators.Numeric) is { } test)
                tests.Add(test);
        }

        if (!any)
            read.Refuse(path, $"has no operator{(subject is null ? "" : " beside " + subject)}: give one of {string.Join(", ", operators)}");
        return tests.ToImmutable();
    }

    private Comparison? Test(Operator op, JsonElement json, string path, bool numeric)
    {
        switch (op)
        {
            case Operator.In:
                if (read.List(json, path, DefinitionLimits.MostListed) is not { } items)
                    return null;
                var operands = ImmutableArray.CreateBuilder<JsonScalar>();
                var index = 0;
                foreach (var item in items)
                {
                    if (read.Scalar(item, $"{path}[{index++}]") is { } operand)
                        operands.Add(operand);
                }

                return operands.Count == 0 ? null : new Comparison(op, operands.ToImmutable());
            case Operator.Exists:
                return read.Flag(json, path) is { } exists ? new Comparison(op, [JsonScalar.Of(exists)]) : null;
            case Operator.Before or Operator.After:
                if (read.Text(json, path) is not { } time)
                    return null;
                return IsoTime.TryParse(Encoding.UTF8.GetBytes(time), out var at)
                    ? new Comparison(op, [JsonScalar.Of(time)], Time: at)
                    : read.Refuse<Comparison>(path, $"'{time}' is not a time, such as 2026-01-02 or 2026-01-02T03:04:05Z");
            case Operator.Within:
                return read.Duration(json, path) is { } span ? new Comparison(op, [JsonScalar.Of(json.GetString()!)], Span: span) : null;
        }

        if (read.Scalar(json, path) is not { } value)
            return null;
        if (numeric && value.Kind != ScalarKind.Number)
            return read.Refuse<Comparison>(path, "is not a number");
        if (op is Operator.Gt or Operator.Gte or Operator.Lt or Operator.Lte && value.Kind is not (ScalarKind.Number or ScalarKind.Text))
            return read.Refuse<Comparison>(path, "is neither a number nor a string");
        if (op is Operator.StartsWith or Operator.EndsWith && value.Kind != ScalarKind.Text)
            return read.Refuse<Comparison>(path, "is not a string");
        return new Comparison(op, [value]);
    }

    /// <summary>The members <c>within</c> and <c>between</c> of an object.</summary>
    public TimeWindow? Window(JsonElement json, string path)
    {
        var within = DefinitionReader.Find(json, "within");
        var between = DefinitionReader.Find(json, "between");
        if (within is not null && between is not null)
            return read.Refuse<TimeWindow>(DefinitionReader.Join(path, "between"), "contradicts within: give one of them");
        if (within is { } relative)
            return read.Duration(relative, DefinitionReader.Join(path, "within")) is { } duration ? new TimeWindow(duration, null, null) : null;
        return between is { } absolute ? Between(absolute, DefinitionReader.Join(path, "between")) : null;
    }

    private TimeWindow? Between(JsonElement json, string path)
    {
        if (!read.IsObject(json, path, Grammar.Between))
            return null;
        var zone = Zone(json, path);
        var from = DefinitionReader.Find(json, "from") is { } f ? Boundary(f, path + ".from", zone) : null;
        var to = DefinitionReader.Find(json, "to") is { } t ? Boundary(t, path + ".to", zone) : null;
        if (DefinitionReader.Find(json, "from") is null && DefinitionReader.Find(json, "to") is null)
            read.Refuse(path, "has neither from nor to");
        if (from >= to)
            read.Refuse(path, "ends before it begins");
        return new TimeWindow(null, from, to);
    }

    /// <summary>A time with an offset, or a date, which is its first moment in the zone.</summary>
    private Events.Instant? Boundary(JsonElement json, string path, DateTimeZone? zone)
    {
        if (read.Text(json, path) is not { } text)
            return null;
        if (text.Length == 10 && DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date))
        {
            var start = (zone ?? DateTimeZone.Utc).AtStartOfDay(new LocalDate(date.Year, date.Month, date.Day));
            return new Events.Instant(start.ToInstant().ToUnixTimeMilliseconds());
        }

        var hasOffset = text.Length > 10 && (text[^1] is 'Z' or 'z' || text.AsSpan(10).IndexOfAny('+', '-') >= 0);
        if (!IsoTime.TryParse(Encoding.UTF8.GetBytes(text), out var at))
            return read.Refuse<Events.Instant?>(path, $"'{text}' is not a time, such as 2026-01-02 or 2026-01-02T03:04:05+02:00");
        return hasOffset ? at : read.Refuse<Events.Instant?>(path, $"'{text}' has no offset; only dates go with timeZone");
    }

    /// <summary>UTC by default; null where it was refused.</summary>
    private DateTimeZone? Zone(JsonElement json, string path)
    {
        if (DefinitionReader.Find(json, "timeZone") is not { } zone)
            return DateTimeZone.Utc;
        if (read.Text(zone, path + ".timeZone") is not { } id)
            return null;
        // The zones come with NodaTime, not from the machine: the same on every host.
        return DateTimeZoneProviders.Tzdb.GetZoneOrNull(id) ?? read.Refuse<DateTimeZone>(path + ".timeZone", $"'{id}' is not an IANA time zone, such as Europe/Berlin");
    }

    /// <summary>Local days and hours.</summary>
    public LocalTimes? On(JsonElement json, string path)
    {
        if (!read.IsObject(json, path, Grammar.On))
            return null;
        var zone = Zone(json, path);
        var days = DefinitionReader.Find(json, "days") is { } d ? Days(d, path + ".days") : null;
        (int From, int To)? hours = DefinitionReader.Find(json, "hours") is { } h ? Hours(h, path + ".hours") : null;
        if (DefinitionReader.Find(json, "days") is null && DefinitionReader.Find(json, "hours") is null)
            read.Refuse(path, "has neither days nor hours");
        return zone is null ? null : new LocalTimes(days, hours?.From, hours?.To, zone);
    }

    private int? Days(JsonElement json, string path)
    {
        if (read.List(json, path, LocalTimes.DayNames.Length) is not { } items)
            return null;
        var days = 0;
        var index = 0;
        foreach (var item in items)
        {
            if (read.Choice(item, $"{path}[{index++}]", LocalTimes.DayNames) is { } day)
                days |= 1 << LocalTimes.DayNames.IndexOf(day);
        }

        return days;
    }

    private (int From, int To)? Hours(JsonElement json, string path)
    {
        if (!read.IsObject(json, path, Grammar.Hours))
            return null;
        var from = Clock(json, path, "from", latest: 23);
        var to = Clock(json, path, "to", latest: 24);
        if (from is null || to is null)
            return null;
        return from != to ? (from.Value, to.Value) : read.Refuse<(int, int)?>(path, "ends where it begins");
    }

    /// <summary>hh:mm, as milliseconds of the day; 24:00 is the end of it.</summary>
    private int? Clock(JsonElement json, string path, string name, int latest)
    {
        if (read.Member(json, path, name, required: true) is not { } text)
            return null;
        if (text.Length == 5 && text[2] == ':'
            && int.TryParse(text.AsSpan(0, 2), NumberStyles.None, CultureInfo.InvariantCulture, out var hour)
            && int.TryParse(text.AsSpan(3, 2), NumberStyles.None, CultureInfo.InvariantCulture, out var minute)
            && hour <= latest && minute <= (hour == 24 ? 0 : 59))
        {
            return ((hour * 60) + minute) * 60_000;
        }

        return read.Refuse<int?>($"{path}.{name}", $"'{text}' is not a time of day, such as 18:00");
    }
}
