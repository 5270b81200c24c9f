using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Events;
using Cdp.Profiles;

namespace Cdp.Deliveries;

public enum ChangeKind
{
    SegmentEntered,
    SegmentExited,
    Event,
    Profile,
}

/// <summary>
/// A message of the queue <c>deliveries</c>: something about a profile changed that other systems may want to know. It says what and where, not to whom; it carries no
/// personal data beyond the ids, so that what is erased meanwhile is not sent.
/// </summary>
/// <param name="Id">
/// The same however often the message comes: <c>{segment}:{profile}:{membership change of the profile}</c>, <c>event:{profile}:{message key}</c>,
/// <c>profile:{profile}:{version}</c>.
/// </param>
/// <param name="ProfileVersion">The version of the document that the commit led to: the larger one is the later one.</param>
/// <param name="At">When it was observed, never backdated.</param>
public sealed record Change(string Id, ChangeKind Kind, ProfileId ProfileId, long ProfileVersion, Instant At)
{
    /// <summary>Of <see cref="ChangeKind.SegmentEntered"/> and <see cref="ChangeKind.SegmentExited"/>.</summary>
    public string? SegmentId { get; init; }

    public long? DefinitionVersion { get; init; }

    /// <summary>The event that caused it; null where time or a definition did.</summary>
    public string? MessageId { get; init; }

    public string? SourceId { get; init; }

    /// <summary>The time of the event that caused it: with its key, the key of its row.</summary>
    public Instant? Timestamp { get; init; }

    /// <summary>Of <see cref="ChangeKind.Profile"/>: the names of the traits that changed; null where there are too many to name.</summary>
    public IReadOnlyList<string>? Traits { get; init; }

    /// <summary>The event was imported: triggers stay silent.</summary>
    public bool Historical { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, ChangeJson.Default.Change);

    /// <exception cref="JsonException">It is none.</exception>
    public static Change Parse(string body) => JsonSerializer.Deserialize(body, ChangeJson.Default.Change) ?? throw new JsonException("The change is empty.");
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(Change))]
internal sealed partial class ChangeJson : JsonSerializerContext;
