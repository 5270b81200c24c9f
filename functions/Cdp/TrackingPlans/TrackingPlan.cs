using System.Text.Json.Serialization;

namespace Cdp.TrackingPlans;

/// <summary>What a source is expected to send. It is a part of the source: stored, cached and versioned with it.</summary>
/// <param name="OnViolation">What happens to an event that contradicts what is said of its name, where its name does not say otherwise.</param>
/// <param name="Unplanned">What happens to track calls whose name is not listed.</param>
public sealed record TrackingPlan(PlanAction OnViolation, PlanAction Unplanned, IReadOnlyList<PlannedEvent> Events);

/// <summary>What is done with an event that contradicts the plan. It is counted either way.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PlanAction>))]
public enum PlanAction
{
    [JsonStringEnumMemberName("allow")]
    Allow,

    [JsonStringEnumMemberName("block")]
    Block,
}

/// <param name="Event">The name of a track call, or <c>$page</c>, <c>$screen</c>, <c>$identify</c>, <c>$group</c>.</param>
public sealed record PlannedEvent(string Event, PlanAction? OnViolation, IReadOnlyList<PlannedProperty> Properties);

/// <param name="Path">From the event's root on, such as <c>properties.products[].price</c>: as the catalogue names it.</param>
/// <param name="Types">One of these; none: any. A time is a string too.</param>
/// <param name="Required">It has to be there; behind <c>[]</c>, in each element. Null is not there.</param>
public sealed record PlannedProperty(string Path, IReadOnlyList<string>? Types, bool Required);
