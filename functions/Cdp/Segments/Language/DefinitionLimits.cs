namespace Cdp.Segments.Language;

/// <summary>What a definition may be at most. Enough for what people write by hand; a machine that writes more is told so.</summary>
public static class DefinitionLimits
{
    public const int MostBytes = 64 * 1024;

    /// <summary>Conditions inside conditions, the outermost is 1.</summary>
    public const int MostDepth = 12;

    /// <summary>Conditions of one definition, all levels together.</summary>
    public const int MostConditions = 200;

    public const int MostFilters = 20;

    public const int MostListed = 1000;

    public const int MostSteps = 10;

    public const int LongestText = 1024;

    public const int LongestName = 200;

    public const int LongestDescription = 2000;

    /// <summary>Errors reported at once; the rest shows when these are mended.</summary>
    public const int MostErrors = 50;

    /// <summary>Segments that use segments that use segments: evaluating one means evaluating all below it.</summary>
    public const int MostReferenceDepth = 8;

    /// <summary>How long an absence is given beyond its own time: for events that are still on their way.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(60);
}
