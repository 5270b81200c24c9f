namespace Cdp.Profiles;

/// <summary>That the profile is in a segment.</summary>
/// <param name="Since">When that was found.</param>
/// <param name="DefinitionVersion">Of the segment, when it was found last.</param>
/// <param name="DefinitionEpoch">The same in definitions epochs: tells a segment from one that had its id before.</param>
public sealed record Membership(string SegmentId, Events.Instant Since, long DefinitionVersion, long DefinitionEpoch);

/// <summary>That the profile entered a segment, or left it; noted at the event that caused it.</summary>
public readonly record struct SegmentChange(string SegmentId, bool Entered);
