using Cdp.Identity;

namespace Cdp.Collect;

/// <summary>What collectors take. KB is 1,024 bytes.</summary>
public static class CollectLimits
{
    /// <summary>An event's JSON text as received: Segment's limit, which its clients keep to.</summary>
    public const int EventBytes = 32 * 1024;

    /// <summary>Events in one request: Segment's limit.</summary>
    public const int BatchEvents = 2_500;

    /// <summary>Body of collectors other than <c>/v1/batch</c>, <c>/v1/import</c> and <c>/beacon/v1/batch</c>: Segment's limit of a batch. Those have a setting.</summary>
    public const int RequestBytes = 500 * 1024;

    /// <summary>UTF-16 code units, as in the clients' own languages.</summary>
    public const int MessageIdLength = 100;

    /// <summary>Entries of a merge call's <c>mergeProperties</c>: as many as identifiers are taken from one event.</summary>
    public const int MergeProperties = IdentifierExtractor.Most;

    /// <summary>Levels of objects and lists, the event's own object included.</summary>
    public const int Depth = 64;

    /// <summary>
    /// All events of one request as they are stored. A batch's <c>context</c> goes into each of its events, so a small request could
    /// otherwise become a very large one.
    /// </summary>
    public const int StoredBytes = 16 * 1024 * 1024;

    /// <summary>Characters of a User-Agent header that are kept; real ones have a few hundred.</summary>
    public const int UserAgentLength = 1024;
}
