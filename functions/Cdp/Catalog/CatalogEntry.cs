using System.Text.Json;
using Cdp.Events;

namespace Cdp.Catalog;

/// <summary>An event name with all its sources.</summary>
public sealed class CatalogEntry
{
    private readonly SeenEvents sum;
    private readonly List<(string Source, long Count)> sources = [];

    internal CatalogEntry(string position, string name)
    {
        Position = position;
        sum = new SeenEvents { Name = name };
    }

    /// <summary>Orders entries; where a list goes on.</summary>
    public string Position { get; }

    internal void Add(SeenEvents seen)
    {
        sum.Add(seen, int.MaxValue - 1, seen.Source);
        sources.Add((seen.Source, seen.Count));
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("event"u8, sum.Name);
        json.WriteNumber("count"u8, sum.Count);
        WriteTimes(json, sum.First, sum.Last);
        json.WriteStartArray("sources"u8);
        foreach (var (source, count) in sources)
        {
            json.WriteStartObject();
            json.WriteString("id"u8, source);
            json.WriteNumber("count"u8, count);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("properties"u8);
        WriteMembers(json, sum.Properties, EventNames.HasTraits(sum.Name) ? "traits." : "properties.", "path");
        json.WriteEndArray();
        if (sum.Unnamed > 0)
            json.WriteNumber("unnamed"u8, sum.Unnamed);
        json.WriteEndObject();
    }

    /// <summary>The same properties as traits of a profile, which segments name without <c>traits.</c>.</summary>
    public void WriteTraits(Utf8JsonWriter json) => WriteMembers(json, sum.Properties, "", "trait");

    private static void WriteMembers(Utf8JsonWriter json, SeenProperty parent, string prefix, string label)
    {
        if (parent.Members is null)
            return;
        foreach (var (name, member) in parent.Members.OrderBy(m => m.Key, StringComparer.Ordinal))
            WriteProperty(json, member, prefix + name, label);
    }

    private static void WriteProperty(Utf8JsonWriter json, SeenProperty property, string path, string label)
    {
        json.WriteStartObject();
        json.WriteString(label, path);
        json.WriteNumber("count"u8, property.Count);
        json.WriteStartObject("types"u8);
        for (var type = PropertyType.String; type <= PropertyType.Null; type++)
        {
            if (property.Types[(int)type] > 0)
                json.WriteNumber(type.Name(), property.Types[(int)type]);
        }

        json.WriteEndObject();
        WriteTimes(json, property.First, property.Last);
        json.WriteStartArray("sources"u8);
        foreach (var source in property.Sources ?? [])
            json.WriteStringValue(source);
        json.WriteEndArray();
        json.WriteStartArray("examples"u8);
        foreach (var text in property.Texts ?? [])
        {
            if (text.Shown is not null)
                json.WriteStringValue(text.Shown);
        }

        foreach (var number in property.Numbers ?? [])
            json.WriteRawValue(number);
        json.WriteEndArray();
        json.WriteStartArray("forms"u8);
        foreach (var form in property.Forms ?? [])
            json.WriteStringValue(form);
        json.WriteEndArray();
        json.WriteEndObject();
        WriteMembers(json, property, path + ".", label);
        if (property.Element is { } element)
            WriteProperty(json, element, path + "[]", label);
    }

    private static void WriteTimes(Utf8JsonWriter json, long first, long last)
    {
        json.WriteString("firstSeenAt"u8, new Instant(first).ToString());
        json.WriteString("lastSeenAt"u8, new Instant(last).ToString());
    }
}
