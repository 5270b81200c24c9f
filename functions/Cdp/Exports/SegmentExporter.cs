using Cdp.Events;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Storage;

namespace Cdp.Exports;

public enum ExportProgress
{
    /// <summary>There is nothing left to do, or somebody else does it.</summary>
    Done,

    /// <summary>The time was up: send the message again.</summary>
    Unfinished,
}

/// <summary>Writes the members of a segment to the container <c>exports</c>, in parts of bounded size, each of which is whole in memory once.</summary>
/// <remarks>
/// <para>The order of writes, each on condition of the export's row as it was read or written before:</para>
/// <list type="number">
/// <item>the row: this run's claim, and a number for the next part that nobody has used</item>
/// <item>for each step: what the next delta needs of the members, then the part, then the row, which lists both and how far it came</item>
/// <item>the row: sealed, with the time of completion</item>
/// <item>whatever the row does not list is deleted; the manifest; the row and the segment's, in one transaction: done</item>
/// <item>what earlier deltas needed and no later one does is deleted, and the parts of exports that were given up</item>
/// </list>
/// <para>
/// Dies a run before the row lists a part, that part is nobody's: the next run writes what belongs in it under another number. So no blob is
/// ever replaced, and a run that was taken for dead and comes back writes into nothing that the manifest names; at its next write of the row it finds
/// out, and takes away what it wrote.
/// </para>
/// <para>
/// A delta walks over the members now and those of the export before, both in the same order. Who left the segment is reported with the values of
/// now; who is no profile any more (merged, erased), by the id alone.
/// </para>
/// </remarks>
public sealed class SegmentExporter(
    ExportStore exports, IBlobStore blobs, IExportMembers members, IdGenerator ids, TimeProvider time, ExportLimits? limits = null)
{
    private readonly ExportLimits limits = limits ?? ExportLimits.Default;

    /// <summary>Goes on with an export until it is done or the time is up. May be called again, or twice at once, at any time.</summary>
    public async Task<ExportProgress> RunAsync(string exportId, Deadline deadline, CancellationToken cancellation)
    {
        if (await exports.FindAsync(exportId, cancellation) is not var (export, version))
            return ExportProgress.Done;
        if (export.State == ExportState.Running)
        {
            var claimed = export with
            {
                Claim = ids.Next(""),
                // Whose claim still stands may be about to write a part of this number.
                NextPart = export.Claim is null ? export.NextPart : export.NextPart + 1,
                UpdatedAt = Instant.Now(time),
            };
            if (await exports.SaveAsync(claimed, version, cancellation) is not { } own)
                return ExportProgress.Done;
            Work? work;
            try
            {
                work = await WriteAsync(claimed, own, deadline, cancellation);
            }
            catch (SnapshotGoneException)
            {
                // Whoever took over has finished, and deleted what is not needed any more.
                if (await exports.FindAsync(exportId, cancellation) is { } now && now.Export.Claim == claimed.Claim)
                    throw;
                return ExportProgress.Done;
            }

            if (work is not { } done)
                return ExportProgress.Done;
            if (done.Export.State == ExportState.Running)
                return ExportProgress.Unfinished;
            (export, version) = (done.Export, done.Version);
        }

        if (export.State == ExportState.Sealed && !await FinishAsync(export, version, cancellation))
            return ExportProgress.Done;
        if (export.State != ExportState.Failed)
            await TidyAsync(export.Request.SegmentId, cancellation);
        return ExportProgress.Done;
    }

    /// <summary>Writes parts until there are no more members, or the time is up. Null where somebody else has taken over.</summary>
    private async Task<Work?> WriteAsync(ExportDocument export, string version, Deadline deadline, CancellationToken cancellation)
    {
        var previous = export.Since is { } since ? await PreviousAsync(since, cancellation) : null;
        await using var walk = await MemberWalk.StartAsync(
            members.ReadAsync(export.Request, export.Position, cancellation),
            previous is null ? null : MemberSnapshot.ReadAsync(blobs, previous, export.Position, cancellation),
            cancellation);
        using var values = new ExportValues(export.Request.Columns);
        while (true)
        {
            var next = await StepAsync(export, walk, values, deadline, cancellation);
            var stop = !walk.AtEnd && deadline.IsOver;
            if (walk.AtEnd)
                next = next with { State = ExportState.Sealed, CompletedAt = next.UpdatedAt };
            else if (stop)
                next = next with { Claim = null };
            if (await exports.SaveAsync(next, version, cancellation) is not { } saved)
            {
                await WithdrawAsync(export, next, cancellation);
                return null;
            }

            (export, version) = (next, saved);
            if (walk.AtEnd || stop)
                return new Work(export, version);
        }
    }

    /// <summary>One part, or as many members without a row.</summary>
    private async Task<ExportDocument> StepAsync(ExportDocument export, MemberWalk walk, ExportValues values, Deadline deadline, CancellationToken cancellation)
    {
        using var part = new ExportPartFile(export.Request.Format, export.Request.Compression, export.ColumnNames);
        var snapshot = new MemberSnapshot();
        var (entered, exited) = (export.Entered, export.Exited);
        var position = export.Position;
        var steps = 0;
        while (!walk.AtEnd && part.Rows < limits.RowsPerPart && part.Bytes < limits.BytesPerPart && steps < limits.MembersPerStep)
        {
            // At least one member a message, whatever the time: it comes to an end.
            if (steps > 0 && deadline.IsOver)
                break;
            steps++;
            position = walk.Key;
            var profile = MemberKey.Profile(position);
            if (walk.Member is { } member)
            {
                values.Read(profile, member);
                var hash = values.Hash;
                snapshot.Add(position, hash);
                if (!export.IsDelta)
                    part.Write(values, change: null);
                else if (walk.PreviousHash is not { } before)
                {
                    part.Write(values, ExportFormats.Entered);
                    entered++;
                }
                else if (before != hash)
                    part.Write(values, ExportFormats.Updated);
            }
            else
            {
                values.Read(profile, await members.FindAsync(export.Request, profile, cancellation));
                part.Write(values, ExportFormats.Exited);
                exited++;
            }

            await walk.MoveAsync();
        }

        var next = export with { Position = position, Entered = entered, Exited = exited, UpdatedAt = Instant.Now(time) };
        if (snapshot.Count > 0)
        {
            var name = $"{MemberSnapshot.Folder(export.Request.SegmentId, export.Id)}{export.Claim}-{export.Members.Length}";
            await blobs.PutAsync(ContainerName.Exports, name, snapshot.Data, cancellation);
            next = next with { Members = next.Members.Add(new MemberChunk(name, position!)) };
        }

        if (part.Rows > 0)
        {
            var name = export.PartName(export.NextPart);
            var (data, sha256) = part.Complete();
            await blobs.PutAsync(ContainerName.Exports, export.Folder + name, data, cancellation);
            next = next with { NextPart = export.NextPart + 1, Parts = next.Parts.Add(new ExportPart(name, part.Rows, data.Length, sha256)) };
        }

        return next;
    }

    private async Task<ExportDocument> PreviousAsync(string id, CancellationToken cancellation) =>
        await exports.FindAsync(id, cancellation) is { } found ? found.Export : throw new InvalidDataException($"Export {id}, which this one is against, is gone.");

    /// <summary>False where the export was given up meanwhile.</summary>
    private async Task<bool> FinishAsync(ExportDocument export, string version, CancellationToken cancellation)
    {
        await DeleteUnlistedAsync(export.Folder, [.. export.Parts.Select(part => export.Folder + part.Name), export.ManifestName], cancellation);
        await DeleteUnlistedAsync(
            MemberSnapshot.Folder(export.Request.SegmentId, export.Id), [.. export.Members.Select(static chunk => chunk.Name)], cancellation);
        await blobs.PutAsync(ContainerName.Exports, export.ManifestName, ExportManifest.Write(export), cancellation);
        return await exports.CompleteAsync(export, version, cancellation);
    }

    /// <summary>
    /// Deletes what the last step wrote, now that somebody else has taken over: nobody else uses its names. But the step may have been recorded, and
    /// only the answer lost, before that happened; then it is part of the export.
    /// </summary>
    private async Task WithdrawAsync(ExportDocument before, ExportDocument step, CancellationToken cancellation)
    {
        var now = await exports.FindAsync(step.Id, cancellation);
        foreach (var part in step.Parts.Except(before.Parts).Except(now?.Export.Parts ?? []))
            await blobs.DeleteAsync(ContainerName.Exports, step.Folder + part.Name, cancellation);
        foreach (var chunk in step.Members.Except(before.Members).Except(now?.Export.Members ?? []))
            await blobs.DeleteAsync(ContainerName.Exports, chunk.Name, cancellation);
    }

    private async Task TidyAsync(string segmentId, CancellationToken cancellation)
    {
        var (head, version) = await exports.HeadAsync(segmentId, cancellation);
        var obsolete = head.Obsolete().ToHashSet(StringComparer.Ordinal);
        if (version is null || obsolete.Count == 0)
            return;
        foreach (var id in obsolete)
        {
            await DeleteUnlistedAsync(MemberSnapshot.Folder(segmentId, id), [], cancellation);
            // Without a manifest its parts are of no use to anybody.
            if (await exports.FindAsync(id, cancellation) is { Export: { State: ExportState.Failed } failed })
                await DeleteUnlistedAsync(failed.Folder, [], cancellation);
        }

        await exports.ForgetSnapshotsAsync(head, version, obsolete, cancellation);
    }

    private async Task DeleteUnlistedAsync(string folder, HashSet<string> listed, CancellationToken cancellation)
    {
        await foreach (var name in blobs.ListAsync(ContainerName.Exports, folder, cancellation))
        {
            if (!listed.Contains(name))
                await blobs.DeleteAsync(ContainerName.Exports, name, cancellation);
        }
    }

    private readonly record struct Work(ExportDocument Export, string Version);
}
