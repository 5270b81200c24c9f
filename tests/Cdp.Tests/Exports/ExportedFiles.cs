using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Cdp.Tests.Exports;

/// <summary>
/// An export as its receiver reads it: by the manifest alone, checking everything that it says. <see cref="Rows"/> are in order, with the cells that
/// are not empty by their column; cells of JSON lines as JSON.
/// </summary>
public sealed record ExportedFiles(JsonElement Manifest, IReadOnlyList<IReadOnlyDictionary<string, string>> Rows)
{
    /// <summary>Null where there is no manifest yet.</summary>
    public static ExportedFiles? Read(IReadOnlyDictionary<string, byte[]> blobs, string folder)
    {
        if (!blobs.TryGetValue(folder + "manifest.json", out var json))
            return null;
        var manifest = JsonDocument.Parse(json).RootElement;
        var columns = manifest.GetProperty("columns").EnumerateArray().Select(static name => name.GetString()!).ToArray();
        var rows = new List<IReadOnlyDictionary<string, string>>();
        foreach (var part in manifest.GetProperty("parts").EnumerateArray())
        {
            var name = part.GetProperty("name").GetString()!;
            Assert.True(blobs.TryGetValue(folder + name, out var stored), $"The manifest names {name}, which is not there.");
            Assert.Equal(part.GetProperty("bytes").GetInt64(), stored!.Length);
            Assert.Equal(part.GetProperty("sha256").GetString(), Convert.ToHexStringLower(SHA256.HashData(stored)));
            var compressed = manifest.GetProperty("compression").GetString() == "gzip";
            Assert.Equal(compressed, name.EndsWith(".gz", StringComparison.Ordinal));
            var file = compressed ? Decompress(stored) : stored;
            var read = manifest.GetProperty("format").GetString() == "csv" ? Csv(file, columns) : JsonLines(file, columns);
            Assert.Equal(part.GetProperty("rows").GetInt64(), read.Count);
            rows.AddRange(read);
        }

        Assert.Equal(manifest.GetProperty("rows").GetInt64(), rows.Count);
        return new ExportedFiles(manifest, rows);
    }

    private static List<IReadOnlyDictionary<string, string>> Csv(byte[] file, string[] columns)
    {
        var records = CsvText.Parse(file);
        Assert.Equal(columns, records[0]);
        return
        [
            .. records.Skip(1).Select(record => (IReadOnlyDictionary<string, string>)columns.Zip(record)
                .Where(static cell => cell.Second.Length > 0).ToDictionary(static cell => cell.First, static cell => cell.Second, StringComparer.Ordinal)),
        ];
    }

    private static List<IReadOnlyDictionary<string, string>> JsonLines(byte[] file, string[] columns)
    {
        var rows = new List<IReadOnlyDictionary<string, string>>();
        foreach (var line in Encoding.UTF8.GetString(file).Split('\n')[..^1])
        {
            var row = JsonDocument.Parse(line).RootElement.EnumerateObject().ToDictionary(static each => each.Name, static each => each.Value.GetRawText(), StringComparer.Ordinal);
            Assert.Subset(columns.ToHashSet(StringComparer.Ordinal), row.Keys.ToHashSet(StringComparer.Ordinal));
            rows.Add(row);
        }

        return rows;
    }

    private static byte[] Decompress(byte[] data)
    {
        using var gzip = new GZipStream(new MemoryStream(data), CompressionMode.Decompress);
        using var whole = new MemoryStream();
        gzip.CopyTo(whole);
        return whole.ToArray();
    }
}
