using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Cdp.Catalog;
using Cdp.Events;
using Cdp.Segments.Language;

namespace Cdp.TrackingPlans;

/// <summary>How an event contradicts a plan. The names are on the wire.</summary>
internal readonly record struct Violation(string Path, string Kind, string Detail)
{
    public const string UnplannedEvent = "unplanned-event";
    public const string Missing = "missing";
    public const string WrongType = "wrong-type";
}

/// <param name="Event">As the catalogue names it.</param>
internal readonly record struct Verdict(string Event, IReadOnlyList<Violation> Violations, bool IsBlocked);

/// <summary>A tracking plan, made ready to check events in one pass over what it speaks of.</summary>
internal sealed class PlanCheck
{
    // What more is wrong with one event says nothing new.
    private const int MostViolations = 20;

    // A source stays the same object until the sources are read again.
    private static readonly ConditionalWeakTable<TrackingPlan, PlanCheck> Made = [];

    private static readonly Verdict Clean = new("", [], false);

    private readonly TrackingPlan plan;
    private readonly Dictionary<string, (PlanAction Action, Node Root)> events = new(StringComparer.Ordinal);

    private PlanCheck(TrackingPlan plan)
    {
        this.plan = plan;
        foreach (var planned in plan.Events)
        {
            var root = new Node("", []);
            foreach (var property in planned.Properties)
                root.Plan(property);
            events.Add(planned.Event, (planned.OnViolation ?? plan.OnViolation, root));
        }
    }

    /// <summary>Null where there is no plan.</summary>
    public static PlanCheck? Of(TrackingPlan? plan) => plan is null ? null : Made.GetValue(plan, static plan => new PlanCheck(plan));

    public Verdict Check(Event e)
    {
        if (EventNames.Of(e) is not { } name)
            return Clean;
        if (!events.TryGetValue(name, out var planned))
        {
            return e.Type == EventType.Track
                ? new Verdict(name, [new Violation("event", Violation.UnplannedEvent, "the tracking plan does not list this name")], plan.Unplanned == PlanAction.Block)
                : Clean;
        }

        List<Violation>? violations = null;
        planned.Root.CheckParts(e, ref violations);
        return violations is null ? Clean : new Verdict(name, violations, planned.Action == PlanAction.Block);
    }

    /// <summary>One name of a path, and those behind it.</summary>
    private sealed class Node(string path, byte[] name)
    {
        private readonly byte[] name = name;
        private readonly List<Node> members = [];
        private Node? element;
        private bool required;

        // A bit for each type.
        private int types;
        private string typeNames = "";

        public void Plan(PlannedProperty property)
        {
            var node = this;
            foreach (var step in PropertyPath.TryParse(property.Path)!.Steps)
            {
                node = node.Member(step.Name);
                if (step.EachElement)
                    node = node.element ??= new Node(node.Path + "[]", []);
            }

            node.required = property.Required;
            foreach (var text in property.Types ?? [])
            {
                // Names were checked when the plan was put.
                if (PropertyTypes.TryParse(text, out var type))
                    node.types |= Bit(type);
                // A time is a string that can be read as one.
                if (type == PropertyType.String)
                    node.types |= Bit(PropertyType.Time);
            }

            node.typeNames = string.Join(" or ", property.Types ?? []);
        }

        private string Path { get; } = path;

        /// <summary>The parts of an event have been found already.</summary>
        public void CheckParts(Event e, ref List<Violation>? violations)
        {
            foreach (var part in members)
            {
                var json = part.Path switch
                {
                    "properties" => e.Properties,
                    "traits" => e.Traits,
                    _ => e.Context,
                };
                if (json.IsEmpty)
                {
                    part.ReportMissing(ref violations);
                    continue;
                }

                var reader = new Utf8JsonReader(json.Span, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
                reader.Read();
                part.Check(ref reader, ref violations);
            }
        }

        private static int Bit(PropertyType type) => 1 << (int)type;

        private static void Report(ref List<Violation>? violations, Violation violation)
        {
            violations ??= [];
            if (violations.Count < MostViolations && !violations.Contains(violation))
                violations.Add(violation);
        }

        private Node Member(string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            foreach (var member in members)
            {
                if (bytes.AsSpan().SequenceEqual(member.name))
                    return member;
            }

            var added = new Node(Path.Length == 0 ? text : $"{Path}.{text}", bytes);
            members.Add(added);
            return added;
        }

        /// <param name="reader">At the first token of the value, which is not null.</param>
        private void Check(ref Utf8JsonReader reader, ref List<Violation>? violations)
        {
            var type = PropertyTypes.Of(ref reader);
            if (types != 0 && (types & Bit(type)) == 0)
                Report(ref violations, new Violation(Path, Violation.WrongType, $"not of type {typeNames}"));
            else if (types == 0 && element is not null && members.Count == 0 && type != PropertyType.List)
                Report(ref violations, new Violation(Path, Violation.WrongType, "not of type list"));
            else if (types == 0 && element is null && members.Count > 0 && type != PropertyType.Object)
                Report(ref violations, new Violation(Path, Violation.WrongType, "not of type object"));
            if (type == PropertyType.Object)
                CheckMembers(ref reader, ref violations);
            else if (type == PropertyType.List)
                CheckElements(ref reader, ref violations);
        }

        private void CheckMembers(ref Utf8JsonReader reader, ref List<Violation>? violations)
        {
            if (members.Count == 0)
            {
                reader.Skip();
                return;
            }

            Span<bool> found = stackalloc bool[members.Count];
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var index = IndexOf(ref reader);
                reader.Read();
                if (index < 0 || reader.TokenType == JsonTokenType.Null)
                {
                    reader.Skip();
                    continue;
                }

                found[index] = true;
                members[index].Check(ref reader, ref violations);
            }

            for (var i = 0; i < found.Length; i++)
            {
                if (!found[i])
                    members[i].ReportMissing(ref violations);
            }
        }

        private int IndexOf(ref Utf8JsonReader reader)
        {
            for (var i = 0; i < members.Count; i++)
            {
                if (reader.ValueTextEquals(members[i].name))
                    return i;
            }

            return -1;
        }

        private void CheckElements(ref Utf8JsonReader reader, ref List<Violation>? violations)
        {
            if (element is null)
            {
                reader.Skip();
                return;
            }

            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                if (reader.TokenType == JsonTokenType.Null)
                    element.ReportMissing(ref violations);
                else
                    element.Check(ref reader, ref violations);
            }
        }

        /// <summary>With it everything below is missing, but for elements of a list that is not there.</summary>
        private void ReportMissing(ref List<Violation>? violations)
        {
            if (required)
                Report(ref violations, new Violation(Path, Violation.Missing, "required and missing"));
            foreach (var member in members)
                member.ReportMissing(ref violations);
        }
    }
}
