using System.Collections.Immutable;
using System.Text.Unicode;

namespace Cdp.Imports;

/// <summary>How a file starts: a byte order mark, which is passed over, and in a CSV the names of the columns.</summary>
internal static class FileHeader
{
    /// <summary>Reads it; the splitter is behind it then.</summary>
    /// <param name="columns">Empty where the format has none.</param>
    /// <param name="refusal">Why the file cannot be read.</param>
    public static bool TryRead(ImportRequest request, ReadOnlySpan<byte> piece, bool last, RecordSplitter splitter, out ImmutableArray<string> columns, out string refusal)
    {
        columns = [];
        refusal = "";
        if (piece.StartsWith("\uFEFF"u8))
            splitter.Position = 3;
        else if (piece is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..])
            refusal = "The file is UTF-16. Save it in UTF-8.";
        else if (piece is [0x1F, 0x8B, ..] or [(byte)'P', (byte)'K', 3, 4, ..])
            refusal = "The file is compressed, or a spreadsheet's own format. Save it as plain text in UTF-8.";
        if (refusal.Length > 0)
            return false;
        if (request.Format != ImportFormats.Csv)
            return true;
        FileRecord header;
        do
        {
            if (!splitter.TryRead(piece, last, out header))
            {
                refusal = "The file has no header: its first line has to name the columns.";
                return false;
            }
        }
        while (header is { Fault: RecordFault.None } && header.Start == header.End);

        refusal = Read(request, header, header.Of(piece), out columns);
        return refusal.Length == 0;
    }

    private static string Read(ImportRequest request, FileRecord header, ReadOnlySpan<byte> text, out ImmutableArray<string> columns)
    {
        columns = [];
        if (header.Fault == RecordFault.TooLong)
            return "The header is longer than a row may be.";
        if (header.Fault == RecordFault.Unclosed)
            return "A quote in the header is never closed.";
        if (!Utf8.IsValid(text))
            return "The header is not UTF-8. Save the file in UTF-8.";
        var cells = new CsvCells(request.Delimiter);
        if (!cells.TryRead(text, ImportLimits.Columns, out var fault))
            return "The header cannot be read. " + fault;
        var names = ImmutableArray.CreateBuilder<string>(cells.Count);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < cells.Count; i++)
        {
            var name = cells.TextOf(text, i).Trim();
            if (name.Length == 0)
                return $"Column {i + 1} of the header has no name.";
            if (name.Length > ImportLimits.ColumnName)
                return $"The name of column {i + 1} is longer than {ImportLimits.ColumnName} characters. Is '{request.Delimiter}' the delimiter?";
            if (!seen.Add(name))
                return $"The header names the column '{name}' twice.";
            names.Add(name);
        }

        columns = names.ToImmutable();
        return "";
    }
}
