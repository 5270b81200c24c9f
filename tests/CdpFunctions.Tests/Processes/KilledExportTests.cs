using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Cdp.Events;
using Cdp.Exports;
using Cdp.Segments.Definitions;
using Cdp.Storage;
using Cdp.Tests.Exports;
using CdpFunctions.Storage;
using CdpFunctions.Tests.Azurite;
using CdpFunctions.Tests.Exports;
using CdpFunctions.Tests.Runtime;
using Microsoft.Extensions.Configuration;
using Xunit;
using Xunit.Abstractions;

namespace CdpFunctions.Tests.Processes;

/// <summary>The app as a real process that is killed in the middle of an export, and somebody who waits for the manifest.</summary>
public sealed class KilledExportTests(ITestOutputHelper output)
{
    private const int Members = 6_000;
    private const int Parts = 6;
    private const int Kills = 1;

    // Of exports that were done before the process could be killed.
    private const int MostExports = 20;

    private const string Manifest = "/manifest.json";

    [Fact]
    public async Task KilledInTheMiddle_ItIsFinished_AndNobodySeesHalfOfIt()
    {
        var account = await AzuriteFixture.NewAccountAsync();
        var clients = StorageClients.Create(new ConfigurationBuilder().AddInMemoryCollection([new(StorageClients.Setting, account)]).Build());
        await StorageSetup.CreateAllAsync(clients, default);
        await SeedAsync(new TableRowStore(clients.Tables));
        var folder = Directory.CreateTempSubdirectory("cdp-export-");
        var settings = new Dictionary<string, string>
        {
            [StorageClients.Setting] = account,
            ["Local__MessageLease"] = "00:00:02",
            ["Cdp__ExportRowsPerPart"] = "1000",
            ["Cdp__ProfilesExportSchedule"] = "off",
        };
        var store = new StorageBlobStore(clients.Blobs);
        using var stop = new CancellationTokenSource();
        var reader = ReadManifestsAsync(store, stop.Token);
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(20) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", TestApp.ApiKey);
        var process = await LocalProcess.StartReadyAsync(folder.FullName, settings);
        var kills = 0;
        var exports = new List<string>();
        while (kills < Kills)
        {
            Assert.InRange(exports.Count, 0, MostExports);
            var before = exports.Count;
            using (var asked = await http.PostAsync(new Uri(process.Address, "v1/segments/gold/exports"), new StringContent("""{"fields":["user_id","email","phone","traits.name","traits.address","traits.plan"]}""")))
            {
                Assert.Equal(HttpStatusCode.Accepted, asked.StatusCode);
                exports.Add(asked.Headers.Location!.ToString());
            }

            await TestApp.WaitUntilAsync(async () => (await NamesAsync(store)).Count(static name => name.Contains("/part-", StringComparison.Ordinal)) >= (before * Parts) + 2);
            await process.KillAsync();
            await process.DisposeAsync();
            if ((await NamesAsync(store)).Count(static name => name.EndsWith(Manifest, StringComparison.Ordinal)) == before)
                kills++;
            process = await LocalProcess.StartReadyAsync(folder.FullName, settings);
            var done = await Downloads.WaitAsync(async () => await GetAsync(http, new Uri(process.Address, exports[^1])));
            var files = await Downloads.ReadAsync(done);
            Assert.Equal(
                Enumerable.Range(0, Members).OrderBy(static i => MemberKey.Of(StoredPeople.Id(i)), StringComparer.Ordinal).Select(static i => StoredPeople.Row(i)), files.Rows);
        }

        await TestApp.WaitUntilAsync(() => Task.FromResult(reader.IsFaulted || reader.IsCompleted || Volatile.Read(ref seen) == exports.Count));
        await stop.CancelAsync();
        await reader;
        output.WriteLine($"{exports.Count} exports, {kills} killed in the middle, {seen} manifests with all they name");
        Assert.Equal(exports.Count, seen);
        // What nobody names was taken away before the manifest was written.
        Assert.Equal(exports.Count * Parts, (await NamesAsync(store)).Count(static name => name.Contains("/part-", StringComparison.Ordinal)));
        await process.DisposeAsync();
        folder.Delete(recursive: true);
    }

    private int seen;

    private static async Task SeedAsync(TableRowStore rows)
    {
        var definitions = new DefinitionStore(rows, TimeProvider.System);
        using (var json = JsonDocument.Parse("""{"id":"gold","where":{"trait":"plan","eq":"gold"}}"""))
            await definitions.PutSegmentAsync(json.RootElement.Clone(), static _ => { }, default);
        await StoredPeople.WriteAsync(
            rows, await definitions.LoadAsync(default), Enumerable.Range(0, Members).Select(static i => (StoredPeople.Id(i), StoredPeople.Identify(i, "gold"))), Instant.Now(TimeProvider.System));
    }

    /// <summary>Reads what each manifest names, at the moment it is there.</summary>
    private async Task ReadManifestsAsync(StorageBlobStore store, CancellationToken stop)
    {
        var read = new HashSet<string>(StringComparer.Ordinal);
        while (!stop.IsCancellationRequested)
        {
            var names = await NamesAsync(store);
            foreach (var manifest in names.Where(name => name.EndsWith(Manifest, StringComparison.Ordinal) && !read.Contains(name)))
            {
                var folder = manifest[..(manifest.LastIndexOf('/') + 1)];
                var files = new Dictionary<string, byte[]>(StringComparer.Ordinal) { [manifest] = await ContentAsync(store, manifest) };
                foreach (var part in JsonDocument.Parse(files[manifest]).RootElement.GetProperty("parts").EnumerateArray())
                    files[folder + part.GetProperty("name").GetString()] = await ContentAsync(store, folder + part.GetProperty("name").GetString());
                Assert.Equal(Members, ExportedFiles.Read(files, folder)!.Rows.Count);
                read.Add(manifest);
                Interlocked.Increment(ref seen);
            }

            await Task.Delay(20, CancellationToken.None);
        }
    }

    private static async Task<byte[]> ContentAsync(StorageBlobStore store, string name) => (await store.GetAsync(ContainerName.Exports, name, default))!.Value.ToArray();

    private static async Task<List<string>> NamesAsync(StorageBlobStore store) => await store.ListAsync(ContainerName.Exports, "gold/", default).ToListAsync();

    private static async Task<JsonElement> GetAsync(HttpClient http, Uri address)
    {
        using var answer = await http.GetAsync(address);
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
    }
}
