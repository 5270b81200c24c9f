using Cdp.Sources;

namespace Cdp.Segments.Language;

/// <summary>Ids of segments and computed traits have the form of source ids.</summary>
public static class DefinitionIds
{
    // With a dot, which no id has that anybody can give.
    private const string TriggerPrefix = "trigger.";

    public static bool IsValid(string id) => SourceIds.IsValid(id);

    /// <summary>
    /// The segment that says when a trigger fires. The engine evaluates it as any other; it can be neither put, read, listed, exported nor referred to, and no profile shows it.
    /// </summary>
    public static string OfTrigger(string trigger) => TriggerPrefix + trigger;

    public static bool IsHidden(string id) => id.StartsWith(TriggerPrefix, StringComparison.Ordinal);
}
