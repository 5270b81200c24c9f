using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Cdp.Problems;

namespace Cdp.Destinations;

/// <summary>
/// The shape of a payload. An object with <c>path</c> (and <c>default</c>), <c>value</c> or <c>template</c> stands for a value; other objects and lists stand for
/// themselves with what is in them mapped; texts, numbers and flags are constants. What a path does not find is left out.
/// </summary>
/// <example><c>{"email":{"path":"profile.identifiers.email[0]"},"source":"cdp","title":{"template":"{{profile.traits.firstName}} is back"}}</c></example>
public sealed class Mapping
{
    public const int MostBytes = 16 * 1024;

    private const int MostDepth = 16;
    private const int MostNodes = 500;
    private const int LongestPath = 500;

    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = 1000 };

    private readonly Node root;

    private Mapping(Node root) => this.root = root;

    /// <summary>Null where something is wrong, which is noted with its path.</summary>
    public static Mapping? Parse(JsonElement json, string path, ICollection<ProblemError> errors)
    {
        if (json.GetRawText().Length > MostBytes)
        {
            errors.Add(new ProblemError(path, $"larger than {MostBytes:N0} bytes"));
            return null;
        }

        var before = errors.Count;
        var nodes = 0;
        var parsed = Parse(json, path, errors, 0, ref nodes);
        return errors.Count == before ? new Mapping(parsed!) : null;
    }

    /// <exception cref="TemplateException">A template cannot be filled.</exception>
    public JsonElement Apply(JsonElement view)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            if (!root.Write(json, null, view))
                json.WriteNullValue();
        }

        using var document = JsonDocument.Parse(buffer.WrittenMemory, new JsonDocumentOptions { MaxDepth = 1000 });
        return document.RootElement.Clone();
    }

    private static Node? Parse(JsonElement json, string path, ICollection<ProblemError> errors, int depth, ref int nodes)
    {
        if (depth > MostDepth || ++nodes > MostNodes)
        {
            if (nodes <= MostNodes + 1)
                errors.Add(new ProblemError(path, $"nested more than {MostDepth} levels deep, or one of more than {MostNodes} values"));
            return null;
        }

        if (json.ValueKind == JsonValueKind.Array)
        {
            var items = new List<Node>();
            foreach (var item in json.EnumerateArray())
            {
                if (Parse(item, $"{path}[{items.Count}]", errors, depth + 1, ref nodes) is not { } node)
                    return null;
                items.Add(node);
            }

            return new ListNode([.. items]);
        }

        if (json.ValueKind != JsonValueKind.Object)
            return new Constant(json.Clone());
        if (json.TryGetProperty("path", out var stated) && Only(json, "path", "default"))
            return PathOf(stated, json, path, errors);
        if (json.TryGetProperty("value", out var value) && Only(json, "value"))
            return new Constant(value.Clone());
        if (json.TryGetProperty("template", out var template) && Only(json, "template"))
            return TemplateOf(template, path, errors);
        var members = new List<(string, Node)>();
        foreach (var member in json.EnumerateObject())
        {
            if (Parse(member.Value, $"{path}.{member.Name}", errors, depth + 1, ref nodes) is { } node)
                members.Add((member.Name, node));
        }

        return new ObjectNode([.. members]);
    }

    private static PathNode? PathOf(JsonElement stated, JsonElement json, string path, ICollection<ProblemError> errors)
    {
        if (stated.ValueKind == JsonValueKind.String && stated.GetString() is { Length: > 0 and <= LongestPath } text && ViewPath.TryParse(text) is { } parsed)
            return new PathNode(parsed, json.TryGetProperty("default", out var otherwise) ? otherwise.Clone() : null);
        errors.Add(new ProblemError(path + ".path", "not a path such as profile.traits.plan or profile.identifiers.email[0]"));
        return null;
    }

    private static TemplateNode? TemplateOf(JsonElement stated, string path, ICollection<ProblemError> errors)
    {
        string? error = "not a string";
        if (stated.ValueKind == JsonValueKind.String && Template.Parse(stated.GetString()!, TemplateKind.Text, out error) is { } template)
            return new TemplateNode(template);
        errors.Add(new ProblemError(path + ".template", error!));
        return null;
    }

    private static bool Only(JsonElement json, params ReadOnlySpan<string> names)
    {
        foreach (var member in json.EnumerateObject())
        {
            if (!names.Contains(member.Name))
                return false;
        }

        return true;
    }

    private abstract class Node
    {
        /// <summary>False, and nothing written, where there is no value.</summary>
        public abstract bool Write(Utf8JsonWriter json, string? name, JsonElement view);

        protected static void Begin(Utf8JsonWriter json, string? name)
        {
            if (name is not null)
                json.WritePropertyName(name);
        }
    }

    private sealed class Constant(JsonElement value) : Node
    {
        public override bool Write(Utf8JsonWriter json, string? name, JsonElement view)
        {
            Begin(json, name);
            value.WriteTo(json);
            return true;
        }
    }

    private sealed class PathNode(ViewPath path, JsonElement? otherwise) : Node
    {
        public override bool Write(Utf8JsonWriter json, string? name, JsonElement view)
        {
            if ((path.Find(view) ?? otherwise) is not { } value)
                return false;
            Begin(json, name);
            // As it is: parsing and writing again would lose what JSON libraries do not keep.
            json.WriteRawValue(value.GetRawText(), skipInputValidation: true);
            return true;
        }
    }

    private sealed class TemplateNode(Template template) : Node
    {
        public override bool Write(Utf8JsonWriter json, string? name, JsonElement view)
        {
            var text = template.Render(view);
            Begin(json, name);
            json.WriteStringValue(text);
            return true;
        }
    }

    private sealed class ObjectNode((string Name, Node Node)[] members) : Node
    {
        public override bool Write(Utf8JsonWriter json, string? name, JsonElement view)
        {
            Begin(json, name);
            json.WriteStartObject();
            foreach (var (member, node) in members)
                node.Write(json, member, view);
            json.WriteEndObject();
            return true;
        }
    }

    private sealed class ListNode(Node[] items) : Node
    {
        public override bool Write(Utf8JsonWriter json, string? name, JsonElement view)
        {
            Begin(json, name);
            json.WriteStartArray();
            foreach (var item in items)
                item.Write(json, null, view);
            json.WriteEndArray();
            return true;
        }
    }
}

