using System.Text;
using Cdp.Collect;
using Cdp.Exports;
using Cdp.Problems;

namespace Cdp.Imports;

/// <summary>Why a record, or one of its events, was not taken.</summary>
internal readonly record struct RejectedRecord(FileRecord Record, ProblemType Type, string Detail);

/// <summary>
/// The report of rejections, a CSV that spreadsheets can open: line, type, detail, and the start of the record. Written in parts, which put together are the
/// report but for its header.
/// </summary>
internal static class ImportReport
{
    public static ReadOnlySpan<byte> Header => "line,type,detail,record\r\n"u8;

    /// <param name="rejections">Sorted by line.</param>
    /// <param name="room">Bytes; rejections that find none are left out.</param>
    /// <param name="left">How many were.</param>
    public static void Write(ByteBuilder part, ReadOnlySpan<byte> piece, List<RejectedRecord> rejections, int room, int mostOfRecord, out int left)
    {
        left = 0;
        foreach (var rejection in rejections)
        {
            var start = part.Length;
            var text = rejection.Record.Of(piece);
            Append(part, $"{rejection.Record.Line},{rejection.Type.Code},{Cell(rejection.Detail)},{Cell(Encoding.UTF8.GetString(text[..Math.Min(text.Length, mostOfRecord)]))}\r\n");
            if (left == 0 && part.Length <= room)
                continue;
            // In order up to a certain line, and nothing after it: so it can be told what is missing.
            part.Truncate(start);
            left++;
        }
    }

    /// <summary>Without the header that a report has and a part has not.</summary>
    public static ReadOnlyMemory<byte> Rows(ReadOnlyMemory<byte> reportOrPart) =>
        reportOrPart.Span.StartsWith(Header) ? reportOrPart[Header.Length..] : reportOrPart;

    private static string Cell(string text) => '"' + CsvRows.Neutralise(text).Replace("\"", "\"\"", StringComparison.Ordinal) + '"';

    private static void Append(ByteBuilder part, string text)
    {
        var bytes = Encoding.UTF8.GetByteCount(text);
        Encoding.UTF8.GetBytes(text, part.GetSpan(bytes));
        part.Advance(bytes);
    }
}
