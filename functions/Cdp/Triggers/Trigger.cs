using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Events;

namespace Cdp.Triggers;

[JsonConverter(typeof(JsonStringEnumConverter<TriggerKind>))]
public enum TriggerKind
{
    /// <summary>Somebody enters a segment, or leaves it.</summary>
    [JsonStringEnumMemberName("segment")]
    Segment,

    /// <summary>An event comes in.</summary>
    [JsonStringEnumMemberName("event")]
    Event,

    /// <summary>Events follow each other, or one is not followed by another.</summary>
    [JsonStringEnumMemberName("sequence")]
    Sequence,
}

/// <summary>When something is to be sent about a person, what, and how often at most.</summary>
/// <param name="Id"><c>^[a-z0-9][a-z0-9-]{0,62}$</c></param>
/// <param name="Enabled">Where not, it decides nothing, and what happens meanwhile is not made up for.</param>
/// <param name="Channel">Whose caps, consent and quiet hours hold too; null for none.</param>
/// <param name="RequireConsent">Categories that the person must have agreed to.</param>
/// <param name="Every">A duration: once per person in so long. Null: every time.</param>
public sealed record Trigger(
    string Id,
    string? Name,
    bool Enabled,
    TriggerOn On,
    TriggerSend Send,
    string? Channel,
    IReadOnlyList<string>? RequireConsent,
    string? Every,
    Instant CreatedAt,
    Instant UpdatedAt)
{
    /// <summary>It is gone, and its log is being removed; then this row goes too.</summary>
    public Instant? DeletedAt { get; init; }
}

/// <param name="SegmentId">Of <see cref="TriggerKind.Segment"/>.</param>
/// <param name="Exited">Leaving that segment, not entering it.</param>
/// <param name="Json">Of the others: the pattern of the event, or the sequence, as they were put.</param>
public sealed record TriggerOn(TriggerKind Kind, string? SegmentId = null, bool Exited = false, JsonElement? Json = null);

/// <summary>Which of a person's data go where; as in subscriptions of destinations.</summary>
/// <param name="Traits">Null for all.</param>
/// <param name="Mapping">Null for the standard payload.</param>
public sealed record TriggerSend(string Destination, IReadOnlyList<string>? Traits = null, JsonElement? Mapping = null);

/// <summary>A way to reach people, such as e-mail: what holds for all triggers that use it.</summary>
/// <param name="Caps">All of them hold, over all triggers of the channel together.</param>
/// <param name="RequireConsent">Categories that the person must have agreed to.</param>
/// <param name="QuietHours">Local days and hours in which nothing is decided, as <c>on</c> in segments; it is decided when they are over.</param>
public sealed record Channel(
    string Id, string? Name, IReadOnlyList<FrequencyCap> Caps, IReadOnlyList<string>? RequireConsent, JsonElement? QuietHours, Instant CreatedAt, Instant UpdatedAt);

/// <summary>At most so many sends to a person in any period of that length.</summary>
/// <param name="Per">A duration.</param>
public sealed record FrequencyCap(int Count, string Per);

public static class TriggerLimits
{
    public const int MostTriggers = 200;
    public const int MostChannels = 20;
    public const int MostCaps = 5;

    /// <summary>Sends that a cap can count to; as many of each channel are kept for each person.</summary>
    public const int MostCounted = 100;

    /// <summary>The longest period of a cap, and how long a send is remembered for caps.</summary>
    public static readonly TimeSpan LongestCap = TimeSpan.FromDays(366);

    /// <summary>What is older when it comes to be decided is held: nobody wants to be reminded of a cart after an outage of days.</summary>
    public static readonly TimeSpan MostAge = TimeSpan.FromDays(2);

    /// <summary>How long decisions are kept.</summary>
    public static readonly TimeSpan Retention = TimeSpan.FromDays(90);

    /// <summary>Where a sequence does not say when it is over.</summary>
    public static readonly TimeSpan Expires = TimeSpan.FromDays(1);

    internal const int LongestName = 200;
    internal const int LongestText = 200;
    internal const int MostTraits = 200;
    internal const int MostConsents = 20;
    internal const int LongestCategory = 100;
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Trigger))]
[JsonSerializable(typeof(Channel))]
[JsonSerializable(typeof(TriggerDecision))]
[JsonSerializable(typeof(StoredHistory))]
internal sealed partial class TriggerJson : JsonSerializerContext;
