using System.Collections.Immutable;
using System.Text.Json;
using Cdp.Segments.Language;

namespace Cdp.ComputedTraits;

public enum Computation
{
    /// <summary>How many events match.</summary>
    Count,
    Sum,
    Average,
    Min,
    Max,

    /// <summary>The value in the first matching event that has one; without <c>of</c> the time of the first matching event.</summary>
    First,
    Last,

    /// <summary>Of equally frequent values the first in order.</summary>
    MostFrequent,

    /// <summary>The different values in order; of more than the engine's limit those seen last.</summary>
    UniqueList,

    /// <summary>Whole days since the last matching event.</summary>
    DaysSince,
}

/// <summary>
/// A trait that the platform computes from a profile's events. Conditions use it as any trait, <c>{"trait":"orders-90d","gte":3}</c>; a computed trait goes before
/// a sent one of the same name.
/// </summary>
/// <param name="Of">The path of the values; null where events are counted or timed.</param>
/// <param name="Epoch">The definitions epoch in which this version came into use; given by who stores it, not by who writes it.</param>
public sealed record ComputedTraitDefinition(
    string Id, string Name, string? Description, EventPattern Pattern, TimeWindow? Window, Computation Computation, PropertyPath? Of, long Epoch = 0)
{
    public static readonly ImmutableArray<string> ComputationNames =
        ["count", "sum", "average", "min", "max", "first", "last", "mostFrequent", "uniqueList", "daysSince"];

    /// <summary>Recency, frequency and monetary value, of the events of Segment's e-commerce specification.</summary>
    public static readonly ImmutableArray<ComputedTraitDefinition> Predefined =
    [
        Predefine("recency", "Days since the last order", Computation.DaysSince, of: null),
        Predefine("frequency", "Number of orders", Computation.Count, of: null),
        Predefine("monetary", "Revenue of all orders", Computation.Sum, of: "properties.revenue"),
    ];

    public static DefinitionResult<ComputedTraitDefinition> Parse(ReadOnlyMemory<byte> json) => DefinitionResult<ComputedTraitDefinition>.Read(json, Read);

    private static ComputedTraitDefinition? Read(JsonElement json, DefinitionReader read)
    {
        if (!read.IsObject(json, "", Grammar.ComputedTrait, ignoreServerMembers: true))
            return null;
        var id = read.Member(json, "", "id", required: true);
        if (id is not null && !DefinitionIds.IsValid(id))
            read.Refuse("id", $"'{id}' is not an id: up to 63 of a-z, 0-9 and -");
        var name = read.Member(json, "", "name", DefinitionLimits.LongestName);
        var description = read.Member(json, "", "description", DefinitionLimits.LongestDescription);
        var conditions = new ConditionParser(read);
        var pattern = conditions.Pattern(json, "");
        var window = conditions.Window(json, "");
        var of = read.Member(json, "", "of") is { } path ? conditions.Path(path, "of") : null;
        if (DefinitionReader.Find(json, "compute") is not { } compute)
        {
            read.Refuse("compute", "is missing");
            return null;
        }

        if (read.Choice(compute, "compute", ComputationNames) is not { } chosen)
            return null;
        var computation = (Computation)ComputationNames.IndexOf(chosen);
        var hasPath = DefinitionReader.Find(json, "of") is not null;
        if (!hasPath && computation is not (Computation.Count or Computation.First or Computation.Last or Computation.DaysSince))
            read.Refuse("of", $"is missing: {chosen} needs the path of its values");
        if (hasPath && computation is Computation.Count or Computation.DaysSince)
            read.Refuse("of", $"is of no use: {chosen} is about events");
        return id is null || pattern is null ? null : new ComputedTraitDefinition(id, name ?? id, description, pattern, window, computation, of);
    }

    private static ComputedTraitDefinition Predefine(string id, string name, Computation computation, string? of) =>
        new(id, name, null, new EventPattern("Order Completed", [], null), null, computation, of is null ? null : PropertyPath.TryParse(of));
}
