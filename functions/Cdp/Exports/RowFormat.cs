using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Cdp.Segments.Matching;
using CsvHelper;

namespace Cdp.Exports;

/// <summary>Writes rows to a stream in one of the formats. Closing it completes the file and closes the stream.</summary>
internal abstract class RowFormat : IDisposable
{
    /// <param name="names">The names of the columns, <c>change</c> among them where rows have one.</param>
    public static RowFormat Create(string format, Stream stream, ImmutableArray<string> names) =>
        format == ExportFormats.Csv ? new CsvRows(stream, names) : new JsonLines(stream, names);

    /// <param name="change">The text of the second column; null where there is no such column.</param>
    public abstract void Write(ExportValues values, string? change);

    public abstract void Dispose();
}

/// <summary>RFC 4180, CRLF, UTF-8 without a byte order mark, a header.</summary>
internal sealed partial class CsvRows : RowFormat
{
    private readonly CsvWriter csv;

    public CsvRows(Stream stream, ImmutableArray<string> names)
    {
        // Its own protection against formulas knows no exceptions.
        csv = CsvWriter.Create(stream, CsvWriterOptions.Default with { NewLine = "\r\n", WriteByteOrderMark = false, Injection = CsvInjection.None });
        foreach (var name in names)
            csv.WriteField(Neutralise(name));
        csv.EndRecord();
    }

    public override void Write(ExportValues values, string? change)
    {
        for (var i = 0; i < values.Count; i++)
        {
            csv.WriteField(Neutralise(Text(values[i])));
            if (i == 0 && change is not null)
                csv.WriteField(change);
        }

        csv.EndRecord();
    }

    public override void Dispose() => csv.Dispose();

    /// <summary>
    /// Spreadsheets run cells that start like this, and anybody can send a trait. Phone numbers and numbers start so too, and run nothing.
    /// https://owasp.org/www-community/attacks/CSV_Injection
    /// </summary>
    internal static string Neutralise(string cell) =>
        cell.Length > 0 && cell[0] is '=' or '+' or '-' or '@' or '\t' or '\r' && !Harmless().IsMatch(cell) ? "'" + cell : cell;

    /// <summary>A string as it is meant, everything else as JSON.</summary>
    private static string Text(ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
            return "";
        if (value[0] != (byte)'"')
            return Encoding.UTF8.GetString(value);
        var reader = new Utf8JsonReader(value);
        reader.Read();
        return JsonText.Read(ref reader);
    }

    // An E.164 number as identifiers are normalised, or a JSON number.
    [GeneratedRegex(@"\A(\+[1-9][0-9]{1,14}|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)\z", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking, 1000)]
    private static partial Regex Harmless();
}

/// <summary>One JSON object a line, flat: the names are those of the columns, missing values are left out.</summary>
internal sealed class JsonLines : RowFormat
{
    private readonly Stream stream;
    private readonly byte[][] names;

    public JsonLines(Stream stream, ImmutableArray<string> names)
    {
        this.stream = stream;
        this.names = [.. names.Select(static name => Encoding.UTF8.GetBytes(JsonSerializer.Serialize(name, ExportJson.Default.String) + ":"))];
    }

    public override void Write(ExportValues values, string? change)
    {
        var name = 0;
        for (var i = 0; i < values.Count; i++)
        {
            var value = values[i];
            if (!value.IsEmpty)
            {
                // The profile's id is there always, so only the first column has none before it.
                stream.Write(i == 0 ? "{"u8 : ","u8);
                stream.Write(names[name]);
                stream.Write(value);
            }

            name++;
            if (i > 0 || change is null)
                continue;
            stream.Write(","u8);
            stream.Write(names[name++]);
            stream.Write(Encoding.UTF8.GetBytes($"\"{change}\""));
        }

        stream.Write("}\n"u8);
    }

    public override void Dispose() => stream.Dispose();
}
