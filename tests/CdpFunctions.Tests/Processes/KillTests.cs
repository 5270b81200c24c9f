using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Azure.Storage.Queues;
using CdpFunctions.Tests.Azurite;
using CdpFunctions.Tests.Runtime;
using Xunit;
using Xunit.Abstractions;

namespace CdpFunctions.Tests.Processes;

/// <summary>The app as a real process that is killed again and again in the middle of its work.</summary>
public sealed class KillTests(ITestOutputHelper output)
{
    private const int Connections = 6;
    private const int RequestsPerConnection = 40;
    private const int EventsPerRequest = 6;
    private const int People = 25;
    private const int Kills = 5;

    [Fact]
    public async Task KilledSeveralTimes_EachAcknowledgedEventIsOnOneTimelineOnce()
    {
        var folder = Directory.CreateTempSubdirectory("cdp-kill-");
        var storage = await AzuriteFixture.NewAccountAsync();
        var settings = new Dictionary<string, string>
        {
            ["AzureWebJobsStorage"] = storage,
            // A killed process's messages come back after this; fewer kills than maxDequeueCount, so nothing may be poisoned.
            ["Local__MessageLease"] = "00:00:02",
        };
        var app = new RunningApp(await LocalProcess.StartReadyAsync(folder.FullName, settings));
        var acknowledged = 0;
        var resent = 0;
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(20) };
        var senders = Enumerable.Range(0, Connections).Select(connection => Task.Run(async () =>
        {
            for (var request = 0; request < RequestsPerConnection; request++)
            {
                var body = Batch(connection, request);
                while (!await TrySendAsync(http, app.Address, body))
                    Interlocked.Increment(ref resent);
                Interlocked.Increment(ref acknowledged);
            }
        })).ToArray();

        const int Total = Connections * RequestsPerConnection;
        for (var kill = 1; kill <= Kills; kill++)
        {
            var at = kill * Total / (Kills + 1);
            await Until(() => Task.FromResult(Volatile.Read(ref acknowledged) >= at));
            await app.Process.KillAsync();
            await app.Process.DisposeAsync();
            app.Process = await LocalProcess.StartReadyAsync(folder.FullName, settings);
        }

        await Task.WhenAll(senders);
        var queues = new QueueServiceClient(storage, new QueueClientOptions { MessageEncoding = QueueMessageEncoding.None });
        await Until(async () => await CountAsync(queues, "events") + await CountAsync(queues, "merges") == 0);
        // The last message is deleted after its events are committed, so all of them can be read now.
        var found = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        var profiles = new HashSet<string>(StringComparer.Ordinal);
        for (var person = 0; person < People; person++)
        {
            var profile = await ReadAsync(http, app.Address, $"v1/profiles/user_id:user-{person}");
            profiles.Add(profile.GetProperty("id").GetString()!);
            var onTimeline = 0;
            for (var path = $"v1/profiles/user_id:user-{person}/events?limit=1000"; ;)
            {
                var page = await ReadAsync(http, app.Address, path);
                foreach (var e in page.GetProperty("data").EnumerateArray())
                {
                    onTimeline++;
                    Assert.Equal($"user-{person}", e.GetProperty("userId").GetString());
                    found.AddOrUpdate(e.GetProperty("messageId").GetString()!, 1, (_, times) => times + 1);
                }

                if (!page.TryGetProperty("next", out var next))
                    break;
                path = $"v1/profiles/user_id:user-{person}/events?limit=1000&cursor={next.GetString()}";
            }

            Assert.Equal(onTimeline, profile.GetProperty("counts").GetProperty("events").GetInt32());
        }

        output.WriteLine($"{Total} requests acknowledged, {resent} sent again, {Kills} kills, {found.Count} events on {profiles.Count} timelines");
        Assert.Equal(People, profiles.Count);
        Assert.All(found, message => Assert.Equal(1, message.Value));
        Assert.Equal(
            from connection in Enumerable.Range(0, Connections)
            from request in Enumerable.Range(0, RequestsPerConnection)
            from e in Enumerable.Range(0, EventsPerRequest)
            select MessageId(connection, request, e) into id
            orderby id
            select id,
            found.Keys.Order());
        Assert.Equal(0, await CountAsync(queues, "events-poison") + await CountAsync(queues, "merges-poison"));
        await app.Process.DisposeAsync();
        folder.Delete(recursive: true);
    }

    private static string Batch(int connection, int request)
    {
        var events = Enumerable.Range(0, EventsPerRequest).Select(e =>
        {
            var person = ((connection * 7) + (request * 3) + e) % People;
            var anonymous = $"device-{person}-{e % 3}";
            return e == 0
                ? $$$"""{"type":"identify","messageId":"{{{MessageId(connection, request, e)}}}","userId":"user-{{{person}}}","anonymousId":"{{{anonymous}}}","traits":{"round":{{{request}}}}}"""
                : $$$"""{"type":"track","event":"Viewed","messageId":"{{{MessageId(connection, request, e)}}}","userId":"user-{{{person}}}","anonymousId":"{{{anonymous}}}","properties":{"n":{{{e}}}}}""";
        });
        return $$"""{"batch":[{{string.Join(',', events)}}]}""";
    }

    private static string MessageId(int connection, int request, int e) => $"c{connection}-r{request:D3}-e{e}";

    private static async Task<bool> TrySendAsync(HttpClient http, Uri address, string body)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, "v1/batch"))
            {
                Content = new StringContent(body, Encoding.UTF8, "application/json"),
                Headers = { Authorization = TestApp.Basic(TestApp.WriteKey) },
            };
            using var response = await http.SendAsync(request);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            // The process is down, or was killed while it worked on the request. Give the next one a moment to come up.
            await Task.Delay(50);
            return false;
        }
    }

    private static async Task<JsonElement> ReadAsync(HttpClient http, Uri address, string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", TestApp.ApiKey);
        using var response = await http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path}: {(int)response.StatusCode} {text}");
        return JsonDocument.Parse(text).RootElement;
    }

    private static async Task<int> CountAsync(QueueServiceClient queues, string name)
    {
        var properties = await queues.GetQueueClient(name).GetPropertiesAsync();
        return properties.Value.ApproximateMessagesCount;
    }

    private static async Task Until(Func<Task<bool>> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        while (!await condition())
            await Task.Delay(20, patience.Token);
    }

    private sealed class RunningApp(LocalProcess process)
    {
        private volatile LocalProcess process = process;

        public LocalProcess Process { get => process; set => process = value; }

        public Uri Address => process.Address;
    }
}
