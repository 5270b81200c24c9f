using System.Collections.Frozen;
using Cdp.ComputedTraits;
using Cdp.Events;
using Cdp.Segments.Evaluation;
using Cdp.Segments.Features;
using Cdp.Segments.Matching;

namespace Cdp.Segments;

/// <summary>
/// All definitions of an epoch, ready for events: what names an event or a trait is found by that name. Immutable; made once, shared by all profiles and
/// threads.
/// </summary>
public sealed class CompiledDefinitions
{
    private readonly FrozenDictionary<string, EventPlan> byName;
    private readonly EventPlan?[] byType;
    private readonly FrozenDictionary<string, int[]> byTrait;
    private readonly FrozenDictionary<string, int[]> byGroupTrait;
    private readonly FrozenDictionary<ulong, Feature> features;

    internal CompiledDefinitions(
        long epoch,
        SegmentLimits limits,
        IReadOnlyList<CompiledDefinition> definitions,
        IEnumerable<Feature> features,
        IReadOnlyDictionary<string, EventPlan> byName,
        EventPlan?[] byType,
        IReadOnlyDictionary<string, int[]> byTrait,
        IReadOnlyDictionary<string, int[]> byGroupTrait)
    {
        Epoch = epoch;
        Limits = limits;
        Definitions = definitions;
        foreach (var definition in definitions)
            NewestDefinition = Math.Max(NewestDefinition, definition.Epoch);
        this.features = features.ToFrozenDictionary(f => f.Id);
        this.byName = byName.ToFrozenDictionary(StringComparer.Ordinal);
        this.byType = byType;
        this.byTrait = byTrait.ToFrozenDictionary(StringComparer.Ordinal);
        this.byGroupTrait = byGroupTrait.ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>Counts the changes of definitions; given by who stores them.</summary>
    public long Epoch { get; }

    public SegmentLimits Limits { get; }

    internal IReadOnlyList<CompiledDefinition> Definitions { get; }

    internal long NewestDefinition { get; } = long.MinValue;

    internal bool HasTraitConditions => byTrait.Count + byGroupTrait.Count > 0;

    /// <param name="epoch">At least the epoch of every definition.</param>
    /// <exception cref="ArgumentException">A segment uses one that there is not, or the segments refer to each other in a circle; see <see cref="SegmentReferences"/>.</exception>
    public static CompiledDefinitions Compile(
        long epoch, IReadOnlyList<SegmentDefinition> segments, IReadOnlyList<ComputedTraitDefinition>? computed = null, SegmentLimits? limits = null) =>
        new DefinitionCompiler(limits ?? SegmentLimits.Default, exact: false).Compile(epoch, segments, computed ?? []);

    /// <summary>The same for an explanation, whose counts are not cut off where the result is clear.</summary>
    internal static CompiledDefinitions CompileExact(
        IReadOnlyList<SegmentDefinition> segments, IReadOnlyList<ComputedTraitDefinition> computed, SegmentLimits limits) =>
        new DefinitionCompiler(limits with { MostContributions = int.MaxValue / 4 }, exact: true).Compile(0, OfOneEpoch(segments), OfOneEpoch(computed));

    /// <summary>As if none were newer than another: for states that are folded whole, and then thrown away.</summary>
    internal static IReadOnlyList<SegmentDefinition> OfOneEpoch(IReadOnlyList<SegmentDefinition> segments) => [.. segments.Select(s => s with { Epoch = 0 })];

    internal static IReadOnlyList<ComputedTraitDefinition> OfOneEpoch(IReadOnlyList<ComputedTraitDefinition> traits) => [.. traits.Select(t => t with { Epoch = 0 })];

    internal EventPlan? PlanFor(Event e) => e.Name is { } name ? byName.GetValueOrDefault(name) : byType[(int)e.Type];

    internal Feature? FindFeature(ulong id) => features.GetValueOrDefault(id);

    /// <summary>The definitions that name a trait of an identify call, or of a group call.</summary>
    internal int[]? NamingTrait(ReadOnlySpan<char> name, bool ofGroup) =>
        (ofGroup ? byGroupTrait : byTrait).GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(name, out var definitions) ? definitions : null;
}

/// <summary>
/// What is done with events of one name: the paths to look up, and the features they may concern. Those that ask for one value somewhere (a category, a page) are
/// found by it, so that a hundred definitions about one event cost what the few cost that are about this one.
/// </summary>
internal sealed class EventPlan
{
    private readonly List<PlanEntry> unconditional = [];
    private readonly Dictionary<(int Slot, JsonScalar Value), List<PlanEntry>> byValue = [];
    private readonly List<int> slots = [];

    public PathTrie Paths { get; } = new(ofEvents: true);

    public void Add(PlanEntry entry)
    {
        if (entry.Filter?.Required is not { } required)
        {
            unconditional.Add(entry);
            return;
        }

        if (!slots.Contains(required.Slot))
            slots.Add(required.Slot);
        if (!byValue.TryGetValue(required, out var entries))
            byValue[required] = entries = [];
        entries.Add(entry);
    }

    /// <summary>The entries that an event concerns, each once.</summary>
    public void Find(Event e, FoundValues found, List<PlanEntry> concerned)
    {
        concerned.Clear();
        Paths.Read(e, found);
        AddConcerned(unconditional, e, found, concerned);
        foreach (var slot in slots)
        {
            var values = found.Values[slot];
            for (var i = 0; i < values.Count; i++)
            {
                // A list may hold a value twice.
                if (byValue.TryGetValue((slot, values[i].Value), out var entries) && values.FindIndex(v => v.Value == values[i].Value) == i)
                    AddConcerned(entries, e, found, concerned);
            }
        }
    }

    private static void AddConcerned(List<PlanEntry> entries, Event e, FoundValues found, List<PlanEntry> concerned)
    {
        foreach (var entry in entries)
        {
            if (entry.Concerns(e, found))
                concerned.Add(entry);
        }
    }
}

/// <param name="Slot">Where the values at the feature's path are; negative where it has none.</param>
/// <param name="LiveOnly">See <see cref="Language.EventPattern"/>.</param>
internal sealed record PlanEntry(Feature Feature, int Role, Filter? Filter, Language.LocalTimes? On, int Slot, bool LiveOnly)
{
    public bool Concerns(Event e, FoundValues found) => !(LiveOnly && e.Historical) && Filter?.Holds(found) != false && On?.Contains(e.Timestamp) != false;
}

/// <param name="Epoch">The newest of the definition's own and of all that it uses: before it, nothing can be said.</param>
internal abstract record CompiledDefinition(string Id, long Epoch);

internal sealed record CompiledSegment(string Id, long Epoch, Node Where) : CompiledDefinition(Id, Epoch);

internal sealed record CompiledTrait(string Id, long Epoch, Measure Measure) : CompiledDefinition(Id, Epoch);
