namespace Cdp.Webhooks;

/// <summary>What webhooks and their mappings may be at most. KB is 1,024 bytes.</summary>
public static class WebhookLimits
{
    /// <summary>A payload after decompression: the largest that the presets' providers send is 768 KB, SendGrid's.</summary>
    public const int PayloadBytes = 1024 * 1024;

    /// <summary>A mapping's JSON text: it is kept in its source's row.</summary>
    public const int MappingBytes = 64 * 1024;

    /// <summary>Rules of one mapping, those of its preset included.</summary>
    public const int Rules = 100;

    /// <summary>Levels of values within values in a mapping, and of conditions within conditions.</summary>
    public const int Nesting = 16;

    /// <summary>Steps of one path.</summary>
    public const int PathSteps = 32;

    /// <summary>Text of a path, a template or a name.</summary>
    public const int TextLength = 1000;

    /// <summary>Levels of objects and lists in a payload.</summary>
    public const int Depth = 64;

    /// <summary>What one payload may become, all events together: a mapping can put the same large part into each of its events.</summary>
    public const int MappedBytes = 8 * 1024 * 1024;

    /// <summary>Entries of one list that <c>each</c> makes.</summary>
    public const int ListEntries = 1000;

    /// <summary>How far a signed time may be from now, unless the source says otherwise.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    /// <summary>The most that a source may ask for.</summary>
    public static readonly TimeSpan MostTolerance = TimeSpan.FromHours(1);
}
