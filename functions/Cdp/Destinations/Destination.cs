using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Events;

namespace Cdp.Destinations;

/// <summary>A system that wants to know: where it is, what it wants to know, and how much at a time.</summary>
/// <param name="Id"><c>^[a-z0-9][a-z0-9-]{0,62}$</c></param>
/// <param name="Type">The name of an <see cref="IDestinationType"/>.</param>
/// <param name="Enabled">Where not, no delivery is planned; those that wait are held.</param>
/// <param name="Settings">A JSON object that its type has checked. No secret is in it.</param>
public sealed record Destination(
    string Id,
    string Type,
    bool Enabled,
    JsonElement Settings,
    IReadOnlyDictionary<string, StoredSecret> Secrets,
    IReadOnlyList<Subscription> Subscriptions,
    DeliveryLimits Limits)
{
    /// <summary>It is gone, and its deliveries are being removed; then this row goes too.</summary>
    public Instant? DeletedAt { get; init; }
}

/// <summary>A secret of a destination: the name of a setting, or the value under <see cref="SecretVault"/>'s lock. Never shown.</summary>
/// <param name="Setting">A name below <c>Cdp:Secrets</c>.</param>
/// <param name="Sealed">The encrypted value.</param>
public sealed record StoredSecret(string? Setting, byte[]? Sealed, Instant UpdatedAt);

[JsonConverter(typeof(JsonStringEnumConverter<SubscriptionOn>))]
public enum SubscriptionOn
{
    [JsonStringEnumMemberName("segment")]
    Segment,

    [JsonStringEnumMemberName("event")]
    Event,

    [JsonStringEnumMemberName("profile")]
    Profile,
}

/// <summary>Which changes a destination is told, and what of them.</summary>
/// <param name="Segments">Their ids; null for all.</param>
/// <param name="Events">Names of track calls, or <c>$page</c> and the like; null for all.</param>
/// <param name="Changes"><c>entered</c>, <c>exited</c>; null for both.</param>
/// <param name="Traits">The traits that leave, computed ones included; null for all. Of profile changes also those that have to change.</param>
/// <param name="Filter">Of events: paths and tests, as in segments.</param>
/// <param name="Mapping">What is sent in place of the standard payload; see <see cref="Mapping"/>.</param>
/// <param name="RequireConsent">Categories that the person must have agreed to; otherwise the delivery is held.</param>
/// <param name="ExceptSources">What events of these sources cause is not sent, so that a system does not hear its own echo. Of a mirror (<see cref="IDestinationType.IsState"/>): what they set
/// or removed does not go back, whatever is sent and why.</param>
public sealed record Subscription(
    SubscriptionOn On,
    IReadOnlyList<string>? Segments = null,
    IReadOnlyList<string>? Events = null,
    IReadOnlyList<string>? Changes = null,
    IReadOnlyList<string>? Traits = null,
    JsonElement? Filter = null,
    JsonElement? Mapping = null,
    IReadOnlyList<string>? RequireConsent = null,
    IReadOnlyList<string>? ExceptSources = null)
{
    public const string Entered = "entered";
    public const string Exited = "exited";
}

/// <param name="RatePerSecond">Requests; each instance of the app counts for itself.</param>
/// <param name="BatchSize">Deliveries in one request, at most.</param>
public sealed record DeliveryLimits(double RatePerSecond, int BatchSize);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Destination))]
internal sealed partial class DestinationJson : JsonSerializerContext;
