using Cdp.Sources;

namespace Cdp.Segments.Language;

/// <summary>Ids of segments and computed traits have the form of source ids.</summary>
public static class DefinitionIds
{
    public static bool IsValid(string id) => SourceIds.IsValid(id);
}
