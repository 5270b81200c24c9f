using System.Collections.Frozen;
using Cdp.ComputedTraits;
using Cdp.Events;
using Cdp.Segments.Language;

namespace Cdp.Segments.Definitions;

/// <summary>All definitions of an epoch, as stored and compiled. Immutable.</summary>
public sealed class DefinitionSet
{
    private readonly Lazy<CompiledDefinitions> compiled;

    /// <param name="backfillEpoch">The latest change that profiles have to be walked through for; see <see cref="BackfillEpoch"/>.</param>
    /// <param name="changedAt">When the latest change was stored.</param>
    public DefinitionSet(
        long epoch, long backfillEpoch, Instant changedAt, IReadOnlyList<StoredSegment> segments, IReadOnlyList<StoredComputedTrait> computedTraits)
    {
        Epoch = epoch;
        BackfillEpoch = backfillEpoch;
        ChangedAt = changedAt;
        Segments = [.. segments.Where(s => !DefinitionIds.IsHidden(s.Id))];
        ComputedTraits = computedTraits;
        ById = Segments.ToFrozenDictionary(s => s.Id, StringComparer.Ordinal);
        All = segments.ToFrozenDictionary(s => s.Id, StringComparer.Ordinal);
        SegmentDefinitions = [.. segments.Select(s => s.Definition)];
        ComputedDefinitions = [.. ComputedTraitDefinition.Predefined, .. computedTraits.Select(t => t.Definition)];
        compiled = new Lazy<CompiledDefinitions>(() => CompiledDefinitions.Compile(epoch, SegmentDefinitions, ComputedDefinitions));
    }

    public static DefinitionSet None { get; } = new(0, 0, default, [], []);

    /// <summary>Counts the changes of definitions.</summary>
    public long Epoch { get; }

    /// <summary>
    /// The epoch of the latest change that every profile has to be visited for: a new or changed meaning, or a segment that is gone. A new name is no such change.
    /// </summary>
    public long BackfillEpoch { get; }

    public Instant ChangedAt { get; }

    /// <summary>Nobody ever defined anything: nothing is folded, and profiles have no state.</summary>
    public bool IsEmpty => Epoch == 0;

    /// <summary>Those that people made, by id.</summary>
    public IReadOnlyList<StoredSegment> Segments { get; }

    /// <summary>By id; without the predefined ones.</summary>
    public IReadOnlyList<StoredComputedTrait> ComputedTraits { get; }

    /// <summary><see cref="Segments"/>.</summary>
    public FrozenDictionary<string, StoredSegment> ById { get; }

    /// <summary>Those of triggers too; for the engine alone.</summary>
    public FrozenDictionary<string, StoredSegment> All { get; }

    /// <summary>Those of triggers too.</summary>
    public IReadOnlyList<SegmentDefinition> SegmentDefinitions { get; }

    /// <summary>The predefined ones among them.</summary>
    public IReadOnlyList<ComputedTraitDefinition> ComputedDefinitions { get; }

    public CompiledDefinitions Compiled => compiled.Value;
}
