using System.Net;
using System.Text.Json;
using Cdp.Tests.Exports;
using Xunit;

namespace CdpFunctions.Tests.Exports;

/// <summary>What a receiver does: asks until the export is done, and fetches its files by their links, without a key.</summary>
internal static class Downloads
{
    public static async Task<JsonElement> WaitAsync(Func<Task<JsonElement>> status)
    {
        var last = await status();
        await TestApp.WaitUntilAsync(async () => (last = await status()).GetProperty("state").GetString() != "running");
        return last;
    }

    public static async Task<ExportedFiles> ReadAsync(JsonElement done)
    {
        Assert.Equal("done", done.GetProperty("state").GetString());
        using var http = new HttpClient();
        var links = done.GetProperty("download");
        Assert.Equal(done.GetProperty("parts").GetInt32(), links.GetProperty("parts").GetArrayLength());
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var link in links.GetProperty("parts").EnumerateArray().Append(links.GetProperty("manifest")).Select(static link => link.GetString()!))
        {
            files.Add(new Uri(link).Segments[^1], await http.GetByteArrayAsync(new Uri(link)));
            using var unsigned = await http.GetAsync(new Uri(link.Split('?')[0]));
            Assert.NotEqual(HttpStatusCode.OK, unsigned.StatusCode);
        }

        var read = ExportedFiles.Read(files, "")!;
        Assert.Equal(done.GetProperty("rows").GetInt64(), read.Rows.Count);
        return read;
    }
}
