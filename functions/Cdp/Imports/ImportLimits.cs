namespace Cdp.Imports;

/// <summary>How much an import takes at a time. KB is 1,024 bytes.</summary>
public sealed record ImportLimits
{
    public static readonly ImportLimits Default = new();

    /// <summary>The largest file: what one upload in a single request may have, so that any program can send it.</summary>
    public const long FileBytes = 5_000L * 1024 * 1024;

    /// <summary>Columns of a CSV.</summary>
    public const int Columns = 500;

    /// <summary>Characters of a column's name.</summary>
    public const int ColumnName = 200;

    /// <summary>Names in the path that a column's name is.</summary>
    public const int PathNames = 16;

    /// <summary>Events that a mapping makes of one record; with those of the records before it they are one batch of the collector.</summary>
    public const int RecordEvents = 1_000;

    /// <summary>Rows of a dry run.</summary>
    public const int PreviewRows = 100;

    /// <summary>How long a file may be uploaded.</summary>
    public static readonly TimeSpan Upload = TimeSpan.FromHours(12);

    /// <summary>How long one message is worked on.</summary>
    public static readonly TimeSpan Work = TimeSpan.FromSeconds(30);

    /// <summary>Events that others sent come first: while the oldest in the queue is older than this, no import adds to it.</summary>
    public static readonly TimeSpan OldestEvent = TimeSpan.FromSeconds(5);

    /// <summary>When an import that made way looks again.</summary>
    public static readonly TimeSpan Postponement = TimeSpan.FromSeconds(5);

    /// <summary>Nobody works on an import that stood still for this long: its message got lost.</summary>
    public static readonly TimeSpan Stalled = TimeSpan.FromMinutes(5);

    /// <summary>The file, its report and what is known of the import are kept for so long after the last change: they hold personal data.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(30);

    /// <summary>Bytes of the file between two checkpoints; more than a record may have.</summary>
    public int ChunkBytes { get; init; } = 1024 * 1024;

    /// <summary>Records between two checkpoints.</summary>
    public int ChunkRecords { get; init; } = 20_000;

    /// <summary>A row or line: twice what an event may have, because quotes and names take room too.</summary>
    public int RecordBytes { get; init; } = 64 * 1024;

    /// <summary>Events that are checked and queued together.</summary>
    public int BatchEvents { get; init; } = 100;

    /// <summary>The same in bytes; a batch may be larger by one record.</summary>
    public int BatchBytes { get; init; } = 256 * 1024;

    /// <summary>Batches that wait for the queue at the same time.</summary>
    public int Batches { get; init; } = 4;

    /// <summary>The report; what does not fit is counted.</summary>
    public int ReportBytes { get; init; } = 8 * 1024 * 1024;

    /// <summary>Chunks with rejections that are reported; they are listed in the import's row.</summary>
    public int ReportParts { get; init; } = 2_000;

    /// <summary>Bytes of a rejected record that the report shows.</summary>
    public int RecordInReport { get; init; } = 1024;
}
