using System.Runtime.CompilerServices;
using System.Text.Json;
using Cdp.Events;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Storage;

namespace Cdp.Exports;

/// <summary>
/// The exports, in table <c>config</c>, partition <c>exports</c>: <c>e|{export}</c> an export, <c>h|{segment}</c> the exports of a segment,
/// <c>l|{segment}|{reverse ms}|{export}</c> the same as a list, newest first. In one partition, so that all change together.
/// </summary>
public sealed class ExportStore(IRowStore rows, IdGenerator ids, TimeProvider time)
{
    internal const string Partition = "exports";

    /// <summary>Of one segment: each holds some of the head's row. Beyond this somebody asks faster than exports can be written.</summary>
    public const int MostRunning = 20;

    private const string Heads = "h|";

    // As in the keys of events.
    private const long LastTime = 999_999_999_999_999;

    private const int PageSize = 1000;

    private const int ListPageSize = 50;

    // Exports of one segment would have to start or end between read and write as often as this.
    private const int MostTries = 10;

    /// <summary>Null where there is none.</summary>
    public async Task<ExportDocument?> GetAsync(string id, CancellationToken cancellation) =>
        IdGenerator.IsId(id, ExportDocument.IdPrefix) && await FindAsync(id, cancellation) is { } found ? found.Export : null;

    /// <summary>
    /// Notes a new export. It is under way from here on; who dies before its message is sent leaves one that <see cref="StalledAsync"/> finds.
    /// </summary>
    /// <param name="scheduledFor">The time by its schedule; null where somebody asked for it.</param>
    /// <returns>Null where the schedule was obeyed up to that time already: by a second timer, say.</returns>
    /// <exception cref="ConflictException">Others changed the same rows again and again.</exception>
    /// <exception cref="ProblemException">rate-limited: <see cref="MostRunning"/> are under way.</exception>
    public async Task<ExportDocument?> StartAsync(ExportRequest request, Instant? scheduledFor, CancellationToken cancellation)
    {
        var id = ids.Next(ExportDocument.IdPrefix);
        for (var i = 0; i < MostTries; i++)
        {
            var (exports, version) = await HeadAsync(request.SegmentId, cancellation);
            // The answer to a write that took effect may have got lost.
            if (exports.Running.Any(running => running.Id == id))
                return await GetAsync(id, cancellation);
            if (scheduledFor is { } due && exports.ScheduledUpTo is { } done && done >= due)
                return null;
            if (exports.Running.Length >= MostRunning)
            {
                throw new ProblemException(new Problem(
                    ProblemType.RateLimited, $"{MostRunning} exports of the same members are under way: wait until one of them is done.", RetryAfterSeconds: 60));
            }

            var now = Instant.Now(time);
            // The folder is named by this time: no two exports of a segment have the same.
            var asOf = now > exports.LastAsOf ? now : exports.LastAsOf.Plus(TimeSpan.FromMilliseconds(1));
            var since = request.Mode == ExportFormats.Delta ? exports.Latest : null;
            var export = new ExportDocument(
                id, request, since, asOf, ExportState.Running, now, CompletedAt: null, Claim: null, NextPart: 0, Position: null, [], [], Entered: 0, Exited: 0, Reason: null);
            var next = exports with
            {
                LastAsOf = asOf,
                ScheduledUpTo = scheduledFor ?? exports.ScheduledUpTo,
                Running = exports.Running.Add(new RunningExport(id, since)),
            };
            RowWrite[] writes = [RowWrite.Insert(Key(id), Data(export)), Write(next, version), RowWrite.Insert(ListKey(export), default)];
            var result = await rows.CommitAsync(TableName.Config, Partition, writes, cancellation);
            if (result.Committed)
                return export;
        }

        throw new ConflictException($"The exports of {request.SegmentId} change all the time.");
    }

    /// <summary>The exports of a segment, or of all profiles, newest first.</summary>
    /// <param name="after">From behind this <see cref="ListPosition"/>; null: from the start.</param>
    public async IAsyncEnumerable<ExportDocument> ListAsync(string segmentId, string? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var prefix = $"l|{segmentId}{RowKeys.Separator}";
        var from = after is null ? prefix : prefix + after + "!";
        await foreach (var row in rows.RangeAsync(TableName.Config, Partition, from, $"l|{segmentId}{RowKeys.AfterSeparator}", ListPageSize, cancellation))
        {
            if (await GetAsync(row.Key[(row.Key.LastIndexOf(RowKeys.Separator) + 1)..], cancellation) is { } export)
                yield return export;
        }
    }

    /// <summary>The place of an export in the list.</summary>
    public static string ListPosition(ExportDocument export) => $"{LastTime - export.AsOf.Milliseconds:D15}{RowKeys.Separator}{export.Id}";

