namespace Cdp.Exports;

/// <summary>The words of the contract, as definitions and manifests have them.</summary>
public static class ExportFormats
{
    public const string Csv = "csv";
    public const string JsonLines = "jsonl";
    public const string Full = "full";
    public const string Delta = "delta";
    public const string Gzip = "gzip";
    public const string Uncompressed = "none";

    internal const string Entered = "entered";
    internal const string Exited = "exited";
    internal const string Updated = "updated";

    /// <summary>The name of the column that says what happened to a member; deltas have it, as the second.</summary>
    internal const string Change = "change";
}

/// <summary>How large the pieces of an export are; what is in memory is a few times as much.</summary>
public sealed record ExportLimits
{
    public static readonly ExportLimits Default = new();

    /// <summary>Few enough that a spreadsheet opens a part.</summary>
    public long RowsPerPart { get; init; } = 100_000;

    /// <summary>As stored. One upload, well inside of what the storage client waits for.</summary>
    public long BytesPerPart { get; init; } = 16 * 1024 * 1024;

    /// <summary>Members looked at between two records of how far it came, rows or not; 36 bytes each go into one blob.</summary>
    public int MembersPerStep { get; init; } = 200_000;
}
