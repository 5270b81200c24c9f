namespace Cdp.Profiles;

/// <summary>That the profile is in a segment.</summary>
/// <param name="Since">When that was found.</param>
/// <param name="DefinitionVersion">Of the segment, when it was found last.</param>
/// <param name="DefinitionEpoch">The same in definitions epochs: tells a segment from one that had its id before.</param>
/// <param name="FromMerge">
/// Brought by a merged profile: whether it holds for the two together is found when the timeline is whole. It is then an entry of this profile, or an exit, so that who was
/// told that the merged one entered is told how it ended.
/// </param>
public sealed record Membership(string SegmentId, Events.Instant Since, long DefinitionVersion, long DefinitionEpoch, bool FromMerge = false);

/// <summary>That the profile entered a segment, or left it; noted at the event that caused it.</summary>
public readonly record struct SegmentChange(string SegmentId, bool Entered);