/// <summary>A path into a view: names joined by dots, <c>[n]</c> for an element of a list.</summary>
internal sealed class ViewPath
{
    private const int MostSteps = 32;

    private readonly object[] steps;

    private ViewPath(object[] steps) => this.steps = steps;

    public static ViewPath? TryParse(string text)
    {
        var found = new List<object>();
        foreach (var part in text.Split('.'))
        {
            var bracket = part.IndexOf('[', StringComparison.Ordinal);
            var name = bracket < 0 ? part : part[..bracket];
            if (name.Length == 0)
                return null;
            found.Add(name);
            for (var rest = bracket < 0 ? "" : part[bracket..]; rest.Length > 0;)
            {
                var end = rest.IndexOf(']', StringComparison.Ordinal);
                if (rest[0] != '[' || end < 0 || !int.TryParse(rest.AsSpan(1, end - 1), System.Globalization.NumberStyles.None, null, out var index))
                    return null;
                found.Add(index);
                rest = rest[(end + 1)..];
            }
        }

        return found.Count <= MostSteps ? new ViewPath([.. found]) : null;
    }

    /// <summary>Null where there is nothing, or null.</summary>
    public JsonElement? Find(JsonElement view)
    {
        foreach (var step in steps)
        {
            if (step is string name)
            {
                if (view.ValueKind != JsonValueKind.Object || !view.TryGetProperty(name, out view))
                    return null;
            }
            else if (view.ValueKind != JsonValueKind.Array || (int)step >= view.GetArrayLength())
            {
                return null;
            }
            else
            {
                view = view[(int)step];
            }
        }

        return view.ValueKind == JsonValueKind.Null ? null : view;
    }
}
