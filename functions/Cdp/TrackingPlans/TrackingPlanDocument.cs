using System.Text.Json;
using Cdp.Catalog;
using Cdp.Problems;
using Cdp.Segments.Language;

namespace Cdp.TrackingPlans;

/// <summary>A tracking plan on the wire.</summary>
public static class TrackingPlanDocument
{
    private const string Allow = "allow";
    private const string Block = "block";
    private const int MostEvents = 500;
    private const int MostProperties = 200;
    private const int LongestName = 200;

    private static readonly string[] Roots = ["properties", "traits", "context"];

    /// <param name="json">A JSON object.</param>
    /// <exception cref="ProblemException">invalid-field, naming every field that cannot be taken.</exception>
    public static TrackingPlan Read(JsonElement json)
    {
        var fields = new JsonFields(json);
        var onViolation = Action(fields, "onViolation") ?? PlanAction.Allow;
        var unplanned = Action(fields, "unplanned") ?? PlanAction.Allow;
        var names = new HashSet<string>(StringComparer.Ordinal);
        var events = fields.Objects("events", MostEvents, required: true)?.Select(fields => Event(fields, names)).ToList() ?? [];
        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        return new TrackingPlan(onViolation, unplanned, events);
    }

    public static void Write(Utf8JsonWriter json, TrackingPlan plan)
    {
        json.WriteStartObject();
        json.WriteString("onViolation"u8, Name(plan.OnViolation));
        json.WriteString("unplanned"u8, Name(plan.Unplanned));
        json.WriteStartArray("events"u8);
        foreach (var planned in plan.Events)
        {
            json.WriteStartObject();
            json.WriteString("event"u8, planned.Event);
            if (planned.OnViolation is { } action)
                json.WriteString("onViolation"u8, Name(action));
            json.WriteStartArray("properties"u8);
            foreach (var property in planned.Properties)
                Write(json, property);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, PlannedProperty property)
    {
        json.WriteStartObject();
        json.WriteString("path"u8, property.Path);
        if (property.Types is { } types)
        {
            json.WriteStartArray("types"u8);
            foreach (var type in types)
                json.WriteStringValue(type);
            json.WriteEndArray();
        }

        json.WriteBoolean("required"u8, property.Required);
        json.WriteEndObject();
    }

    private static string Name(PlanAction action) => action == PlanAction.Block ? Block : Allow;

    private static PlanAction? Action(JsonFields fields, string name)
    {
        switch (fields.Text(name, LongestName))
        {
            case null:
                return null;
            case Allow:
                return PlanAction.Allow;
            case Block:
                return PlanAction.Block;
            default:
                fields.Refuse(name, $"none of {Allow}, {Block}");
                return null;
        }
    }

    private static PlannedEvent Event(JsonFields fields, HashSet<string> names)
    {
        var name = fields.Text("event", LongestName, required: true) ?? "";
        if (name.StartsWith('$') && !EventNames.IsReserved(name))
            fields.Refuse("event", "none of $page, $screen, $identify, $group, and no name of a track call");
        if (name.Length > 0 && !names.Add(name))
            fields.Refuse("event", "listed twice");
        var action = Action(fields, "onViolation");
        var paths = new HashSet<string>(StringComparer.Ordinal);
        var properties = fields.Objects("properties", MostProperties)?.Select(fields => Property(fields, paths)).ToList() ?? [];
        fields.RefuseOthers();
        return new PlannedEvent(name, action, properties);
    }

    private static PlannedProperty Property(JsonFields fields, HashSet<string> paths)
    {
        var path = fields.Text("path", PropertyPath.Longest, required: true) ?? "";
        if (path.Length > 0 && PathRefusal(path) is { } reason)
            fields.Refuse("path", reason);
        else if (path.Length > 0 && !paths.Add(path))
            fields.Refuse("path", "listed twice");
        var types = fields.Texts("types", PropertyTypes.Count, LongestName);
        for (var i = 0; i < types?.Count; i++)
        {
            if (!PropertyTypes.TryParse(types[i], out var type) || type == PropertyType.Null)
                fields.Refuse($"types[{i}]", "none of string, number, boolean, time, list, object");
        }

        var required = fields.Flag("required") ?? false;
        fields.RefuseOthers();
        return new PlannedProperty(path, types is { Count: 0 } ? null : types, required);
    }

    private static string? PathRefusal(string path)
    {
        if (PropertyPath.TryParse(path) is not { } parsed)
            return "not names joined by dots, such as properties.products[].price";
        return parsed.Steps.Length < 2 || parsed.Steps[0].EachElement || Array.IndexOf(Roots, parsed.Steps[0].Name) < 0
            ? "not below properties, traits or context"
            : null;
    }
}
