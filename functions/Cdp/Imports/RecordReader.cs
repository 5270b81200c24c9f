using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using Cdp.Collect;
using Cdp.Problems;

namespace Cdp.Imports;

/// <summary>Makes events of the records of one import. Not thread-safe.</summary>
internal abstract class RecordReader : IDisposable
{
    // A reader of its own for each text would cost more than the text.
    private static readonly JsonReaderOptions Unlimited = new() { MaxDepth = int.MaxValue };

    /// <param name="columns">The header of a CSV.</param>
    /// <param name="refusal">Why no record of the file can be an event.</param>
    public static RecordReader? Create(ImportRequest request, IReadOnlyList<string> columns, out string refusal)
    {
        refusal = "";
        RecordMapping? mapping = null;
        try
        {
            mapping = request.Mapping is { } text ? RecordMapping.Read(text) : null;
        }
        catch (ProblemException exception)
        {
            refusal = exception.Problem.Detail;
            return null;
        }

        if (request.Format != ImportFormats.Csv)
            return new JsonLineReader(mapping);
        if (mapping is not null)
            return new MappedRowReader(request.Delimiter, columns, mapping);
        return CsvColumns.Create(columns, out refusal) is { } made ? new RowReader(request.Delimiter, columns.Count, made) : null;
    }

    /// <summary>Adds the events of a record, or what is wrong with it. Whatever is in the record, the others of the batch are not touched by it.</summary>
    public void Read(ReadOnlyMemory<byte> record, ImportBatch batch)
    {
        if (!Utf8.IsValid(record.Span))
            batch.Refuse(new Refused(ProblemType.InvalidField, "It is not UTF-8. Save the file in UTF-8.", ""));
        else if (ReadValid(record, batch) is { } refused)
            batch.Refuse(refused);
    }

    public virtual void Dispose()
    {
    }

    /// <summary>Adds its events and returns null, or adds none.</summary>
    protected abstract Refused? ReadValid(ReadOnlyMemory<byte> record, ImportBatch batch);

    /// <summary>Null where the text is a JSON object and nothing else.</summary>
    protected static Refused? CheckObject(ReadOnlySpan<byte> text)
    {
        try
        {
            var reader = new Utf8JsonReader(text, Unlimited);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return new Refused(ProblemType.NotAnObject, "The line is JSON but no object.", "");
            while (reader.Read())
            {
                // To the end: what is wrong is thrown.
            }

            return null;
        }
        catch (JsonException exception)
        {
            return new Refused(ProblemType.NotJson, $"The line is not valid JSON: byte {exception.BytePositionInLine + 1}.", "");
        }
    }

    /// <summary>Lines that are events as <c>/v1/batch</c> takes them, or what a mapping makes events of.</summary>
    private sealed class JsonLineReader(RecordMapping? mapping) : RecordReader
    {
        protected override Refused? ReadValid(ReadOnlyMemory<byte> record, ImportBatch batch)
        {
            if (CheckObject(record.Span) is { } refused)
                return refused;
            if (mapping is not null)
                return mapping.Apply(record, batch);
            batch.Add(record.Span);
            return null;
        }
    }

    /// <summary>Rows, each put into JSON in a buffer that is used again.</summary>
    private abstract class CsvReader(char delimiter, int width) : RecordReader
    {
        private readonly CsvCells cells = new(delimiter);
        private readonly ByteBuilder text = new(4096);
        private readonly Utf8JsonWriter json = NewWriter();

        protected sealed override Refused? ReadValid(ReadOnlyMemory<byte> record, ImportBatch batch)
        {
            if (!cells.TryRead(record.Span, ImportLimits.Columns, out var fault))
                return new Refused(ProblemType.InvalidField, fault, "");
            if (cells.Count != width)
                return new Refused(ProblemType.InvalidField, $"It has {cells.Count} cells, and the header has {width}.", "");
            text.Truncate(0);
            json.Reset(text);
            if (Write(record.Span, cells, json) is { } refused)
                return refused;
            json.Flush();
            return Add(text.WrittenMemory, batch);
        }

        public override void Dispose()
        {
            base.Dispose();
            // What an unfinished object left behind is not to be written to the buffer.
            json.Reset(Stream.Null);
            json.Dispose();
            text.Dispose();
        }

        protected abstract Refused? Write(ReadOnlySpan<byte> row, CsvCells cells, Utf8JsonWriter json);

        protected abstract Refused? Add(ReadOnlyMemory<byte> json, ImportBatch batch);
    }

    private sealed class RowReader(char delimiter, int width, CsvColumns columns) : CsvReader(delimiter, width)
    {
        protected override Refused? Write(ReadOnlySpan<byte> row, CsvCells cells, Utf8JsonWriter json) => columns.Write(row, cells, json);

        protected override Refused? Add(ReadOnlyMemory<byte> json, ImportBatch batch)
        {
            batch.Add(json.Span);
            return null;
        }
    }

    /// <summary>A row as an object: the names of the columns, and the cells as texts; empty ones are absent.</summary>
    private sealed class MappedRowReader(char delimiter, IReadOnlyList<string> columns, RecordMapping mapping) : CsvReader(delimiter, columns.Count)
    {
        protected override Refused? Write(ReadOnlySpan<byte> row, CsvCells cells, Utf8JsonWriter json)
        {
            json.WriteStartObject();
            for (var i = 0; i < columns.Count; i++)
            {
                if (!cells.IsEmpty(i))
                    json.WriteString(columns[i], cells.Text(row, i));
            }

            json.WriteEndObject();
            return null;
        }

        protected override Refused? Add(ReadOnlyMemory<byte> json, ImportBatch batch) => mapping.Apply(json, batch);
    }

    // What it writes is put together from checked parts.
    private static Utf8JsonWriter NewWriter() =>
        new(Stream.Null, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true });
}
