using Cdp.Segments.Language;

namespace Cdp.Segments;

/// <summary>What a profile's state holds at most, and how long an absence is given. Beyond the limit the timeline is read: slower, still exact.</summary>
/// <param name="MostContributions">Events, values or groups that one feature keeps.</param>
/// <param name="Grace">Beyond the time of an absence; also the age from which on waiting events count as a backlog.</param>
public sealed record SegmentLimits(int MostContributions, TimeSpan Grace)
{
    public static readonly SegmentLimits Default = new(1000, DefinitionLimits.Grace);
}
