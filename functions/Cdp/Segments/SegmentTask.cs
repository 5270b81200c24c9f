using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cdp.Segments;

public enum SegmentWork
{
    /// <summary>Profiles of the shard for which something changes by time.</summary>
    Due,

    /// <summary>Profiles of the shard, and of those after it in its lane, that have not seen all definitions.</summary>
    Backfill,

    /// <summary>The preview of this id.</summary>
    Preview,
}

/// <summary>A message of the queue <c>segments</c>: work on one shard. It says where to begin; what there is to do stands in the rows.</summary>
public sealed record SegmentTask(SegmentWork Work, int Shard)
{
    /// <summary>Of what is no work on a shard.</summary>
    public string? Id { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, SegmentTaskJson.Default.SegmentTask);

    /// <exception cref="JsonException">It is none.</exception>
    public static SegmentTask Parse(string body) =>
        JsonSerializer.Deserialize(body, SegmentTaskJson.Default.SegmentTask) is { Shard: >= 0 and < Profiles.ProfileId.Shards } task
            ? task
            : throw new JsonException("The message names no shard.");
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SegmentTask))]
internal sealed partial class SegmentTaskJson : JsonSerializerContext;
