using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;
using Cdp.Problems;

namespace Cdp.Collect;

/// <summary>
/// A pixel's query as the JSON of an event: either <c>data</c> (base64 or base64url of the JSON, padding optional), or dotted names:
/// <c>properties.a.b=x</c>. Values are strings; a repeated name is a list.
/// </summary>
public static class PixelQuery
{
    private static readonly char[] Base64Only = ['+', '/', '='];

    /// <param name="parameters">Decoded, without those that do not belong to the event; a name once for each of its values.</param>
    /// <exception cref="ProblemException">not-json, invalid-field.</exception>
    public static byte[] ToJson(IEnumerable<(string Name, string Value)> parameters)
    {
        var root = new OrderedDictionary<string, object>(StringComparer.Ordinal);
        foreach (var (name, value) in parameters)
        {
            if (name == "data")
                return Decode(value);
            Add(root, name, value);
        }

        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            Write(json, root);
        return buffer.WrittenSpan.ToArray();
    }

    private static byte[] Decode(string data)
    {
        // A plus sign that nobody escaped arrives as a space.
        var text = data.Replace(' ', '+').TrimEnd('=');
        try
        {
            return Base64Url.DecodeFromChars(text.AsSpan().IndexOfAny(Base64Only) < 0 ? text : text.Replace('+', '-').Replace('/', '_'));
        }
        catch (FormatException)
        {
            throw new ProblemException(ProblemType.NotJson, "The parameter data is not base64.");
        }
    }

    private static void Add(OrderedDictionary<string, object> root, string name, string value)
    {
        var path = name.Split('.');
        if (path.Length > CollectLimits.Depth)
            throw new ProblemException(ProblemType.InvalidField, $"A parameter's name has more than {CollectLimits.Depth} parts.");
        var target = root;
        for (var i = 0; i < path.Length - 1; i++)
        {
            if (!target.TryGetValue(path[i], out var inner))
                target.Add(path[i], inner = new OrderedDictionary<string, object>(StringComparer.Ordinal));
            target = inner as OrderedDictionary<string, object> ?? throw Both(name);
        }

        var last = path[^1];
        if (!target.TryGetValue(last, out var existing))
            target.Add(last, value);
        else if (existing is List<string> list)
            list.Add(value);
        else if (existing is string first)
            target[last] = new List<string> { first, value };
        else
            throw Both(name);
    }

    private static ProblemException Both(string name) =>
        new(ProblemType.InvalidField, $"The parameter {name} is both a value and an object.");

    private static void Write(Utf8JsonWriter json, object value)
    {
        switch (value)
        {
            case OrderedDictionary<string, object> members:
                json.WriteStartObject();
                foreach (var (name, member) in members)
                {
                    json.WritePropertyName(name);
                    Write(json, member);
                }

                json.WriteEndObject();
                break;
            case List<string> list:
                json.WriteStartArray();
                foreach (var item in list)
                    json.WriteStringValue(item);
                json.WriteEndArray();
                break;
            default:
                json.WriteStringValue((string)value);
                break;
        }
    }
}
