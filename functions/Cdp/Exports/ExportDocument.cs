using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Cdp.Events;

namespace Cdp.Exports;

/// <summary>What an export is asked to do.</summary>
/// <param name="SegmentId">Or <see cref="AllProfiles"/>.</param>
/// <param name="DefinitionVersion">0 where it is about all profiles.</param>
/// <param name="Columns">See <see cref="ExportColumn.Of"/>.</param>
public sealed record ExportRequest(
    string SegmentId, long DefinitionVersion, string Format, string Mode, string Compression, ImmutableArray<ExportColumn> Columns)
{
    /// <summary>Stands for a segment that everybody is in, and names its folder. No segment's id starts with an underscore.</summary>
    public const string AllProfiles = "_profiles";

    public bool IsOfAllProfiles => SegmentId == AllProfiles;
}

[JsonConverter(typeof(JsonStringEnumConverter<ExportState>))]
public enum ExportState
{
    Running,

    /// <summary>All parts are there; the manifest may or may not be.</summary>
    Sealed,
    Done,
    Failed,
}

/// <summary>An export and how far it has come: its row. Immutable; each step writes a new one on condition of the one before.</summary>
/// <param name="Since">The export that a delta is against; null where there was none, and everybody has entered.</param>
/// <param name="AsOf">When it started, and the name of its folder; later than that of every earlier export of the segment.</param>
/// <param name="UpdatedAt">When the row was last written: one that stands still for long has lost its message.</param>
/// <param name="Claim">Who works on it: the one that wrote this last. Another one that takes over writes its own, and the first finds out at its next write.</param>
/// <param name="NextPart">The number reserved for the next part. One that was reserved by somebody who may still write it is never used again.</param>
/// <param name="Position">Everybody up to this <see cref="MemberKey"/> is done with.</param>
/// <param name="Members">What the next delta needs; see <see cref="MemberSnapshot"/>.</param>
/// <param name="Reason">Why it failed.</param>
public sealed record ExportDocument(
    string Id,
    ExportRequest Request,
    string? Since,
    Instant AsOf,
    ExportState State,
    Instant UpdatedAt,
    Instant? CompletedAt,
    string? Claim,
    int NextPart,
    string? Position,
    ImmutableArray<ExportPart> Parts,
    ImmutableArray<MemberChunk> Members,
    long Entered,
    long Exited,
    string? Reason)
{
    public const string IdPrefix = "exp_";

    public bool IsDelta => Request.Mode == ExportFormats.Delta;

    public long Rows => Parts.Sum(static part => part.Rows);

    /// <summary>Ends in a slash.</summary>
    public string Folder
    {
        get
        {
            // Without colons: people copy these folders to file systems that have none.
            var at = AsOf.ToDateTimeOffset();
            return $"{Request.SegmentId}/{at:yyyyMMdd'T'HHmmssfff'Z'}/";
        }
    }

    public string ManifestName => Folder + "manifest.json";

    /// <summary>The header: <c>change</c> stands behind the id in a delta.</summary>
    public ImmutableArray<string> ColumnNames
    {
        get
        {
            var names = Request.Columns.Select(static column => column.Name);
            return IsDelta ? [Request.Columns[0].Name, ExportFormats.Change, .. names.Skip(1)] : [.. names];
        }
    }

    public string PartName(int number) =>
        $"part-{number:D5}.{Request.Format}{(Request.Compression == ExportFormats.Gzip ? ".gz" : "")}";
}

/// <param name="Name">Inside the export's folder.</param>
/// <param name="Bytes">As stored.</param>
/// <param name="Sha256">Of the bytes as stored, in lower-case hexadecimal digits.</param>
public sealed record ExportPart(string Name, long Rows, long Bytes, string Sha256);

/// <param name="Name">The whole name of the blob.</param>
/// <param name="Last">The key of the last member in it.</param>
public sealed record MemberChunk(string Name, string Last);

/// <summary>The exports of one segment.</summary>
/// <param name="Latest">The latest one that was completed: what the next delta is against.</param>
/// <param name="LastAsOf">Of the latest one that was started.</param>
/// <param name="ScheduledUpTo">The schedule is done with up to here.</param>
/// <param name="Snapshots">Exports whose <see cref="MemberSnapshot"/> was not deleted yet.</param>
public sealed record SegmentExports(
    string SegmentId,
    string? Latest,
    Instant LatestAsOf,
    Instant LastAsOf,
    Instant? ScheduledUpTo,
    ImmutableArray<RunningExport> Running,
    ImmutableArray<string> Snapshots)
{
    public static SegmentExports None(string segmentId) => new(segmentId, null, default, default, null, [], []);

    public SegmentExports Without(string exportId) => this with { Running = Running.RemoveAll(running => running.Id == exportId) };

    /// <summary>Nobody needs these any more: they are not the latest, and no delta under way is against them.</summary>
    public IEnumerable<string> Obsolete() =>
        Snapshots.Where(id => id != Latest && !Running.Any(running => running.Since == id));
}

public sealed record RunningExport(string Id, string? Since);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, IgnoreReadOnlyProperties = true)]
[JsonSerializable(typeof(ExportDocument))]
[JsonSerializable(typeof(SegmentExports))]
[JsonSerializable(typeof(string))]
internal sealed partial class ExportJson : JsonSerializerContext;
