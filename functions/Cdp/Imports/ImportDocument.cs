using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Cdp.Events;

namespace Cdp.Imports;

/// <summary>What a file is, and what becomes of it.</summary>
/// <param name="Format">One of <see cref="ImportFormats"/>.</param>
/// <param name="Delimiter">One ASCII character between the cells of a CSV.</param>
/// <param name="Mapping">JSON: how records become events; null: as they are.</param>
/// <param name="StartOnUpload">Whether it starts when the storage reports the upload; otherwise somebody has to say so.</param>
public sealed record ImportRequest(string SourceId, string Format, char Delimiter, string? Mapping, bool StartOnUpload);

/// <summary>Names on the wire.</summary>
public static class ImportFormats
{
    public const string Csv = "csv";
    public const string JsonLines = "jsonl";
}

[JsonConverter(typeof(JsonStringEnumConverter<ImportState>))]
public enum ImportState
{
    /// <summary>Nobody has started it; its file may or may not be there.</summary>
    Waiting,
    Running,

    /// <summary>All that can be taken was taken; the report may or may not be written.</summary>
    Ending,
    Done,
    Failed,
}

/// <param name="Version">Changes with every write of the file.</param>
public sealed record ImportedFile(long Length, string Version);

/// <summary>How far a file was read.</summary>
/// <param name="Offset">The first byte that was not.</param>
/// <param name="Line">The number of its line, from 1 on.</param>
/// <param name="Open">A record that is too long and whose end was not found yet.</param>
public sealed record ImportPosition(long Offset, long Line, OpenRecord? Open)
{
    public static readonly ImportPosition Start = new(0, 1, null);
}

/// <param name="Line">Where it starts.</param>
/// <param name="Quoted">Between quotes.</param>
/// <param name="AtCell">Where the next cell starts.</param>
public sealed record OpenRecord(long Line, bool Quoted, bool AtCell);

/// <summary>An import and how far it has come: its row. Immutable; each step writes a new one on condition of the one before.</summary>
/// <param name="UpdatedAt">When the row was last written: one that stands still for long has lost its message.</param>
/// <param name="File">As it was when the import started; null before. A file that changes meanwhile is no longer the one of which a part was read.</param>
/// <param name="Columns">The header of a CSV; empty before it was read.</param>
/// <param name="Rows">Records that were read: lines with something in them, without the header.</param>
/// <param name="Accepted">Events that were queued.</param>
/// <param name="Rejected">Records and events that could not be taken.</param>
/// <param name="ReportParts">Blobs that together are the report, in order.</param>
/// <param name="ReportBytes">In them.</param>
/// <param name="Unreported">Rejections that found no room there.</param>
/// <param name="Report">The blob with the report; null before it was written, or where there is nothing to report.</param>
/// <param name="Run">Who wrote this last.</param>
/// <param name="Reason">Why it failed, or is about to.</param>
public sealed record ImportDocument(
    string Id,
    ImportRequest Request,
    ImportState State,
    Instant CreatedAt,
    Instant UpdatedAt,
    Instant? StartedAt,
    Instant? CompletedAt,
    ImportedFile? File,
    ImmutableArray<string> Columns,
    ImportPosition Position,
    long Rows,
    long Accepted,
    long Rejected,
    ImmutableArray<string> ReportParts,
    long ReportBytes,
    long Unreported,
    string? Report,
    string? Run,
    string? Reason)
{
    public const string IdPrefix = "imp_";

    /// <summary>Where uploads go; the deployment listens for blobs below it.</summary>
    public const string FileFolder = "files/";

    public string FileName => $"{FileFolder}{Id}.{Request.Format}";

    /// <summary>Ends in a slash.</summary>
    public string ReportFolder => $"reports/{Id}/";

    public static ImportDocument New(string id, ImportRequest request, Instant now) =>
        new(id, request, ImportState.Waiting, now, now, null, null, null, [], ImportPosition.Start, 0, 0, 0, [], 0, 0, null, null, null);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, IgnoreReadOnlyProperties = true)]
[JsonSerializable(typeof(ImportDocument))]
internal sealed partial class ImportJson : JsonSerializerContext;
