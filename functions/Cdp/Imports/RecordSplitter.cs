using System.Buffers;

namespace Cdp.Imports;

internal enum RecordFault
{
    None,
    TooLong,

    /// <summary>A quote was opened and the file ends before it is closed.</summary>
    Unclosed,
}

/// <summary>A row or line of a file.</summary>
/// <param name="Start">In the piece at hand; meaningless for one that is too long.</param>
/// <param name="End">Without the line break.</param>
/// <param name="Line">Where it starts, from 1 on.</param>
internal readonly record struct FileRecord(int Start, int End, long Line, RecordFault Fault)
{
    public ReadOnlySpan<byte> Of(ReadOnlySpan<byte> piece) => Fault == RecordFault.TooLong ? default : piece[Start..End];
}

/// <summary>
/// Finds the records of a file that is read in pieces, without decoding it: so where one ends is a byte, and the next piece can be read from there by
/// another process. In a CSV a quote opens only where a cell starts; inside, two of them are one, and a line break is part of the cell.
/// </summary>
/// <param name="delimiter">Between the cells of a CSV; null for a file of lines.</param>
/// <param name="most">Bytes of a record. What is longer is passed over to its end, quotes and all: lines inside of a cell never become rows.</param>
internal sealed class RecordSplitter(char? delimiter, int most, long line, OpenRecord? open)
{
    private const byte Quote = (byte)'"';

    private static readonly SearchValues<byte> InQuotes = SearchValues.Create((byte)'"', (byte)'\n', (byte)'\r');

    /// <summary>How much of the piece was read.</summary>
    public int Position { get; set; }

    /// <summary>The number of the line there.</summary>
    public long Line { get; private set; } = line;

    public OpenRecord? Open { get; private set; } = open;

    /// <param name="piece">From the position that the splitter was made with on.</param>
    /// <param name="last">The file ends with it.</param>
    /// <returns>False where no more record ends in the piece: go on with one that starts at <see cref="Position"/>.</returns>
    public bool TryRead(ReadOnlySpan<byte> piece, bool last, out FileRecord record) =>
        delimiter is { } character ? TryReadRow(piece, last, (byte)character, out record) : TryReadLine(piece, last, out record);

    private bool TryReadLine(ReadOnlySpan<byte> piece, bool last, out FileRecord record)
    {
        var length = piece[Position..].IndexOf((byte)'\n');
        if (length < 0 && !last)
            return Suspend(piece.Length, Line, quoted: false, atCell: false, out record);
        var next = length < 0 ? piece.Length : Position + length + 1;
        var end = length < 0 ? piece.Length : Position + length;
        if (end > Position && piece[end - 1] == '\r')
            end--;
        return Finish(end, next, Line + 1, RecordFault.None, atEnd: length < 0, out record);
    }

    private bool TryReadRow(ReadOnlySpan<byte> piece, bool last, byte separator, out FileRecord record)
    {
        var at = Position;
        var lines = Line;
        var quoted = Open?.Quoted ?? false;
        var atCell = Open?.AtCell ?? true;
        while (at < piece.Length)
        {
            if (!quoted && atCell && piece[at] == Quote)
            {
                quoted = true;
                atCell = false;
                at++;
                continue;
            }

            var length = quoted ? piece[at..].IndexOfAny(InQuotes) : piece[at..].IndexOfAny(separator, (byte)'\n', (byte)'\r');
            atCell &= length == 0;
            if (length < 0)
            {
                at = piece.Length;
                break;
            }

            at += length;
            var found = piece[at];
            if (!quoted && found == separator)
            {
                atCell = true;
                at++;
                continue;
            }

            // What it means is decided by the byte behind it.
            if (found != '\n' && at + 1 == piece.Length && !last)
                return Suspend(at, lines, quoted, atCell, out record);
            var pair = at + 1 < piece.Length && ((found == Quote && piece[at + 1] == Quote) || (found == '\r' && piece[at + 1] == '\n'));
            var next = at + (pair ? 2 : 1);
            if (found == Quote)
            {
                quoted = pair;
                at = next;
                continue;
            }

            lines++;
            if (!quoted)
                return Finish(at, next, lines, RecordFault.None, atEnd: false, out record);
            at = next;
        }

        return last
            ? Finish(piece.Length, piece.Length, lines, quoted ? RecordFault.Unclosed : RecordFault.None, atEnd: true, out record)
            : Suspend(at, lines, quoted, atCell, out record);
    }

    private bool Finish(int end, int next, long lines, RecordFault fault, bool atEnd, out FileRecord record)
    {
        record = default;
        // Nothing follows the last line break.
        if (atEnd && Position == end && Open is null)
            return false;
        // That its quote is open tells more than its length.
        if (fault == RecordFault.None && (Open is not null || end - Position > most))
            fault = RecordFault.TooLong;
        record = new FileRecord(Position, end, Open?.Line ?? Line, fault);
        (Position, Line, Open) = (next, lines, null);
        return true;
    }

    private bool Suspend(int at, long lines, bool quoted, bool atCell, out FileRecord record)
    {
        record = default;
        if (Open is null && at - Position <= most)
            return false;
        Open = new OpenRecord(Open?.Line ?? Line, quoted, atCell);
        (Position, Line) = (at, lines);
        return false;
    }
}
