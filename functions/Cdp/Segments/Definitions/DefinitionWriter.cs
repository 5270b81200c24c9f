using System.Text.Json;
using Cdp.ComputedTraits;

namespace Cdp.Segments.Definitions;

/// <summary>Definitions on the wire.</summary>
public static class DefinitionWriter
{
    /// <summary>What a client put, under the id of the path; what the server adds to what it answers is left out.</summary>
    public static JsonElement Normalise(JsonElement body, string id)
    {
        using var data = new MemoryStream();
        using (var json = new Utf8JsonWriter(data))
        {
            json.WriteStartObject();
            if (!body.TryGetProperty("id", out _))
                json.WriteString("id"u8, id);
            foreach (var member in body.EnumerateObject())
            {
                if (!Language.Grammar.ServerMembers.Contains(member.Name))
                    member.WriteTo(json);
            }

            json.WriteEndObject();
        }

        using var document = JsonDocument.Parse(data.GetBuffer().AsMemory(0, (int)data.Length));
        return document.RootElement.Clone();
    }

    /// <param name="rest">Writes what else is known of the segment.</param>
    public static void Write(Utf8JsonWriter json, StoredSegment segment, Action<Utf8JsonWriter>? rest = null)
    {
        json.WriteStartObject();
        WriteHead(json, segment.Id, segment.Definition.Name, segment.Head);
        WriteMembers(json, segment.Json);
        json.WriteStartObject("backfill"u8);
        json.WriteBoolean("notify"u8, segment.Definition.NotifyBackfill);
        json.WriteEndObject();
        WriteTimes(json, segment.Head);
        rest?.Invoke(json);
        json.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter json, StoredComputedTrait trait)
    {
        json.WriteStartObject();
        WriteHead(json, trait.Id, trait.Definition.Name, trait.Head);
        WriteMembers(json, trait.Json);
        WriteTimes(json, trait.Head);
        json.WriteEndObject();
    }

    private static void WriteHead(Utf8JsonWriter json, string id, string name, DefinitionHead head)
    {
        json.WriteString("id"u8, id);
        json.WriteString("name"u8, name);
        json.WriteNumber("version"u8, head.Version);
    }

    private static void WriteMembers(Utf8JsonWriter json, JsonElement definition)
    {
        foreach (var member in definition.EnumerateObject())
        {
            if (member.Name is not ("id" or "name" or "backfill") && member.Value.ValueKind != JsonValueKind.Null)
                member.WriteTo(json);
        }
    }

    private static void WriteTimes(Utf8JsonWriter json, DefinitionHead head)
    {
        json.WriteString("createdAt"u8, head.CreatedAt.ToString());
        json.WriteString("updatedAt"u8, head.UpdatedAt.ToString());
    }
}
