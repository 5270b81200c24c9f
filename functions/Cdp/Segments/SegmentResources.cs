using System.Text;
using System.Text.Json;

namespace Cdp.Segments;

/// <summary>What comes with the app: the JSON Schema of the language, and segments of everyday marketing to start from.</summary>
public static class SegmentResources
{
    private static readonly Lazy<byte[]> SchemaText = new(() => Load("segment.schema.json"));
    private static readonly Lazy<IReadOnlyList<SegmentTemplate>> All = new(ReadTemplates);

    /// <summary>Of a segment; a computed trait is its <c>$defs/computedTrait</c>.</summary>
    public static ReadOnlyMemory<byte> Schema => SchemaText.Value;

    public static IReadOnlyList<SegmentTemplate> Templates => All.Value;

    private static List<SegmentTemplate> ReadTemplates()
    {
        using var list = JsonDocument.Parse(Load("segment.templates.json"));
        var templates = new List<SegmentTemplate>();
        foreach (var item in list.RootElement.EnumerateArray())
        {
            var json = Encoding.UTF8.GetBytes(item.GetRawText());
            var parsed = SegmentDefinition.Parse(json);
            templates.Add(new SegmentTemplate(parsed.Definition ?? throw new InvalidDataException($"A template is invalid: {parsed.Errors[0]}"), json));
        }

        return templates;
    }

    private static byte[] Load(string name)
    {
        using var stream = typeof(SegmentResources).Assembly.GetManifestResourceStream(name)!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}

/// <param name="Json">The definition as it is written.</param>
public sealed record SegmentTemplate(SegmentDefinition Definition, ReadOnlyMemory<byte> Json);
