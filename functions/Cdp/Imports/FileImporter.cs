using System.Collections.Immutable;
using Cdp.Collect;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Sources;
using Cdp.Storage;

namespace Cdp.Imports;

public enum ImportProgress
{
    /// <summary>There is nothing left to do, or somebody else does it.</summary>
    Done,

    /// <summary>The time was up: send the message again.</summary>
    Unfinished,

    /// <summary>It makes way for the events of others: send the message again for later.</summary>
    Postponed,
}

/// <summary>Reads a file in chunks, from one checkpoint to the next, and queues its events as the past.</summary>
/// <remarks>
/// <para>The order of writes:</para>
/// <list type="number">
/// <item>the events of a chunk, under messageIds that a repetition has again</item>
/// <item>the part of the report with its rejections, under a name that nobody else uses</item>
/// <item>the row, on condition of its version: how far the file was read, the counts, the name of the part</item>
/// <item>at the end the report, the row that names it, and then its parts are deleted</item>
/// </list>
/// <para>
/// Dies a run before the row is written, the next one does the chunk again: its events are duplicates by their ids, and its part is one that no row names,
/// which is deleted at the end. Of two runs at once one wins the row; the other takes its part away again and stops. So every record is counted once, and
/// the report has every rejection once.
/// </para>
/// </remarks>
public sealed class FileImporter(
    ImportStore imports, SourceStore sources, Collector collector, IMessageQueue queue, IBlobStore blobs, IdGenerator ids, TimeProvider time, ImportLimits? limits = null)
{
    private readonly Collector collector = collector;
    private readonly ImportLimits limits = limits ?? ImportLimits.Default;

    /// <summary>Goes on with an import until it is done or the time is up. May be called again, or twice at once, at any time.</summary>
    public async Task<ImportProgress> RunAsync(string id, Deadline deadline, CancellationToken cancellation)
    {
        if (await imports.FindAsync(id, cancellation) is not var (import, version))
            return ImportProgress.Done;
        var run = ids.Next("");
        var source = import.State == ImportState.Running ? (await sources.GetAsync(import.Request.SourceId, cancellation))?.Source : null;
        while (import.State == ImportState.Running)
        {
            var busy = await IsBusyAsync(cancellation);
            // Said in the row too: it must not look as if nobody cared for the import any more, and of two messages one ends here.
            var next = busy ? import with { UpdatedAt = Instant.Now(time), Run = run } : await StepAsync(import, source, run, cancellation);
            if (await imports.SaveAsync(next, version, cancellation) is not { } saved)
            {
                await WithdrawAsync(import, next, cancellation);
                return ImportProgress.Done;
            }

            (import, version) = (next, saved);
            if (busy)
                return ImportProgress.Postponed;
            if (import.State == ImportState.Running && deadline.IsOver)
                return ImportProgress.Unfinished;
        }

        if (import.State == ImportState.Ending)
            await FinishAsync(import, version, run, cancellation);
        return ImportProgress.Done;
    }

    /// <summary>Others' events wait too long already.</summary>
    private async Task<bool> IsBusyAsync(CancellationToken cancellation) =>
        (await queue.BacklogAsync(QueueName.Events, cancellation)).OldestInsertedOn is { } oldest && time.GetUtcNow() - oldest > ImportLimits.OldestEvent;

    /// <summary>One chunk: what the row has to say afterwards.</summary>
    private async Task<ImportDocument> StepAsync(ImportDocument import, Source? source, string run, CancellationToken cancellation)
    {
        import = import with { UpdatedAt = Instant.Now(time), Run = run };
        if (source is null)
            return GiveUp(import, $"The source {import.Request.SourceId} is gone.");
        if (!source.Enabled)
            return GiveUp(import, $"The source {source.Id} is disabled. Enable it, and start the import again.");
        if (await blobs.ReadAsync(ContainerName.Imports, import.FileName, import.Position.Offset, limits.ChunkBytes, cancellation) is not { } piece)
            return GiveUp(import, import.File is null ? "No file was uploaded." : "The file is gone.");
        if (Refusal(import, piece) is { } refusal)
            return GiveUp(import, refusal);
        import = import with { File = import.File ?? new ImportedFile(piece.Length, piece.Version) };
        var last = import.Position.Offset + piece.Data.Length >= piece.Length;
        var splitter = new RecordSplitter(
            import.Request.Format == ImportFormats.Csv ? import.Request.Delimiter : null, limits.RecordBytes, import.Position.Line, import.Position.Open);
        if (import.Position.Offset == 0)
        {
            if (!FileHeader.TryRead(import.Request, piece.Data.Span, last, splitter, out var columns, out refusal!))
                return GiveUp(import, refusal);
            import = import with { Columns = columns };
        }

        using var reader = RecordReader.Create(import.Request, import.Columns, out refusal!);
        if (reader is null)
            return GiveUp(import, refusal);
        using var chunk = new Chunk(this, source, piece.Data, reader, cancellation);
        await chunk.ReadAsync(splitter, last);
        return await RecordAsync(import, chunk, splitter, piece, cancellation);
    }

    private static string? Refusal(ImportDocument import, BlobPiece piece)
    {
        if (import.File is { } file)
        {
            return file.Length == piece.Length && file.Version == piece.Version ? null
                : $"The file was replaced while it was imported, at byte {import.Position.Offset:N0}. Import the new one as an import of its own.";
        }

        return piece.Length == 0 ? "The file is empty."
            : piece.Length > ImportLimits.FileBytes ? $"The file has {piece.Length:N0} bytes; at most {ImportLimits.FileBytes:N0} are taken. Send it in parts."
            : null;
    }

    private static ImportDocument GiveUp(ImportDocument import, string reason) => import with { State = ImportState.Ending, Reason = reason };

    private async Task<ImportDocument> RecordAsync(ImportDocument import, Chunk chunk, RecordSplitter splitter, BlobPiece piece, CancellationToken cancellation)
    {
        var next = import with
        {
            Position = new ImportPosition(import.Position.Offset + chunk.End, chunk.EndLine, chunk.Unclosed is null ? splitter.Open : null),
            Rows = import.Rows + chunk.Rows,
            Accepted = import.Accepted + chunk.Accepted,
            Rejected = import.Rejected + chunk.Rejections.Count,
        };
        if (chunk.Unclosed is { } open)
        {
            // Whatever is behind it could be a part of the cell, or not.
            next = GiveUp(next, $"The quote that opens in line {open} is never closed: nothing from that line on was imported. Correct the file and import it anew; what was taken before changes nothing then.");
        }
        else if (next.Position.Offset == piece.Length)
        {
            next = next with { State = ImportState.Ending };
        }

        if (chunk.Rejections.Count == 0)
            return next;
        var room = import.ReportParts.Length < limits.ReportParts && import.Unreported == 0 ? limits.ReportBytes - import.ReportBytes : 0;
        using var part = new ByteBuilder(16 * 1024);
        chunk.Rejections.Sort(static (a, b) => a.Record.Line.CompareTo(b.Record.Line));
        ImportReport.Write(part, piece.Data.Span, chunk.Rejections, (int)room, limits.RecordInReport, out var left);
        next = next with { Unreported = next.Unreported + left };
        if (part.Length == 0)
            return next;
        var name = $"{import.ReportFolder}{import.Position.Offset:D13}-{import.Run}.csv";
        await blobs.PutAsync(ContainerName.Imports, name, part.WrittenMemory, cancellation);
        return next with { ReportParts = next.ReportParts.Add(name), ReportBytes = next.ReportBytes + part.Length };
    }

    private async Task FinishAsync(ImportDocument import, string version, string run, CancellationToken cancellation)
    {
        var name = import.Report;
        if (import.ReportParts.Any(part => part != import.Report))
        {
            name = $"{import.ReportFolder}report-{run}.csv";
            using var report = new ByteBuilder(ImportReport.Header.Length + (int)import.ReportBytes);
            report.Append(ImportReport.Header);
            foreach (var part in import.ReportParts)
            {
                // Whoever was faster has written the report and deleted the parts.
                if (await blobs.GetAsync(ContainerName.Imports, part, cancellation) is not { } rows)
                {
                    if (await imports.FindAsync(import.Id, cancellation) is { } now && now.Version == version)
                        throw new InvalidDataException($"The part {part} of a report is gone.");
                    return;
                }

                report.Append(ImportReport.Rows(rows).Span);
            }

            await blobs.PutAsync(ContainerName.Imports, name, report.WrittenMemory, cancellation);
        }

        var end = Instant.Now(time);
        var ended = import with
        {
            State = import.Reason is null ? ImportState.Done : ImportState.Failed,
            UpdatedAt = end,
            CompletedAt = end,
            Report = name,
            ReportParts = [],
            Run = run,
        };
        if (await imports.SaveAsync(ended, version, cancellation) is null)
        {
            if (name is not null && name != import.Report && (await imports.GetAsync(import.Id, cancellation))?.Report != name)
                await blobs.DeleteAsync(ContainerName.Imports, name, cancellation);
            return;
        }

        await foreach (var blob in blobs.ListAsync(ContainerName.Imports, import.ReportFolder, cancellation))
        {
            if (blob != name)
                await blobs.DeleteAsync(ContainerName.Imports, blob, cancellation);
        }
    }

    /// <summary>
    /// Deletes the part that the last step wrote, now that somebody else has taken over, or the import was deleted. But the step may have been recorded, and only
    /// the answer lost, before that happened; then it is a part of the report.
    /// </summary>
    private async Task WithdrawAsync(ImportDocument before, ImportDocument step, CancellationToken cancellation)
    {
        var now = await imports.GetAsync(step.Id, cancellation);
        foreach (var part in step.ReportParts.Except(before.ReportParts).Except(now?.ReportParts ?? []))
            await blobs.DeleteAsync(ContainerName.Imports, part, cancellation);
    }

    /// <summary>The records of one piece of the file.</summary>
    private sealed class Chunk(FileImporter importer, Source source, ReadOnlyMemory<byte> piece, RecordReader reader, CancellationToken cancellation) : IDisposable
    {
        private readonly Queue<Task> waiting = new();
        private ImportBatch batch = new();

        public long Rows { get; private set; }

        public long Accepted { get; private set; }

        public List<RejectedRecord> Rejections { get; } = [];

        /// <summary>Bytes that were read.</summary>
        public int End { get; private set; }

        public long EndLine { get; private set; }

        /// <summary>The line of a quote that is never closed; null where all are.</summary>
        public long? Unclosed { get; private set; }

        public async Task ReadAsync(RecordSplitter splitter, bool last)
        {
            (End, EndLine) = (splitter.Position, splitter.Line);
            while (Rows < importer.limits.ChunkRecords && splitter.TryRead(piece.Span, last, out var record))
            {
                if (record.Fault == RecordFault.Unclosed)
                {
                    Unclosed = record.Line;
                    break;
                }

                Read(record);
                (End, EndLine) = (splitter.Position, splitter.Line);
                if (batch.Count >= importer.limits.BatchEvents || batch.Bytes >= importer.limits.BatchBytes)
                    await SendAsync(importer.limits.Batches - 1);
            }

            // A record that is too long is passed over in the middle too.
            if (Unclosed is null)
                (End, EndLine) = (splitter.Position, splitter.Line);
            if (batch.Count > 0)
                await SendAsync(0);
            while (waiting.TryDequeue(out var sent))
                await sent;
        }

        public void Dispose() => batch.Dispose();

        private void Read(FileRecord record)
        {
            if (record.Fault == RecordFault.TooLong)
            {
                Rows++;
                var detail = $"The record is longer than {importer.limits.RecordBytes:N0} bytes. Is a quote in it not closed?";
                lock (Rejections)
                    Rejections.Add(new RejectedRecord(record, ProblemType.EventTooLarge, detail));
                return;
            }

            var text = piece[record.Start..record.End];
            if (text.Span.IndexOfAnyExcept(" \t"u8) < 0)
                return;
            Rows++;
            batch.Record = record;
            reader.Read(text, batch);
        }

        /// <summary>Sends the batch, and waits until no more than some of those before it are under way.</summary>
        private async Task SendAsync(int most)
        {
            var full = batch;
            batch = new ImportBatch();
            waiting.Enqueue(CollectAsync(full));
            while (waiting.Count > most)
                await waiting.Dequeue();
        }

        private async Task CollectAsync(ImportBatch full)
        {
            using (full)
            {
                var collected = await importer.collector.ImportAsync(source, full.Complete(), full.Refused, cancellation);
                // Answers come on any thread.
                lock (Rejections)
                {
                    Accepted += collected.Accepted;
                    foreach (var rejection in collected.Rejected)
                        Rejections.Add(new RejectedRecord(full.RecordOf(rejection.Index), rejection.Type, rejection.Detail));
                }
            }
        }
    }
}
