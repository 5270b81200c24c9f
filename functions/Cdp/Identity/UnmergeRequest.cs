using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Profiles;

namespace Cdp.Identity;

/// <summary>A message of the <c>merges</c> queue: a person has decided that a merge was wrong.</summary>
/// <param name="Unmerge">The merge's id; no <see cref="MergeRequest"/> has a member of this name.</param>
/// <param name="Loser">Whose id leads to the profile that has the merge, whatever became of the winner since.</param>
public sealed record UnmergeRequest(string Unmerge, ProfileId Loser)
{
    public string ToJson() => JsonSerializer.Serialize(this, UnmergeRequestJson.Default.UnmergeRequest);

    /// <summary>Null where the message is something else.</summary>
    /// <exception cref="JsonException">The text is no JSON object.</exception>
    public static UnmergeRequest? TryParse(string json) =>
        JsonSerializer.Deserialize(json, UnmergeRequestJson.Default.UnmergeRequest) is { Unmerge: not null } request ? request : null;
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(UnmergeRequest))]
internal sealed partial class UnmergeRequestJson : JsonSerializerContext;
