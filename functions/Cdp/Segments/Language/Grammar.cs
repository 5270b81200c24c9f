using System.Collections.Immutable;

namespace Cdp.Segments.Language;

/// <summary>
/// The members of every object of the language, in one place: the parser refuses what is not here, and a test holds the JSON Schema to it.
/// </summary>
internal static class Grammar
{
    /// <summary>The member that says what a condition is, and the members beside it.</summary>
    public static readonly ImmutableDictionary<string, ImmutableArray<string>> Conditions = new Dictionary<string, ImmutableArray<string>>(StringComparer.Ordinal)
    {
        ["all"] = ["all"],
        ["any"] = ["any"],
        ["not"] = ["not"],
        ["trait"] = ["trait", .. Operators.Names],
        ["event"] = ["event", "where", "on", .. Aggregates.Names, "within", "between", "first", "last"],
        ["sequence"] = ["sequence", "within", "expires", "by"],
        ["segment"] = ["segment"],
    }.ToImmutableDictionary(StringComparer.Ordinal);

    /// <summary>In the order in which an error lists them.</summary>
    public static readonly ImmutableArray<string> Kinds = ["all", "any", "not", "trait", "event", "sequence", "segment"];

    public static readonly ImmutableArray<string> Step = ["event", "where", "on"];

    public static readonly ImmutableArray<string> Absence = ["not"];

    /// <summary>All but <c>within</c>: what an event says must not depend on the time of day at which it is asked.</summary>
    public static readonly ImmutableArray<string> FilterOperators = Operators.Names.Remove("within");

    public static readonly ImmutableArray<string> NumericOperators = [.. Operators.Names.Take(Operators.Numeric)];

    public static readonly ImmutableArray<string> Between = ["from", "to", "timeZone"];

    public static readonly ImmutableArray<string> On = ["days", "hours", "timeZone"];

    public static readonly ImmutableArray<string> Hours = ["from", "to"];

    public static readonly ImmutableArray<string> Segment = ["id", "name", "description", "where", "export", "backfill"];

    public static readonly ImmutableArray<string> Export = ["schedule", "format", "mode", "compression", "fields"];

    public static readonly ImmutableArray<string> Backfill = ["notify"];

    public static readonly ImmutableArray<string> ComputedTrait = ["id", "name", "description", "event", "where", "on", "within", "between", "compute", "of"];

    /// <summary>What the server adds to a stored definition. Taken and ignored, so that what was read can be written back.</summary>
    public static readonly ImmutableArray<string> ServerMembers = ["version", "createdAt", "updatedAt", "state", "progress", "members"];

    public static readonly ImmutableArray<string> EventNames = ["$page", "$screen", "$identify", "$group"];

    /// <summary>Where a path into an event may begin.</summary>
    public static readonly ImmutableArray<string> PathRoots =
        ["properties", "context", "traits", "name", "category", "userId", "anonymousId", "groupId", "sourceId", "messageId"];

    public static readonly ImmutableArray<string> ExportFormats = ["csv", "jsonl"];

    public static readonly ImmutableArray<string> ExportModes = ["full", "delta"];

    public static readonly ImmutableArray<string> ExportCompressions = ["gzip", "none"];
}
