using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Azure.Storage.Queues;
using CdpFunctions.Tests.Azurite;
using CdpFunctions.Tests.Runtime;
using Xunit;
using Xunit.Abstractions;

namespace CdpFunctions.Tests.Processes;

/// <summary>The app as a real process that is killed while it imports a file.</summary>
public sealed class ImportKillTests(ITestOutputHelper output)
{
    // Long rows, so that these are a dozen chunks.
    private const int Rows = 1_500;
    private const int People = 20;

    [Fact]
    public async Task KilledInTheMiddle_EveryRowIsOnOneTimelineOnce_AndTheReportIsExact()
    {
        var folder = Directory.CreateTempSubdirectory("cdp-import-kill-");
        var storage = await AzuriteFixture.NewAccountAsync();
        var settings = new Dictionary<string, string> { ["AzureWebJobsStorage"] = storage, ["Local__MessageLease"] = "00:00:02" };
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(20) };
        var app = await LocalProcess.StartReadyAsync(folder.FullName, settings);
        var import = await CallAsync(http, app, HttpMethod.Post, "v1/imports", """{"sourceId":"local","format":"csv"}""");
        var path = "v1/imports/" + import.GetProperty("id").GetString();
        using var content = new ByteArrayContent(File());
        content.Headers.Add("x-ms-blob-type", "BlockBlob");
        (await http.PutAsync(new Uri(import.GetProperty("upload").GetProperty("url").GetString()!), content)).EnsureSuccessStatusCode();
        await CallAsync(http, app, HttpMethod.Post, path + "/start");
        var seen = new List<string>();
        for (var kill = 0; kill < 3; kill++)
        {
            // At once, after a checkpoint or two, and after several.
            var least = kill * kill * 150;
            await UntilAsync(async () => (await CallAsync(http, app, HttpMethod.Get, path)).GetProperty("rows").GetInt32() >= least);
            seen.Add((await CallAsync(http, app, HttpMethod.Get, path)).GetProperty("rows").ToString());
            await app.KillAsync();
            await app.DisposeAsync();
            app = await LocalProcess.StartReadyAsync(folder.FullName, settings);
        }

        await UntilAsync(async () => (await CallAsync(http, app, HttpMethod.Get, path)).GetProperty("state").GetString() == "done");
        var done = await CallAsync(http, app, HttpMethod.Get, path);
        var bad = Enumerable.Range(0, Rows).Where(IsBad).ToList();
        Assert.Equal(
            (Rows, Rows - bad.Count, bad.Count),
            (done.GetProperty("rows").GetInt32(), done.GetProperty("accepted").GetInt32(), done.GetProperty("rejected").GetInt32()));
        var report = await http.GetStringAsync(new Uri(done.GetProperty("report").GetProperty("url").GetString()!));
        Assert.Equal(bad.Select(static row => $"{row + 2}"), report.Split("\r\n", StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(static line => line.Split(',')[0]));

        var queue = new QueueServiceClient(storage, new QueueClientOptions { MessageEncoding = QueueMessageEncoding.None }).GetQueueClient("events");
        await UntilAsync(async () => (await queue.GetPropertiesAsync()).Value.ApproximateMessagesCount == 0);
        for (var person = 0; person < People; person++)
        {
            var profile = await CallAsync(http, app, HttpMethod.Get, $"v1/profiles/user_id:person-{person}");
            var expected = Enumerable.Range(0, Rows).Count(row => row % People == person && !IsBad(row));
            Assert.Equal(expected, profile.GetProperty("counts").GetProperty("events").GetInt32());
        }

        output.WriteLine($"killed after {string.Join(" and ", seen)} of {Rows} rows");
        await app.DisposeAsync();
        folder.Delete(recursive: true);
    }

    private static bool IsBad(int row) => row % 101 == 50;

    private static byte[] File()
    {
        var text = new StringBuilder("event,userId,properties.n:number,properties.note\n");
        var note = new string('x', 8000);
        for (var row = 0; row < Rows; row++)
            text.Append($"Ordered,person-{row % People},{(IsBad(row) ? "none" : row)},{note}\n");
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static async Task<JsonElement> CallAsync(HttpClient http, LocalProcess app, HttpMethod method, string path, string? json = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(app.Address, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", TestApp.ApiKey);
        if (json is not null)
            request.Content = new StringContent(json);
        using var response = await http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path}: {(int)response.StatusCode} {text}");
        return JsonDocument.Parse(text).RootElement;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        while (!await condition())
            await Task.Delay(20, patience.Token);
    }
}
