using System.Text;
using System.Text.Json;

namespace Cdp.Collect;

/// <summary>Says where in a JSON text something is, such as <c>properties.items[3].price</c>. Only refusals need it, so it walks again.</summary>
internal static class JsonPath
{
    private const int Longest = 200;

    /// <param name="json">Valid JSON up to the offset at least.</param>
    /// <param name="offset">Where the token starts.</param>
    public static string At(ReadOnlySpan<byte> json, int offset)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = int.MaxValue });
        var steps = new List<Step>();
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray)
            {
                steps.RemoveAt(steps.Count - 1);
                continue;
            }

            if (reader.TokenType == JsonTokenType.PropertyName)
                steps[^1] = Step.Member((int)reader.TokenStartIndex + 1, reader.ValueSpan.Length);
            else if (steps.Count > 0 && steps[^1].IsList)
                steps[^1] = steps[^1] with { Index = steps[^1].Index + 1 };
            if (reader.TokenStartIndex >= offset)
                break;
            if (reader.TokenType == JsonTokenType.StartObject)
                steps.Add(default);
            else if (reader.TokenType == JsonTokenType.StartArray)
                steps.Add(Step.List);
        }

        return Text(json, steps);
    }

    private static string Text(ReadOnlySpan<byte> json, List<Step> steps)
    {
        var path = new StringBuilder();
        foreach (var step in steps)
        {
            if (step.IsList)
                path.Append('[').Append(step.Index).Append(']');
            else if (step.Start > 0)
                path.Append(path.Length > 0 ? "." : "").Append(Encoding.UTF8.GetString(json.Slice(step.Start, step.Length)));
            if (path.Length > Longest)
                return path.ToString(0, Longest) + "...";
        }

        return path.ToString();
    }

    /// <summary>One level: the name of a member, where it stands in the text, or the index in a list. Neither in front of the first member.</summary>
    private readonly record struct Step(int Start, int Length, int Index, bool IsList)
    {
        public static Step List => new(0, 0, -1, true);

        public static Step Member(int start, int length) => new(start, length, 0, false);
    }
}
