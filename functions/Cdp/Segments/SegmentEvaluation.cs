using Cdp.Events;

namespace Cdp.Segments;

/// <summary>Whether the profile is in a segment.</summary>
/// <param name="Member">Null: not known. Membership then stays as it is: until the backfill, or until the timeline has been read.</param>
/// <param name="AwaitsBackfill">The definition came into use after this profile was last folded whole.</param>
/// <param name="Epoch">In which it came to mean what it means now, by itself or by what it uses.</param>
public readonly record struct SegmentResult(string SegmentId, bool? Member, bool AwaitsBackfill, long Epoch = 0);

/// <summary>The value of a computed trait.</summary>
/// <param name="Json">JSON text; null where there is no value, or where it is not known.</param>
public readonly record struct ComputedResult(string TraitId, string? Json, bool IsKnown, bool AwaitsBackfill);

/// <summary>What is true of a profile at an instant: of every definition, or only of those that can have changed since the last evaluation.</summary>
/// <param name="At">The instant it holds for: the one that was asked for, or that of the profile's latest event if that is later.</param>
/// <param name="Due">The next instant at which a segment or a computed trait can change without an event; null for never. May be early, never late.</param>
/// <param name="MembershipDue">The same for segments alone, of whatever definition. Days since an event, for instance, change every day, but seldom a segment.</param>
/// <param name="NeedsTimeline">Something is unknown that <see cref="ProfileSegments.EvaluateAsync"/> finds out from the timeline.</param>
public sealed record SegmentEvaluation(
    Instant At, IReadOnlyList<SegmentResult> Segments, IReadOnlyList<ComputedResult> Computed, Instant? Due, Instant? MembershipDue, bool NeedsTimeline);
