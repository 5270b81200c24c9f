using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Events;
using Cdp.Profiles;

namespace Cdp.Identity;

/// <summary>A message of the <c>merges</c> queue: two profiles were shown to be the same person.</summary>
/// <param name="LinkedBy">The identifier of the message that led to <paramref name="First"/>.</param>
/// <param name="LinkedTo">The identifier of the message that led to <paramref name="Second"/>.</param>
/// <param name="Brought">The identifiers of the message that led to <paramref name="First"/>.</param>
/// <param name="Seen">
/// Those that led to <paramref name="Second"/>. Its document, which has the event, could not note that they were
/// seen; the merged one does.
/// </param>
/// <param name="At">When the merge was asked for.</param>
public sealed record MergeRequest(
    string MergeId,
    ProfileId First,
    ProfileId Second,
    Identifier LinkedBy,
    Identifier LinkedTo,
    IReadOnlyList<Identifier> Brought,
    IReadOnlyList<Identifier> Seen,
    Instant SeenAt,
    string SourceId,
    string MessageId,
    Instant At)
{
    public string ToJson() => JsonSerializer.Serialize(this, MergeRequestJson.Default.MergeRequest);

    /// <exception cref="JsonException">The text is no merge request.</exception>
    public static MergeRequest Parse(string json) =>
        JsonSerializer.Deserialize(json, MergeRequestJson.Default.MergeRequest) ?? throw new JsonException("The merge request is empty.");
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(MergeRequest))]
internal sealed partial class MergeRequestJson : JsonSerializerContext;
