using System.Net;
using System.Text.Json;
using Cdp.Exports;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Tests.Exports;
using CdpFunctions.Storage;
using CdpFunctions.Tests.Storage;
using Xunit;
using Xunit.Abstractions;

namespace CdpFunctions.Tests.Exports;

/// <summary>An export on the emulator, downloaded by its links alone.</summary>
public sealed class SegmentExportTests(ITestOutputHelper output)
{
    private const int Members = 20_000;

    [Fact]
    public async Task TwentyThousandMembers_AreDownloadedByLink_AndEqualTheMembers()
    {
        var clients = await StorageForTests.CreateAsync();
        var members = new ListedMembers();
        for (var i = 0; i < Members; i++)
            members.Put(i, version: 1, member: true);
        var ids = new IdGenerator(TimeProvider.System);
        var exports = new ExportStore(new TableRowStore(clients.Tables), ids, TimeProvider.System);
        var blobs = new StorageBlobStore(clients.Blobs);
        var exporter = new SegmentExporter(exports, blobs, members, ids, TimeProvider.System, new ExportLimits { RowsPerPart = 6000 });
        var columns = ExportWorld.Columns(ExportWorld.Fields);
        var full = (await exports.StartAsync(new ExportRequest("vip", 1, "csv", "full", "gzip", columns), null, default))!;
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var messages = 1;

        while (await exporter.RunAsync(full.Id, new Deadline(TimeProvider.System, TimeSpan.FromMilliseconds(200)), default) == ExportProgress.Unfinished)
            messages++;

        var done = (await exports.GetAsync(full.Id, default))!;
        output.WriteLine($"{Members} members in {watch.Elapsed.TotalSeconds:F1} s, {messages} messages, {done.Parts.Length} parts");
        var read = await DownloadAsync(clients, done);
        Assert.Equal(members.Members.Select(id => ExportWorld.Expected(id, members.Find(id))), read.Rows);

        for (var i = 0; i < Members; i += 10)
            members.Put(i, version: 2, member: i % 100 != 0);
        members.Put(Members, version: 1, member: true);
        var delta = (await exports.StartAsync(new ExportRequest("vip", 1, "jsonl", "delta", "none", columns), null, default))!;
        await exporter.RunAsync(delta.Id, new Deadline(TimeProvider.System, TimeSpan.MaxValue), default);

        var changes = await DownloadAsync(clients, (await exports.GetAsync(delta.Id, default))!);
        Assert.Equal(
            [("entered", 1), ("exited", Members / 100), ("updated", (Members / 10) - (Members / 100))],
            changes.Rows.GroupBy(static row => row["change"].Trim('"')).Select(static change => (change.Key, change.Count())).Order());
    }

    /// <summary>As a receiver does: what the export's status says, with nothing but HTTP.</summary>
    private static async Task<ExportedFiles> DownloadAsync(StorageClients clients, ExportDocument export)
    {
        using var http = new HttpClient();
        var download = await new BlobLinks(clients.Blobs, TimeProvider.System).OfAsync(export, default);
        var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
            ExportStatus.Write(json, export, download);
        var status = JsonDocument.Parse(buffer.ToArray()).RootElement;
        Assert.Equal(("done", export.Rows), (status.GetProperty("state").GetString(), status.GetProperty("rows").GetInt64()));
        var links = status.GetProperty("download");
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var link in links.GetProperty("parts").EnumerateArray().Append(links.GetProperty("manifest")).Select(static link => link.GetString()!))
        {
            files.Add(new Uri(link).Segments[^1], await http.GetByteArrayAsync(new Uri(link)));
            using var unsigned = await http.GetAsync(new Uri(link.Split('?')[0]));
            Assert.NotEqual(HttpStatusCode.OK, unsigned.StatusCode);
        }

        Assert.Equal(export.Parts.Length + 1, files.Count);
        return ExportedFiles.Read(files, "")!;
    }
}
