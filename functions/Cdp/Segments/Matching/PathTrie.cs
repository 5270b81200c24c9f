using System.Text.Json;
using Cdp.Events;
using Cdp.Segments.Language;

namespace Cdp.Segments.Matching;

/// <summary>
/// Paths that are looked up together: one pass over a JSON text finds the values of all of them and skips everything else. A path has a slot,
/// in which its values are put.
/// </summary>
/// <param name="ofEvents">The paths begin at the top of an event; else at the value itself.</param>
internal sealed class PathTrie(bool ofEvents)
{
    private readonly Node root = new("");

    // The members of an event that it holds as texts of their own; a pass over the whole of it is only made for others.
    private readonly Node properties = new("properties");
    private readonly Node context = new("context");
    private readonly Node traits = new("traits");
    private readonly Dictionary<string, int> valueSlots = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> elementSlots = new(StringComparer.Ordinal);

    public int ValueSlots => valueSlots.Count;

    public int ElementSlots => elementSlots.Count;

    /// <summary>The slot for the values at a path. The path without any step is the text itself.</summary>
    public int Values(ReadOnlySpan<PathStep> path)
    {
        var key = Key(path);
        if (!valueSlots.TryGetValue(key, out var slot))
        {
            slot = valueSlots[key] = valueSlots.Count;
            Find(path).ValueSlot = slot;
        }

        return slot;
    }

    /// <summary>The slot for the elements of the list at a path, as JSON texts.</summary>
    public int Elements(ReadOnlySpan<PathStep> path)
    {
        var key = Key(path);
        if (!elementSlots.TryGetValue(key, out var slot))
        {
            slot = elementSlots[key] = elementSlots.Count;
            Find(path).ElementSlot = slot;
        }

        return slot;
    }

    /// <summary>Looks the paths up in an event; only those members are read that a path leads into.</summary>
    public void Read(Event e, FoundValues found)
    {
        found.Reset(this);
        ReadPart(e.Properties, properties, found);
        ReadPart(e.Context, context, found);
        ReadPart(e.Traits, traits, found);
        if (root.Children.Count > 0)
            Read(e.Json, root, found);
    }

    /// <summary>Looks the paths up in a JSON value.</summary>
    public void Read(ReadOnlyMemory<byte> json, FoundValues found)
    {
        found.Reset(this);
        Read(json, root, found);
    }

    private static void ReadPart(ReadOnlyMemory<byte> part, Node node, FoundValues found)
    {
        if (!part.IsEmpty && (node.Children.Count > 0 || node.ValueSlot >= 0))
            Read(part, node, found);
    }

    private static void Read(ReadOnlyMemory<byte> json, Node node, FoundValues found)
    {
        var reader = new Utf8JsonReader(json.Span, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        if (reader.Read())
            Visit(ref reader, json, node, found, inList: false);
    }

    private static void Visit(ref Utf8JsonReader reader, ReadOnlyMemory<byte> json, Node node, FoundValues found, bool inList)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                if (node.ValueSlot >= 0)
                    found.Values[node.ValueSlot].Add(new FoundValue(JsonScalar.Composite, inList));
                if (node.Children.Count == 0)
                {
                    reader.Skip();
                    return;
                }

                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var child = node.Child(ref reader);
                    reader.Read();
                    if (child is null)
                        reader.Skip();
                    else
                        Visit(ref reader, json, child, found, inList: false);
                }

                return;
            case JsonTokenType.StartArray:
                var before = node.ValueSlot < 0 ? 0 : found.Values[node.ValueSlot].Count;
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    var start = (int)reader.TokenStartIndex;
                    Visit(ref reader, json, node, found, inList: true);
                    if (node.ElementSlot >= 0 && !inList)
                        found.Elements[node.ElementSlot].Add(json[start..(int)reader.BytesConsumed]);
                }

                // A list without any value in it exists all the same.
                if (node.ValueSlot >= 0 && found.Values[node.ValueSlot].Count == before)
                    found.Values[node.ValueSlot].Add(new FoundValue(JsonScalar.Composite, inList));
                return;
            default:
                if (node.ValueSlot >= 0 && reader.TokenType != JsonTokenType.Null)
                    found.Values[node.ValueSlot].Add(new FoundValue(JsonScalar.Read(ref reader), inList));
                return;
        }
    }

    private Node Find(ReadOnlySpan<PathStep> path)
    {
        var node = root;
        for (var i = 0; i < path.Length; i++)
        {
            node = i > 0 || !ofEvents
                ? node.ChildFor(path[i].Name)
                : path[i].Name switch { "properties" => properties, "context" => context, "traits" => traits, var name => root.ChildFor(name) };
        }

        return node;
    }

    private static string Key(ReadOnlySpan<PathStep> path)
    {
        var names = new string[path.Length];
        for (var i = 0; i < names.Length; i++)
            names[i] = path[i].Name;
        return string.Join('.', names);
    }

    private sealed class Node(string name)
    {
        public string Name { get; } = name;

        public List<Node> Children { get; } = [];

        public int ValueSlot { get; set; } = -1;

        public int ElementSlot { get; set; } = -1;

        public Node ChildFor(string child)
        {
            var found = Children.Find(c => c.Name == child);
            if (found is null)
                Children.Add(found = new Node(child));
            return found;
        }

        public Node? Child(ref Utf8JsonReader reader)
        {
            foreach (var child in Children)
            {
                if (reader.ValueTextEquals(child.Name))
                    return child;
            }

            return null;
        }
    }
}
