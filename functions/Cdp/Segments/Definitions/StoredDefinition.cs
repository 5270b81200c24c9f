using System.Text.Json;
using Cdp.ComputedTraits;
using Cdp.Events;

namespace Cdp.Segments.Definitions;

/// <summary>What is stored beside a definition.</summary>
/// <param name="Version">Counts what was put under the id; a definition that was deleted and made again starts anew.</param>
/// <param name="FirstEpoch">The definitions epoch in which the id came into use. What is older is of another definition that had the id before.</param>
/// <param name="Epoch">The definitions epoch in which its present meaning came into use.</param>
/// <param name="RowVersion">Of the row, for conditions.</param>
public sealed record DefinitionHead(long Version, long FirstEpoch, long Epoch, Instant CreatedAt, Instant UpdatedAt, string RowVersion);

/// <param name="Json">The definition as it was put, without what the server adds.</param>
public sealed record StoredSegment(SegmentDefinition Definition, JsonElement Json, DefinitionHead Head)
{
    public string Id => Definition.Id;
}

/// <param name="Json">The definition as it was put, without what the server adds.</param>
public sealed record StoredComputedTrait(ComputedTraitDefinition Definition, JsonElement Json, DefinitionHead Head)
{
    public string Id => Definition.Id;
}
