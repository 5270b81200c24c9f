using Cdp.Events;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Storage;

namespace Cdp.Segments.Reading;

/// <summary>Explains why a stored profile is in a segment, or is not. While a merge is under way by what has come to the profile so far.</summary>
public sealed class SegmentExplanations(IRowStore rows, DefinitionStore definitions, TimeProvider time)
{
    /// <param name="at">Now, where it is null.</param>
    public async Task<SegmentExplanation> ExplainAsync(StoredSegment segment, Profile profile, Instant? at, CancellationToken cancellation)
    {
        var set = await definitions.LoadAsync(cancellation);
        return await SegmentExplainer.ExplainAsync(
            segment.Id,
            [.. set.SegmentDefinitions.Where(s => s.Id != segment.Id), segment.Definition],
            set.ComputedDefinitions,
            new DocumentTraits(profile),
            new RowTimeline(rows, profile.Id),
            at ?? Instant.Now(time),
            cancellation: cancellation);
    }
}
