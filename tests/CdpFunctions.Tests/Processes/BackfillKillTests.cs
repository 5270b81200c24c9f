using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Azure.Storage.Queues;
using Cdp.Profiles;
using Cdp.Segments.Backfill;
using CdpFunctions.Storage;
using CdpFunctions.Tests.Azurite;
using CdpFunctions.Tests.Runtime;
using Microsoft.Extensions.Configuration;
using Xunit;
using Xunit.Abstractions;

namespace CdpFunctions.Tests.Processes;

/// <summary>The app as a real process that is killed again and again in the middle of a backfill.</summary>
public sealed class BackfillKillTests(ITestOutputHelper output)
{
    private const int People = 2_000;
    private const int Kills = 3;

    [Fact]
    public async Task KilledInTheMiddleOfABackfill_ItFinishes_WithTheMembersOfOneThatWasNot()
    {
        var folder = Directory.CreateTempSubdirectory("cdp-kill-");
        var storage = await AzuriteFixture.NewAccountAsync();
        var settings = new Dictionary<string, string>
        {
            ["AzureWebJobsStorage"] = storage,
            // A killed process's messages come back after this.
            ["Local__MessageLease"] = "00:00:02",
        };
        var app = await LocalProcess.StartReadyAsync(folder.FullName, settings);
        using var http = new HttpClient { Timeout = TimeSpan.FromMinutes(2) };
        for (var first = 0; first < People; first += 100)
        {
            // Person i has i % 4 orders.
            var events = Enumerable.Range(first, 100).SelectMany(static i => Enumerable.Range(0, i % 4)
                .Select(o => $$"""{"type":"track","event":"Order Completed","messageId":"o{{i}}-{{o}}","userId":"u{{i}}"}""")
                .Append($$"""{"type":"page","messageId":"p{{i}}","userId":"u{{i}}"}"""));
            await SendAsync(http, HttpMethod.Post, new Uri(app.Address, "v1/batch"), $$"""{"batch":[{{string.Join(',', events)}}]}""", TestApp.Basic(TestApp.WriteKey));
        }

        var queues = new QueueServiceClient(storage, new QueueClientOptions { MessageEncoding = QueueMessageEncoding.None });
        await Until(async () => await CountAsync(queues, "events") + await CountAsync(queues, "merges") == 0);
        var key = new AuthenticationHeaderValue("Bearer", TestApp.ApiKey);
        const string Where = """{"event":"Order Completed","count":{"gte":2}}""";
        await SendAsync(http, HttpMethod.Put, new Uri(app.Address, "v1/segments/buyers"), $$"""{"where":{{Where}}}""", key);

        var clients = StorageClients.Create(new ConfigurationBuilder().AddInMemoryCollection([new(StorageClients.Setting, storage)]).Build());
        var progress = new BackfillProgress(new TableRowStore(clients.Tables), TimeProvider.System);
        async Task<int> DoneAsync() => (await progress.ReadAsync(CancellationToken.None)).Count(static shard => shard.Progress is { IsWhole: true });

        // As the timer does every minute; its messages wait until the backfill may begin.
        await SendAsync(http, HttpMethod.Post, new Uri(app.Address, "admin/functions/RecomputeSegments"), "{}", null);
        var killedAt = new List<int>();
        for (var kill = 1; kill <= Kills; kill++)
        {
            await Until(async () => await DoneAsync() > (kill - 1) * ProfileId.Shards / 6);
            await app.KillAsync();
            await app.DisposeAsync();
            killedAt.Add(await DoneAsync());
            app = await LocalProcess.StartReadyAsync(folder.FullName, settings);
        }

        // On a busy machine the later ones may come when all is done.
        Assert.InRange(killedAt[0], 1, ProfileId.Shards - 1);
        await Until(async () => await DoneAsync() == ProfileId.Shards);
        var segment = await SendAsync(http, HttpMethod.Get, new Uri(app.Address, "v1/segments/buyers"), null, key);
        Assert.Equal(("live", People / 2), (segment.GetProperty("state").GetString(), segment.GetProperty("members").GetProperty("count").GetInt32()));
        var members = new List<string>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = await SendAsync(http, HttpMethod.Get, new Uri(app.Address, "v1/segments/buyers/members?limit=200" + (cursor.Length == 0 ? "" : "&cursor=" + cursor)), null, key);
            members.AddRange(page.GetProperty("data").EnumerateArray().Select(static m => m.GetProperty("identifiers").GetProperty("user_id")[0].GetString()!));
            cursor = page.TryGetProperty("next", out var next) ? next.GetString() : null;
        }

        Assert.Equal(Enumerable.Range(0, People).Where(static i => i % 4 >= 2).Select(static i => $"u{i}").Order(StringComparer.Ordinal), members.Order(StringComparer.Ordinal));
        // What the timelines alone say, which no kill has touched.
        var preview = await SendAsync(http, HttpMethod.Post, new Uri(app.Address, "v1/segments/preview"), $$"""{"where":{{Where}}}""", key);
        Assert.Equal((People / 2, People), (preview.GetProperty("size").GetInt32(), preview.GetProperty("scanned").GetInt32()));
        Assert.Equal(0, await CountAsync(queues, "segments-poison"));
        output.WriteLine($"killed when {string.Join(", ", killedAt)} of {ProfileId.Shards} shards were done");
        await app.DisposeAsync();
        folder.Delete(recursive: true);
    }

    private static async Task<JsonElement> SendAsync(HttpClient http, HttpMethod method, Uri address, string? json, AuthenticationHeaderValue? authorization)
    {
        using var request = new HttpRequestMessage(method, address);
        request.Headers.Authorization = authorization;
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{address}: {(int)response.StatusCode} {text}");
        return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement;
    }

    private static async Task<int> CountAsync(QueueServiceClient queues, string name) => (await queues.GetQueueClient(name).GetPropertiesAsync()).Value.ApproximateMessagesCount;

    private static async Task Until(Func<Task<bool>> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        while (!await condition())
            await Task.Delay(20, patience.Token);
    }
}
