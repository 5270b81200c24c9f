using System.Text.Json;
using Cdp.Collect;
using Cdp.Problems;
using Cdp.Sources;
using Cdp.Storage;

namespace Cdp.Imports;

/// <summary>A dry run: what the first records of a file would become. Queues and counts nothing.</summary>
public sealed class ImportPreview(SourceStore sources, Collector collector, IBlobStore blobs)
{
    private readonly ImportLimits limits = ImportLimits.Default;

    /// <param name="rows">How many records at most.</param>
    /// <exception cref="ProblemException">import-not-uploaded; not-found where the source is gone.</exception>
    public async Task<ImportPreviewResult> TryAsync(ImportDocument import, int rows, CancellationToken cancellation)
    {
        if (await blobs.ReadAsync(ContainerName.Imports, import.FileName, 0, limits.ChunkBytes, cancellation) is not { } piece)
            throw NotUploaded();
        if (await sources.GetAsync(import.Request.SourceId, cancellation) is not var (source, _))
            throw new ProblemException(ProblemType.NotFound, "The import's source is gone.");
        var result = new ImportPreviewResult();
        if (piece.Length == 0)
        {
            result.Reason = "The file is empty.";
            return result;
        }

        var last = piece.Data.Length == piece.Length;
        var splitter = new RecordSplitter(import.Request.Format == ImportFormats.Csv ? import.Request.Delimiter : null, limits.RecordBytes, 1, null);
        if (!FileHeader.TryRead(import.Request, piece.Data.Span, last, splitter, out var columns, out var refusal))
        {
            result.Reason = refusal;
            return result;
        }

        using var reader = RecordReader.Create(import.Request, columns, out refusal);
        if (reader is null)
        {
            result.Reason = refusal;
            return result;
        }

        while (result.Rows.Count < rows && splitter.TryRead(piece.Data.Span, last, out var record))
        {
            if (record.Fault == RecordFault.Unclosed)
            {
                result.Reason = $"The quote that opens in line {record.Line} is never closed.";
                break;
            }

            if (record.Fault == RecordFault.None && record.Of(piece.Data.Span).IndexOfAnyExcept(" \t"u8) < 0)
                continue;
            result.Rows.Add(await TryAsync(source, reader, piece.Data, record, cancellation));
        }

        return result;
    }

    public static ProblemException NotUploaded() => new(ProblemType.ImportNotUploaded, "There is no file yet: PUT it to the import's upload URL first, with the header 'x-ms-blob-type: BlockBlob'.");

    private async Task<ImportPreviewRow> TryAsync(Source source, RecordReader reader, ReadOnlyMemory<byte> piece, FileRecord record, CancellationToken cancellation)
    {
        if (record.Fault == RecordFault.TooLong)
            return new ImportPreviewRow(record.Line, [], [new Rejection(0, null, ProblemType.EventTooLarge, $"The record is longer than {limits.RecordBytes:N0} bytes.")]);
        using var batch = new ImportBatch { Record = record };
        reader.Read(piece[record.Start..record.End], batch);
        if (batch.Count == 0)
            return new ImportPreviewRow(record.Line, [], []);
        var (stored, rejected) = await collector.TryAsync(source, batch.Complete(), batch.Refused, cancellation, fromFile: true);
        return new ImportPreviewRow(record.Line, [.. stored.Select(static item => item.Json)], rejected);
    }
}

/// <param name="Line">Where the record starts.</param>
/// <param name="Events">As they would be stored.</param>
public sealed record ImportPreviewRow(long Line, IReadOnlyList<ReadOnlyMemory<byte>> Events, IReadOnlyList<Rejection> Rejected);

/// <summary>What a dry run shows.</summary>
public sealed class ImportPreviewResult
{
    public List<ImportPreviewRow> Rows { get; } = [];

    /// <summary>Why the import would fail; null where nothing speaks against it so far.</summary>
    public string? Reason { get; set; }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartArray("rows"u8);
        foreach (var row in Rows)
        {
            json.WriteStartObject();
            json.WriteNumber("line"u8, row.Line);
            json.WriteStartArray("events"u8);
            foreach (var stored in row.Events)
                json.WriteRawValue(stored.Span, skipInputValidation: true);
            json.WriteEndArray();
            json.WriteStartArray("rejected"u8);
            foreach (var rejection in row.Rejected)
            {
                json.WriteStartObject();
                json.WriteString("type"u8, rejection.Type.Uri);
                json.WriteString("detail"u8, rejection.Detail);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (Reason is not null)
            json.WriteString("reason"u8, Reason);
        json.WriteEndObject();
    }
}
