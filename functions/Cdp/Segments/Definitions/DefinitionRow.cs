using System.Text.Json;
using Cdp.ComputedTraits;
using Cdp.Events;
using Cdp.Storage;

namespace Cdp.Segments.Definitions;

/// <summary>The stored form of definitions and of their epoch.</summary>
internal static class DefinitionRow
{
    public static byte[] Write(JsonElement definition, DefinitionHead head)
    {
        using var data = new MemoryStream();
        using (var json = new Utf8JsonWriter(data))
        {
            json.WriteStartObject();
            json.WriteNumber("version"u8, head.Version);
            json.WriteNumber("firstEpoch"u8, head.FirstEpoch);
            json.WriteNumber("epoch"u8, head.Epoch);
            json.WriteNumber("createdAt"u8, head.CreatedAt.Milliseconds);
            json.WriteNumber("updatedAt"u8, head.UpdatedAt.Milliseconds);
            json.WritePropertyName("definition"u8);
            definition.WriteTo(json);
            json.WriteEndObject();
        }

        return data.ToArray();
    }

    /// <summary>The segment of a trigger, which has nothing but a condition.</summary>
    public static JsonElement Hidden(string id, JsonElement where)
    {
        using var data = new MemoryStream();
        using (var json = new Utf8JsonWriter(data))
        {
            json.WriteStartObject();
            json.WriteString("id"u8, id);
            json.WritePropertyName("where"u8);
            where.WriteTo(json);
            json.WriteEndObject();
        }

        using var document = JsonDocument.Parse(data.GetBuffer().AsMemory(0, (int)data.Length));
        return document.RootElement.Clone();
    }

    public static StoredSegment ReadSegment(Row row)
    {
        var (json, head) = Read(row);
        if (Language.DefinitionIds.IsHidden(json.GetProperty("id").GetString()!))
            return new StoredSegment((SegmentDefinition.ParseHidden(json) ?? throw Damaged(row)) with { Epoch = head.Epoch }, json, head);
        var parsed = SegmentDefinition.Parse(JsonSerializer.SerializeToUtf8Bytes(json, DefinitionJson.Default.JsonElement));
        return new StoredSegment((parsed.Definition ?? throw Damaged(row)) with { Epoch = head.Epoch }, json, head);
    }

    public static StoredComputedTrait ReadComputedTrait(Row row)
    {
        var (json, head) = Read(row);
        var parsed = ComputedTraitDefinition.Parse(JsonSerializer.SerializeToUtf8Bytes(json, DefinitionJson.Default.JsonElement));
        return new StoredComputedTrait((parsed.Definition ?? throw Damaged(row)) with { Epoch = head.Epoch }, json, head);
    }

    public static byte[] WriteEpoch(long epoch, long backfillEpoch, Instant changedAt) =>
        JsonSerializer.SerializeToUtf8Bytes(new EpochRow(epoch, backfillEpoch, changedAt.Milliseconds), DefinitionJson.Default.EpochRow);

    public static EpochRow ReadEpoch(Row row) =>
        JsonSerializer.Deserialize(row.Data.Span, DefinitionJson.Default.EpochRow) ?? throw Damaged(row);

    private static (JsonElement Definition, DefinitionHead Head) Read(Row row)
    {
        using var document = JsonDocument.Parse(row.Data);
        var root = document.RootElement;
        var head = new DefinitionHead(
            root.GetProperty("version").GetInt64(),
            root.GetProperty("firstEpoch").GetInt64(),
            root.GetProperty("epoch").GetInt64(),
            new Instant(root.GetProperty("createdAt").GetInt64()),
            new Instant(root.GetProperty("updatedAt").GetInt64()),
            row.Version);
        return (root.GetProperty("definition").Clone(), head);
    }

    private static InvalidDataException Damaged(Row row) => new($"The stored definition {row.Key} cannot be read; a newer version of the app may have written it.");
}

/// <param name="ChangedAt">Milliseconds.</param>
internal sealed record EpochRow(long Epoch, long BackfillEpoch, long ChangedAt);

[System.Text.Json.Serialization.JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[System.Text.Json.Serialization.JsonSerializable(typeof(EpochRow))]
[System.Text.Json.Serialization.JsonSerializable(typeof(JsonElement))]
internal sealed partial class DefinitionJson : System.Text.Json.Serialization.JsonSerializerContext;