    /// <summary>Gives an export up, for instance because its message was poisoned. Nothing happens where it is done, or there is none.</summary>
    public async Task FailAsync(string id, string reason, CancellationToken cancellation)
    {
        for (var i = 0; i < MostTries; i++)
        {
            if (await FindAsync(id, cancellation) is not ({ State: ExportState.Running or ExportState.Sealed } export, var version))
                return;
            var failed = export with { State = ExportState.Failed, Claim = null, Reason = reason, UpdatedAt = Instant.Now(time) };
            var (exports, head) = await HeadAsync(export.Request.SegmentId, cancellation);
            // What it has written goes with the next export that is completed.
            var left = exports.Without(id) with { Snapshots = exports.Snapshots.Contains(id) ? exports.Snapshots : exports.Snapshots.Add(id) };
            var result = await rows.CommitAsync(
                TableName.Config, Partition, [RowWrite.Replace(Key(id), Data(failed), version), Write(left, head)], cancellation);
            if (result.Committed)
                return;
        }

        throw new ConflictException($"Export {id} changes all the time.");
    }

    /// <summary>Exports under way that nobody has worked on since <paramref name="before"/>: their message was never sent, or got lost. Send it again.</summary>
    public async Task<IReadOnlyList<string>> StalledAsync(Instant before, CancellationToken cancellation)
    {
        var stalled = new List<string>();
        await foreach (var row in rows.RangeAsync(TableName.Config, Partition, Heads, Heads + "~", PageSize, cancellation))
        {
            foreach (var running in ReadHead(row).Running)
            {
                if (await GetAsync(running.Id, cancellation) is { } export && export.UpdatedAt < before)
                    stalled.Add(running.Id);
            }
        }

        return stalled;
    }

    internal async Task<(ExportDocument Export, string Version)?> FindAsync(string id, CancellationToken cancellation)
    {
        var row = await rows.GetAsync(TableName.Config, Partition, Key(id), cancellation);
        if (row is null)
            return null;
        return (JsonSerializer.Deserialize(row.Data.Span, ExportJson.Default.ExportDocument) ?? throw new InvalidDataException("The row of an export is null."), row.Version);
    }

    /// <summary>Writes how far an export has come.</summary>
    /// <returns>The new version; null where somebody else has written since: the export is theirs now.</returns>
    internal async Task<string?> SaveAsync(ExportDocument export, string version, CancellationToken cancellation)
    {
        var data = Data(export);
        var result = await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Replace(Key(export.Id), data, version)], cancellation);
        if (result.Committed)
            return result.Versions[0];
        // Refused can also mean that this very write took effect and its answer got lost.
        var row = await rows.GetAsync(TableName.Config, Partition, Key(export.Id), cancellation);
        return row is not null && row.Data.Span.SequenceEqual(data) ? row.Version : null;
    }

    /// <summary>The export is done: what the segment's next delta is against. True also where somebody else has said so.</summary>
    internal async Task<bool> CompleteAsync(ExportDocument export, string version, CancellationToken cancellation)
    {
        var done = export with { State = ExportState.Done, Claim = null };
        for (var i = 0; i < MostTries; i++)
        {
            var (exports, head) = await HeadAsync(export.Request.SegmentId, cancellation);
            var next = exports.Without(export.Id) with
            {
                Latest = export.AsOf > exports.LatestAsOf ? export.Id : exports.Latest,
                LatestAsOf = export.AsOf > exports.LatestAsOf ? export.AsOf : exports.LatestAsOf,
                Snapshots = exports.Snapshots.Contains(export.Id) ? exports.Snapshots : exports.Snapshots.Add(export.Id),
            };
            var result = await rows.CommitAsync(
                TableName.Config, Partition, [RowWrite.Replace(Key(export.Id), Data(done), version), Write(next, head)], cancellation);
            if (result.Committed)
                return true;
            if (await FindAsync(export.Id, cancellation) is not { } found)
                return false;
            if (found.Version != version)
                return found.Export.State == ExportState.Done;
        }

        throw new ConflictException($"The exports of {export.Request.SegmentId} change all the time.");
    }

    internal async Task<(SegmentExports Exports, string? Version)> HeadAsync(string segmentId, CancellationToken cancellation)
    {
        var row = await rows.GetAsync(TableName.Config, Partition, Heads + segmentId, cancellation);
        return row is null ? (SegmentExports.None(segmentId), null) : (ReadHead(row), row.Version);
    }

    /// <summary>Notes that snapshots were deleted. Nothing is lost where somebody else has written: they are deleted once more then.</summary>
    internal Task ForgetSnapshotsAsync(SegmentExports exports, string version, IReadOnlyCollection<string> deleted, CancellationToken cancellation) =>
        rows.CommitAsync(
            TableName.Config, Partition, [Write(exports with { Snapshots = exports.Snapshots.RemoveAll(deleted.Contains) }, version)], cancellation);

    private static RowWrite Write(SegmentExports exports, string? version)
    {
        var data = JsonSerializer.SerializeToUtf8Bytes(exports, ExportJson.Default.SegmentExports);
        var key = Heads + exports.SegmentId;
        return version is null ? RowWrite.Insert(key, data) : RowWrite.Replace(key, data, version);
    }

    private static SegmentExports ReadHead(Row row) => JsonSerializer.Deserialize(row.Data.Span, ExportJson.Default.SegmentExports)
        ?? throw new InvalidDataException("The row of a segment's exports is null.");

    private static byte[] Data(ExportDocument export) => JsonSerializer.SerializeToUtf8Bytes(export, ExportJson.Default.ExportDocument);

    private static string Key(string id) => "e|" + id;

    private static string ListKey(ExportDocument export) => $"l|{export.Request.SegmentId}{RowKeys.Separator}{ListPosition(export)}";
}
