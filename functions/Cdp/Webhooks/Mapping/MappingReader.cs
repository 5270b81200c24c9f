using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Interactions;
using Cdp.Problems;

namespace Cdp.Webhooks.Mapping;

/// <summary>Reads a mapping and notes everything that is wrong with it, each with its path.</summary>
internal sealed class MappingReader
{
    // Further ones say nothing new.
    private const int MostErrors = 50;

    private static readonly IReadOnlySet<string> Nothing = new HashSet<string>();

    private readonly List<ProblemError> errors = [];

    public IReadOnlyList<ProblemError> Errors => errors;

    public void Refuse(string path, string reason)
    {
        if (errors.Count < MostErrors)
            errors.Add(new ProblemError(path, reason));
    }

    public MappingRule? Rule(JsonElement json, string path, int index)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            Refuse(path, "not-an-object");
            return null;
        }

        string? name = null, type = null, interaction = null;
        MappingCondition? when = null;
        var forEach = new List<MappingPath>();
        MappingValue? messageId = null, timestamp = null, context = null;
        var fresh = false;
        var members = new List<(string, MappingValue)>();
        var externalIds = new List<(string, MappingValue)>();
        foreach (var member in json.EnumerateObject())
        {
            var at = path + "." + member.Name;
            switch (member.Name)
            {
                case "name":
                    name = Text(member.Value, at, blank: false);
                    break;
                case "when":
                    when = Condition(member.Value, at, 0);
                    break;
                case "forEach" when member.Value.ValueKind == JsonValueKind.Array:
                    var lists = 0;
                    foreach (var list in member.Value.EnumerateArray())
                    {
                        if (Path(list, $"{at}[{lists++}]") is { } candidate)
                            forEach.Add(candidate);
                    }

                    break;
                case "forEach":
                    if (Path(member.Value, at) is { } only)
                        forEach.Add(only);
                    break;
                case "type":
                    type = Type(member.Value, at);
                    break;
                case "interaction":
                    interaction = Text(member.Value, at, blank: false);
                    if (interaction is not null && !InteractionKinds.All.Contains(interaction))
                        Refuse(at, "none of " + string.Join(", ", InteractionKinds.All));
                    break;
                case "messageId" when member.Value.ValueKind == JsonValueKind.Null:
                    fresh = true;
                    break;
                case "messageId":
                    messageId = Value(member.Value, at, 0);
                    break;
                case "timestamp":
                    timestamp = Value(member.Value, at, 0, plainKind: "time");
                    break;
                case "event" or "userId" or "anonymousId" or "groupId" or "previousId":
                    if (Value(member.Value, at, 0) is { } value)
                        members.Add((member.Name, value));
                    break;
                case "properties" or "traits":
                    if (Members(member.Value, at, 0) is { } inner)
                        members.Add((member.Name, inner));
                    break;
                case "context":
                    context = Members(member.Value, at, 0);
                    break;
                case "externalIds":
                    ExternalIds(member.Value, at, externalIds);
                    break;
                default:
                    Refuse(at, "unknown");
                    break;
            }
        }

        type ??= "track";
        Demand(members, type, path);
        return new MappingRule(name ?? $"events[{index}]", when, forEach, type, messageId, fresh, timestamp, members, context, externalIds, interaction);
    }

    /// <summary>What every event of the type needs: an event without it would be refused each time.</summary>
    private void Demand(List<(string Name, MappingValue Value)> members, string type, string path)
    {
        var needed = type switch { "track" => "event", "group" => "groupId", "alias" => "previousId", _ => null };
        if (needed is not null && !members.Exists(member => member.Name == needed) && !errors.Exists(error => error.Path == path + "." + needed))
            Refuse(path + "." + needed, $"missing: every {type} call needs it");
    }

    private string? Type(JsonElement json, string path)
    {
        if (Text(json, path, blank: false) is not { } text)
            return null;
        if (EventTypes.TryParse(text, out var type) && type != EventType.Merge)
            return text;
        Refuse(path, "none of track, identify, page, screen, group, alias");
        return null;
    }

    private void ExternalIds(JsonElement json, string path, List<(string, MappingValue)> ids)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            Refuse(path, "not-an-object");
            return;
        }

        foreach (var member in json.EnumerateObject())
        {
            var at = path + "." + member.Name;
            if (!IsIdentifierType(member.Name))
                Refuse(at, "not the name of an identifier type: a lower-case letter, then letters, digits and underscores, at most 64");
            else if (Value(member.Value, at, 0) is { } value)
                ids.Add((member.Name, value));
        }
    }

    private static bool IsIdentifierType(string name)
    {
        if (name.Length is 0 or > 64 || !char.IsAsciiLetterLower(name[0]))
            return false;
        foreach (var c in name)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '_')
                return false;
        }

        return true;
    }

    private ObjectValue? Members(JsonElement json, string path, int level)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            Refuse(path, "not-an-object");
            return null;
        }

        MappingPath? all = null;
        var without = Nothing;
        var members = new List<(string, MappingValue)>();
        var named = new List<(MappingValue, MappingValue)>();
        foreach (var member in json.EnumerateObject())
        {
            var at = path + "." + member.Name;
            if (member.Name == "*")
                (all, without) = Others(member.Value, at);
            else if (Value(member.Value, at, level) is not { } value)
                continue;
            else if (!member.Name.Contains("{{", StringComparison.Ordinal))
                members.Add((member.Name, value));
            else if (Template(member.Name, at) is { } name)
                named.Add((name, value));
        }

        return new ObjectValue(members, named, all, without);
    }

    private (MappingPath? All, IReadOnlySet<string> Without) Others(JsonElement json, string path)
    {
        if (json.ValueKind != JsonValueKind.Object)
            return (Path(json, path), Nothing);
        MappingPath? all = null;
        var without = new HashSet<string>(StringComparer.Ordinal);
        foreach (var member in json.EnumerateObject())
        {
            if (member.Name == "path")
                all = Path(member.Value, path + ".path");
            else if (member.Name == "without" && member.Value.ValueKind == JsonValueKind.Array)
                without.UnionWith(Texts(member.Value, path + ".without"));
            else
                Refuse(path + "." + member.Name, "unknown");
        }

        if (all is null)
            Refuse(path + ".path", "missing");
        return (all, without);
    }

    /// <param name="plainKind">What a path without 'as' becomes here.</param>
    private MappingValue? Value(JsonElement json, string path, int level, string? plainKind = null)
    {
        if (level > WebhookLimits.Nesting)
        {
            Refuse(path, $"nested more than {WebhookLimits.Nesting} levels deep");
            return null;
        }

        switch (json.ValueKind)
        {
            case JsonValueKind.String:
                return Text(json, path, blank: true) is not { } text ? null
                    : MappingPath.IsPath(text) ? Path(json, path) is { } read ? new PathValue(read, plainKind, null, null, null, false, null) : null
                    : text.Contains("{{", StringComparison.Ordinal) ? Template(text, path)
                    : Constant(json);
            case JsonValueKind.Array:
                var items = new List<MappingValue>();
                var index = 0;
                foreach (var item in json.EnumerateArray())
                {
                    if (Value(item, $"{path}[{index++}]", level + 1) is { } value)
                        items.Add(value);
                }

                return new ListValue(items);
            case JsonValueKind.Object:
                return Form(json, path, level, plainKind);
            default:
                return Constant(json);
        }
    }

    private MappingValue? Form(JsonElement json, string path, int level, string? plainKind)
    {
        if (json.TryGetProperty("path", out var from))
            return FromPath(json, from, path, level, plainKind);
        if (json.TryGetProperty("each", out var list))
            return Each(json, list, path, level);
        if (Alone(json, "value", path) is { } constant)
            return Constant(constant);
        if (Alone(json, "template", path) is { } template)
            return Text(template, path + ".template", blank: true) is { } text ? Template(text, path + ".template") : null;
        if (Alone(json, "object", path) is { } members)
            return Members(members, path + ".object", level + 1);
        if (Alone(json, "first", path) is { } candidates)
            return First(candidates, path + ".first", level, plainKind);
        Refuse(path, "none of {\"path\"}, {\"value\"}, {\"template\"}, {\"first\"}, {\"each\"}, {\"object\"}; an object is {\"object\":{...}}");
        return null;
    }

    private MappingValue? First(JsonElement json, string path, int level, string? plainKind)
    {
        if (json.ValueKind != JsonValueKind.Array || json.GetArrayLength() == 0)
        {
            Refuse(path, "not a list of values");
            return null;
        }

        var values = new List<MappingValue>();
        var index = 0;
        foreach (var candidate in json.EnumerateArray())
        {
            if (Value(candidate, $"{path}[{index++}]", level + 1, plainKind) is { } value)
                values.Add(value);
        }

        return new FirstValue(values);
    }

    private MappingValue? FromPath(JsonElement json, JsonElement from, string path, int level, string? plainKind)
    {
        var read = Path(from, path + ".path");
        var kind = plainKind;
        Dictionary<string, byte[]>? map = null;
        MappingValue? otherwise = null, fallback = null, currency = null;
        var keepNull = false;
        foreach (var member in json.EnumerateObject())
        {
            var at = path + "." + member.Name;
            switch (member.Name)
            {
                case "path":
                    break;
                case "as":
                    kind = Text(member.Value, at, blank: false);
                    if (kind is not null && !Conversions.IsKind(kind))
                        Refuse(at, "none of " + Conversions.Kinds);
                    break;
                case "map":
                    map = Map(member.Value, at);
                    break;
                case "otherwise":
                    otherwise = Value(member.Value, at, level + 1);
                    break;
                case "default":
                    fallback = Value(member.Value, at, level + 1);
                    break;
                case "currency":
                    currency = Value(member.Value, at, level + 1);
                    break;
                case "keepNull" when member.Value.ValueKind is JsonValueKind.True or JsonValueKind.False:
                    keepNull = member.Value.GetBoolean();
                    break;
                default:
                    Refuse(at, member.Name == "keepNull" ? "not-a-boolean" : "unknown");
                    break;
            }
        }

        if (kind == "money" && currency is null)
            Refuse(path + ".currency", "missing: how many decimals an amount has depends on it");
        if (otherwise is not null && map is null)
            Refuse(path + ".otherwise", "of no use without map");
        return read is null ? null : new PathValue(read, kind, map, otherwise, fallback, keepNull, currency);
    }

    private Dictionary<string, byte[]>? Map(JsonElement json, string path)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            Refuse(path, "not-an-object");
            return null;
        }

        var map = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var member in json.EnumerateObject())
            map[member.Name] = Encoding.UTF8.GetBytes(member.Value.GetRawText());
        return map;
    }

    private MappingValue? Each(JsonElement json, JsonElement list, string path, int level)
    {
        var read = Path(list, path + ".each");
        MappingCondition? when = null;
        MappingValue? item = null;
        var firstOnly = false;
        foreach (var member in json.EnumerateObject())
        {
            var at = path + "." + member.Name;
            if (member.Name == "item")
                item = Value(member.Value, at, level + 1);
            else if (member.Name == "when")
                when = Condition(member.Value, at, 0);
            else if (member.Name == "take" && member.Value.ValueKind == JsonValueKind.String && member.Value.ValueEquals("first"u8))
                firstOnly = true;
            else if (member.Name == "take")
                Refuse(at, "not \"first\"");
            else if (member.Name != "each")
                Refuse(at, "unknown");
        }

        if (!json.TryGetProperty("item", out _))
            Refuse(path + ".item", "missing: the value that each entry becomes");
        return read is null || item is null ? null : new EachValue(read, when, item, firstOnly);
    }

    private TemplateValue? Template(string text, string path)
    {
        var parts = new List<TemplateValue.Part>();
        var at = 0;
        while (at < text.Length)
        {
            var open = text.IndexOf("{{", at, StringComparison.Ordinal);
            if (open < 0)
            {
                parts.Add(new TemplateValue.Part(text[at..], null, false));
                break;
            }

            if (open > at)
                parts.Add(new TemplateValue.Part(text[at..open], null, false));
            var close = text.IndexOf("}}", open, StringComparison.Ordinal);
            if (close < 0)
            {
                Refuse(path, "{{ without }}");
                return null;
            }

            var inner = text[(open + 2)..close].Trim();
            var optional = inner.EndsWith('?');
            if (optional)
                inner = inner[..^1].TrimEnd();
            // A bare name is one of the payload.
            if (MappingPath.Parse(MappingPath.IsPath(inner) ? inner : "$." + inner, out var refusal) is not { } found)
            {
                Refuse(path, $"{{{{{inner}}}}}: {refusal}");
                return null;
            }

            parts.Add(new TemplateValue.Part(null, new PathValue(found, null, null, null, null, false, null), optional));
            at = close + 2;
        }

        return new TemplateValue(parts);
    }

    public MappingCondition? Condition(JsonElement json, string path, int level)
    {
        if (level > WebhookLimits.Nesting)
        {
            Refuse(path, $"nested more than {WebhookLimits.Nesting} levels deep");
            return null;
        }

        if (json.ValueKind != JsonValueKind.Object)
        {
            Refuse(path, "not-an-object");
            return null;
        }

        foreach (var name in (ReadOnlySpan<string>)["all", "any"])
        {
            if (Alone(json, name, path) is not { } list)
                continue;
            var parts = Conditions(list, path + "." + name, level);
            return name == "all" ? new AllCondition(parts) : new AnyCondition(parts);
        }

        if (Alone(json, "not", path) is { } negated)
            return Condition(negated, path + ".not", level + 1) is { } inner ? new NotCondition(inner) : null;
        if (json.TryGetProperty("path", out var from))
            return Comparison(json, from, path);
        Refuse(path, "none of {\"path\",...}, {\"all\":[...]}, {\"any\":[...]}, {\"not\":{...}}");
        return null;
    }

    private List<MappingCondition> Conditions(JsonElement json, string path, int level)
    {
        var parts = new List<MappingCondition>();
        if (json.ValueKind != JsonValueKind.Array || json.GetArrayLength() == 0)
        {
            Refuse(path, "not a list of conditions");
            return parts;
        }

        var index = 0;
        foreach (var part in json.EnumerateArray())
        {
            if (Condition(part, $"{path}[{index++}]", level + 1) is { } condition)
                parts.Add(condition);
        }

        return parts;
    }

    private AllCondition? Comparison(JsonElement json, JsonElement from, string path)
    {
        var read = Path(from, path + ".path");
        var parts = new List<MappingCondition>();
        foreach (var member in json.EnumerateObject())
        {
            if (member.Name == "path" || read is null)
                continue;
            if (Operator(read, member.Name, member.Value, path + "." + member.Name) is { } condition)
                parts.Add(condition);
        }

        if (parts.Count == 0 && read is not null && errors.Count == 0)
            Refuse(path, "a path without an operator; there are " + PathCondition.Operators);
        return read is null ? null : new AllCondition(parts);
    }

    private PathCondition? Operator(MappingPath read, string name, JsonElement operand, string path)
    {
        switch (name)
        {
            case "eq" or "ne" when operand.ValueKind == JsonValueKind.Object && operand.TryGetProperty("path", out var second):
                return Path(second, path + ".path") is { } other ? new PathCondition(read, name, [], other) : null;
            case "eq" or "ne" when operand.ValueKind is JsonValueKind.String or JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False:
                return new PathCondition(read, name, [operand.Clone()], null);
            case "eq" or "ne":
                Refuse(path, "not a text, a number, a boolean or {\"path\"}; for null there is exists");
                return null;
            case "contains" when operand.ValueKind is JsonValueKind.String or JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False:
                return new PathCondition(read, name, [operand.Clone()], null);
            case "contains":
                Refuse(path, "not a text, a number or a boolean");
                return null;
            case "in" when operand.ValueKind == JsonValueKind.Array:
                var listed = new List<JsonElement>();
                foreach (var item in operand.EnumerateArray())
                    listed.Add(item.Clone());
                return new PathCondition(read, name, listed, null);
            case "in":
                Refuse(path, "not-a-list");
                return null;
            case "exists" when operand.ValueKind is JsonValueKind.True or JsonValueKind.False:
                return new PathCondition(read, name, [operand.Clone()], null);
            case "exists":
                Refuse(path, "not-a-boolean");
                return null;
            case "gt" or "gte" or "lt" or "lte":
                if (operand.ValueKind == JsonValueKind.Number)
                    return new PathCondition(read, name, [operand.Clone()], null);
                Refuse(path, "not-a-number");
                return null;
            case "startsWith" or "endsWith":
                if (operand.ValueKind == JsonValueKind.String)
                    return new PathCondition(read, name, [operand.Clone()], null);
                Refuse(path, "not-a-string");
                return null;
            default:
                Refuse(path, "none of " + PathCondition.Operators);
                return null;
        }
    }

    private MappingPath? Path(JsonElement json, string path)
    {
        if (Text(json, path, blank: true) is not { } text)
            return null;
        if (MappingPath.Parse(text, out var refusal) is { } parsed)
            return parsed;
        Refuse(path, refusal);
        return null;
    }

    /// <summary>The member of this name where it is the only one.</summary>
    private JsonElement? Alone(JsonElement json, string name, string path)
    {
        if (!json.TryGetProperty(name, out var value))
            return null;
        foreach (var member in json.EnumerateObject())
        {
            if (member.Name != name)
                Refuse(path + "." + member.Name, $"unknown beside {name}");
        }

        return value;
    }

    public List<string> Texts(JsonElement json, string path)
    {
        var texts = new List<string>();
        if (json.ValueKind != JsonValueKind.Array)
        {
            Refuse(path, "not-a-list");
            return texts;
        }

        var index = 0;
        foreach (var item in json.EnumerateArray())
        {
            if (Text(item, $"{path}[{index++}]", blank: false) is { } text)
                texts.Add(text);
        }

        return texts;
    }

    public string? Text(JsonElement json, string path, bool blank)
    {
        if (json.ValueKind != JsonValueKind.String || Conversions.TextOrNull(json) is not { } text)
        {
            Refuse(path, "not-a-string");
            return null;
        }

        if (text.Length <= WebhookLimits.TextLength && (blank || !string.IsNullOrWhiteSpace(text)))
            return text;
        Refuse(path, text.Length > WebhookLimits.TextLength ? $"longer than {WebhookLimits.TextLength} characters" : "blank");
        return null;
    }

    private static ConstantValue Constant(JsonElement json) => new(Encoding.UTF8.GetBytes(json.GetRawText()));
}
