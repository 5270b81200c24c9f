using System.Text;
using Cdp.Imports;
using CsvHelper;
using FsCheck;
using FsCheck.Fluent;

namespace Cdp.Tests.Imports;

public sealed class RecordSplitterTests
{
    /// <summary>Whatever a file consists of and wherever it is cut into pieces: the records, their lines and their cells are those that CsvHelper reads in the whole.</summary>
    [Fact]
    public void RecordsAndCells_AreThoseOfCsvHelper_WhereverTheFileIsCut() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
        {
            var random = new Random(seed);
            var file = Encoding.UTF8.GetBytes(RandomFile(random));
            var pieces = random.Next(40, 200);
            Assert.Equal(ByCsvHelper(file), BySplitter(file, ',', most: 39, pieces, out var tooLong).Select(static record => $"{record.Line}: {record.Text}"));
            Assert.Equal(0, tooLong);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));

    [Fact]
    public void Lines_EndWithALineFeed_WhereverTheFileIsCut() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
        {
            var random = new Random(seed);
            var lines = Enumerable.Range(0, random.Next(20)).Select(_ => new string([.. Enumerable.Range(0, random.Next(30)).Select(_ => "ab\"ü, "[random.Next(6)])])).ToList();
            var file = Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + (random.Next(2) == 0 ? "\n" : "\r\n"))) + "end");

            var read = BySplitter(file, null, most: 60, pieces: random.Next(70, 200), out _);

            Assert.Equal(lines.Append("end").Select(static (line, i) => (i + 1L, line)), read);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    /// <summary>What stands in a cell that is too long is never a row, whatever it looks like.</summary>
    [Theory]
    [InlineData("a,b\n1,\"{0}\"\n2,c\n", "\nuserId,x\n")]
    [InlineData("a,b\n1,\"{0}\"\r\n2,c\r\n", "\r\n\"\"u\"\",x\r\n")]
    [InlineData("a,b\n1,{0}\n2,c\n", "xxxx,yyyyy\"z")]
    public void ARecordThatIsTooLong_CostsItselfAlone(string file, string filling)
    {
        for (var pieces = 64; pieces < 200; pieces++)
        {
            var text = string.Format(System.Globalization.CultureInfo.InvariantCulture, file, string.Concat(Enumerable.Repeat(filling, 40)));
            var read = BySplitter(Encoding.UTF8.GetBytes(text), ',', most: 50, pieces, out var tooLong);

            Assert.Equal(["a|b", "2|c"], read.Select(static record => record.Text));
            Assert.Equal(text.TrimEnd().Split('\n').Length, read[1].Line);
            Assert.Equal(1, tooLong);
        }
    }

    [Fact]
    public void AQuoteThatIsNeverClosed_IsSaidToBeSo()
    {
        var file = "a\n\"b\nc\n"u8.ToArray();
        var splitter = new RecordSplitter(',', 100, 1, null);

        Assert.True(splitter.TryRead(file, last: true, out _));
        Assert.True(splitter.TryRead(file, last: true, out var open));
        Assert.Equal((2, RecordFault.Unclosed), (open.Line, open.Fault));
        Assert.False(splitter.TryRead(file, last: true, out _));
    }

    [Theory]
    [InlineData("\"a\"b,c")]
    [InlineData("\"a\" ,c")]
    [InlineData("\"a,c")]
    public void CellsThatAreNone_AreRefused(string row)
    {
        Assert.False(new CsvCells(',').TryRead(Encoding.UTF8.GetBytes(row), 10, out var fault));
        Assert.Contains("quote", fault, StringComparison.Ordinal);
    }

    private static List<string> ByCsvHelper(byte[] file)
    {
        var options = new CsvReaderOptions
        {
            Separator = ',', HasHeader = false, TrackLineNumbers = true, TrimWhitespace = false, MalformedData = CsvMalformedDataHandling.Recover, DetectSeparatorHint = false,
        };
        using var reader = CsvReader.Create(file, options);
        var records = new List<string>();
        while (reader.Read())
            records.Add($"{reader.LineNumber}: {string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(reader.GetString))}");
        return records;
    }

    private static List<(long Line, string Text)> BySplitter(byte[] file, char? delimiter, int most, int pieces, out int tooLong)
    {
        var records = new List<(long, string)>();
        var cells = new CsvCells(delimiter ?? ',');
        var (offset, line, open) = (0, 1L, (OpenRecord?)null);
        tooLong = 0;
        while (offset < file.Length)
        {
            var piece = file.AsSpan(offset, Math.Min(pieces, file.Length - offset));
            var last = offset + piece.Length == file.Length;
            // A new one for each piece, as another process has it.
            var splitter = new RecordSplitter(delimiter, most, line, open);
            while (splitter.TryRead(piece, last, out var record))
            {
                Assert.NotEqual(RecordFault.Unclosed, record.Fault);
                if (record.Fault == RecordFault.TooLong)
                {
                    tooLong++;
                    continue;
                }

                var text = record.Of(piece);
                if (delimiter is null)
                {
                    records.Add((record.Line, Encoding.UTF8.GetString(text)));
                    continue;
                }

                if (text.IsEmpty)
                    continue;
                Assert.True(cells.TryRead(text, 100, out var fault), fault);
                var parts = new List<string>();
                for (var i = 0; i < cells.Count; i++)
                    parts.Add(cells.TextOf(text, i));
                records.Add((record.Line, string.Join('|', parts)));
            }

            Assert.True(splitter.Position > 0 || !last);
            (offset, line, open) = (offset + splitter.Position, splitter.Line, splitter.Open);
        }

        return records;
    }

    // Quotes where they may stand, and stray ones inside of cells without quotes; every kind of line break.
    private static string RandomFile(Random random)
    {
        var text = new StringBuilder();
        for (var row = random.Next(1, 12); row > 0; row--)
        {
            var cells = random.Next(1, 4);
            for (var cell = 0; cell < cells; cell++)
            {
                if (cell > 0)
                    text.Append(',');
                var quoted = random.Next(2) == 0;
                if (quoted)
                    text.Append('"');
                for (var n = random.Next(4); n > 0; n--)
                {
                    var start = text.Length == 0 || text[^1] is ',' or '\n' or '\r';
                    text.Append(quoted
                        ? random.Next(6) switch { 0 => "\"\"", 1 => "\r\n", 2 => "\n", 3 => ",", 4 => "ü", _ => "x" }
                        : random.Next(4) switch { 0 when !start => "\"", 1 => "ü", 2 => " ", _ => "x" });
                }

                if (quoted)
                    text.Append('"');
            }

            text.Append(random.Next(3) switch { 0 => "\n", 1 => "\r\n", _ => "\r" });
            if (random.Next(6) == 0)
                text.Append(random.Next(2) == 0 ? "\n" : "\r\n");
        }

        // The last line break may be missing; a quote is closed in any case.
        return random.Next(2) == 0 ? text.ToString() : text.ToString().TrimEnd('\r', '\n');
    }
}
