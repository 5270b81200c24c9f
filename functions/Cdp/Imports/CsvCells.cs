using System.Text;

namespace Cdp.Imports;

/// <summary>The cells of a row, by the rules of <see cref="RecordSplitter"/>: RFC 4180, and nothing may stand behind a closing quote.</summary>
internal sealed class CsvCells(char delimiter)
{
    private const byte Quote = (byte)'"';

    private readonly byte separator = (byte)delimiter;
    private readonly List<Cell> cells = [];
    private byte[] scratch = new byte[256];

    public int Count => cells.Count;

    /// <param name="most">More cells are not looked at.</param>
    /// <param name="fault">Why the row is none.</param>
    public bool TryRead(ReadOnlySpan<byte> row, int most, out string fault)
    {
        cells.Clear();
        fault = "";
        for (var at = 0; ;)
        {
            if (cells.Count == most)
            {
                fault = $"It has more than {most} cells.";
                return false;
            }

            if (at < row.Length && row[at] == Quote)
            {
                var doubled = false;
                var end = at + 1;
                while (true)
                {
                    var length = row[end..].IndexOf(Quote);
                    if (length < 0)
                    {
                        fault = $"The quote that opens cell {cells.Count + 1} is never closed.";
                        return false;
                    }

                    end += length;
                    if (end + 1 == row.Length || row[end + 1] != Quote)
                        break;
                    doubled = true;
                    end += 2;
                }

                cells.Add(new Cell(at + 1, end, doubled));
                at = end + 1;
                if (at < row.Length && row[at] != separator)
                {
                    fault = $"Something stands behind the closing quote of cell {cells.Count}. A quote inside of a quoted cell is written twice.";
                    return false;
                }
            }
            else
            {
                var length = row[at..].IndexOf(separator);
                var end = length < 0 ? row.Length : at + length;
                cells.Add(new Cell(at, end, Doubled: false));
                at = end;
            }

            if (at == row.Length)
                return true;
            at++;
        }
    }

    public bool IsEmpty(int index) => cells[index].Start == cells[index].End;

    /// <summary>The text of a cell; good until the next is asked for.</summary>
    public ReadOnlySpan<byte> Text(ReadOnlySpan<byte> row, int index)
    {
        var cell = cells[index];
        var text = row[cell.Start..cell.End];
        if (!cell.Doubled)
            return text;
        if (scratch.Length < text.Length)
            scratch = new byte[text.Length];
        var length = 0;
        for (var i = 0; i < text.Length; i++)
        {
            scratch[length++] = text[i];
            if (text[i] == Quote)
                i++;
        }

        return scratch.AsSpan(0, length);
    }

    public string TextOf(ReadOnlySpan<byte> row, int index) => Encoding.UTF8.GetString(Text(row, index));

    private readonly record struct Cell(int Start, int End, bool Doubled);
}
