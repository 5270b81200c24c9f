using System.Text;

namespace Cdp.Tests.Exports;

/// <summary>A parser of RFC 4180 that refuses everything else, so that what it reads any other program reads too.</summary>
public static class CsvText
{
    public static List<string[]> Parse(ReadOnlySpan<byte> file)
    {
        var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(file);
        Assert.False(text.StartsWith('\uFEFF'), "A byte order mark.");
        Assert.EndsWith("\r\n", text, StringComparison.Ordinal);
        var records = new List<string[]>();
        var record = new List<string>();
        var i = 0;
        while (i < text.Length)
        {
            record.Add(Field(text, ref i));
            if (text[i] == ',')
            {
                i++;
                continue;
            }

            Assert.Equal("\r\n", text.Substring(i, 2));
            i += 2;
            records.Add([.. record]);
            record.Clear();
        }

        Assert.Single(records.Select(static each => each.Length).Distinct());
        return records;
    }

    private static string Field(string text, ref int i)
    {
        var start = i;
        if (text[i] != '"')
        {
            while (text[i] is not (',' or '\r'))
            {
                Assert.False(text[i] is '"' or '\n', "A quote or line feed outside of quotes.");
                i++;
            }

            return text[start..i];
        }

        var field = new StringBuilder();
        for (i++; ; i++)
        {
            if (text[i] != '"')
                field.Append(text[i]);
            else if (text[i + 1] == '"')
                field.Append(text[i++]);
            else
                break;
        }

        i++;
        return field.ToString();
    }
}
