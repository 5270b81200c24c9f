using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Cdp.Profiles;
using Cdp.Segments;
using Cdp.Segments.Backfill;
using Cdp.Storage;
using CdpFunctions.Local.Emulator;
using CdpFunctions.Storage;
using Microsoft.Extensions.Configuration;

namespace Cdp.Benchmarks;

/// <summary>
/// From the collector's 200 to the moment the profile shows the membership that the event has changed, at 100 events a second over 2,000 people, on a fresh Azurite, the
/// app a process of its own. Target: p99 under 2 s. Beside it how many commits a second the app and Azurite reach at all.
/// </summary>
internal static class RealtimeBenchmark
{
    private const int PerSecond = 100;
    private const int People = 2_000;
    private const int Seconds = 60;

    // Every reading costs the app and Azurite what it costs anybody: every fourth event is watched.
    private const int WatchedOf = 4;
    private const int WarmUps = 20;
    private const int Flood = 3_000;
    private const int FloodConnections = 32;
    private const int BareCommits = 6_000;
    private const int BareParallel = 24;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private static readonly int[] Buckets = [25, 50, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, int.MaxValue];

    public static async Task RunAsync()
    {
        await using var azurite = await Emulator.StartAsync();
        await using var app = await ChildProcess.StartAppAsync(azurite.ExtraConnectionString(0));
        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = 256, UseProxy = false };
        using var http = new HttpClient(handler) { BaseAddress = app.Address };
        await DefineAsync(http, "gold", """{"where":{"trait":"plan","eq":"gold"}}""");
        foreach (var template in SegmentResources.Templates)
            await DefineAsync(http, template.Definition.Id, Encoding.UTF8.GetString(template.Json.Span));

        await AwaitBackfillAsync(http);
        Console.WriteLine($"{PerSecond} events/s over {People:N0} people for {Seconds} s, nine segments; one event in {WatchedOf} watched, at first every {Poll.TotalMilliseconds:F0} ms; load average {LoadAverage()}");
        // The first calls compile the code; what comes later is what anybody sees.
        for (var i = 0; i < WarmUps; i++)
            await SendAndWatchAsync(http, $"warm-up-{i}", "gold");
        var (shown, answered) = await SteadyAsync(http);
        Print("answer to readable membership", shown);
        Print("request to answer", answered);
        Console.WriteLine($"load average {LoadAverage()}; target: p99 of the membership under 2,000 ms");

        Console.WriteLine($"Azurite alone: {await BareAsync(azurite):N0} commits/s of four rows ({BareParallel} at once)");
        Console.WriteLine(
            $"the app at most: {await FloodAsync(http):N0} events/s that change a membership each, from HTTP to commit ({Flood:N0} events, {FloodConnections} connections); load average {LoadAverage()}");
    }

    private static async Task<(List<double> Shown, List<double> Answered)> SteadyAsync(HttpClient http)
    {
        var (shown, answered) = (new List<double>(), new List<double>());
        var running = new List<Task>(PerSecond * Seconds);
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < PerSecond * Seconds; i++)
        {
            // Sent when it is time, whether or not those before were answered.
            var wait = TimeSpan.FromSeconds((double)i / PerSecond) - clock.Elapsed;
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait);
            running.Add(OneAsync(i));
        }

        await Task.WhenAll(running);
        return (shown, answered);

        async Task OneAsync(int i)
        {
            var (user, plan) = ($"u{i % People}", PlanOf(i));
            var sent = Stopwatch.GetTimestamp();
            await SendAsync(http, $"m{i}", user, plan);
            var took = Stopwatch.GetElapsedTime(sent);
            var visible = i % WatchedOf == 0 ? await WatchAsync(http, user, plan) : (TimeSpan?)null;
            lock (answered)
            {
                answered.Add(took.TotalMilliseconds);
                if (visible is { } after)
                    shown.Add(after.TotalMilliseconds);
            }
        }
    }

    // Each round over the people changes the membership of every one.
    private static string PlanOf(int i) => i / People % 2 == 0 ? "gold" : "free";

    private static async Task<double> FloodAsync(HttpClient http)
    {
        var next = -1;
        var last = new List<Task>();
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, FloodConnections).Select(_ => Task.Run(async () =>
        {
            for (var i = Interlocked.Increment(ref next); i < Flood; i = Interlocked.Increment(ref next))
            {
                await SendAsync(http, $"f{i}", $"u{i % People}", i / People % 2 == 0 ? "free" : "silver");
                // The queue is roughly in order: when the last ones are there, all are.
                if (i < Flood - (2 * FloodConnections))
                    continue;
                lock (last)
                    last.Add(WatchAsync(http, $"u{i % People}", i / People % 2 == 0 ? "free" : "silver"));
            }
        })));
        await Task.WhenAll(last);
        return Flood / clock.Elapsed.TotalSeconds;
    }

    private static async Task<double> BareAsync(AzuriteProcess azurite)
    {
        var clients = StorageClients.Create(new ConfigurationBuilder().AddInMemoryCollection([new(StorageClients.Setting, azurite.ExtraConnectionString(1))]).Build());
        await StorageSetup.CreateAllAsync(clients, CancellationToken.None);
        var rows = new TableRowStore(clients.Tables);
        var (document, e) = (new byte[700], new byte[500]);
        Random.Shared.NextBytes(document);
        Random.Shared.NextBytes(e);
        var clock = Stopwatch.StartNew();
        await Parallel.ForAsync(0, BareCommits, new ParallelOptions { MaxDegreeOfParallelism = BareParallel }, async (i, cancellation) =>
            await rows.CommitAsync(
                TableName.Profiles, ProfileId.ShardName(i % ProfileId.Shards),
                [RowWrite.Insert($"p|{i}", document), RowWrite.Insert($"e|{i}", e), RowWrite.Insert($"m|{i}", new byte[16]), RowWrite.Upsert($"s|{i}", default)],
                cancellation));
        return BareCommits / clock.Elapsed.TotalSeconds;
    }

    private static async Task SendAndWatchAsync(HttpClient http, string user, string plan)
    {
        await SendAsync(http, user, user, plan);
        await WatchAsync(http, user, plan);
    }

    private static async Task SendAsync(HttpClient http, string messageId, string user, string plan)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/identify")
        {
            Content = new StringContent(
                $$$"""{"messageId":"{{{messageId}}}","userId":"{{{user}}}","traits":{"plan":"{{{plan}}}","firstName":"Ann"},"context":{"library":{"name":"analytics.js"},"userAgent":"Mozilla/5.0"}}""",
                Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = Load.WriteKey;
        using var answer = await http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>How long it takes until the profile has the trait, and is in the segment or not as the trait says.</summary>
    private static async Task<TimeSpan> WatchAsync(HttpClient http, string user, string plan)
    {
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < Patience)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"v1/profiles/user_id:{user}");
            request.Headers.Authorization = new("Bearer", "local-api-key");
            using var answer = await http.SendAsync(request);
            if (answer.StatusCode != HttpStatusCode.NotFound)
            {
                answer.EnsureSuccessStatusCode();
                using var profile = await JsonDocument.ParseAsync(await answer.Content.ReadAsStreamAsync());
                var isMember = profile.RootElement.GetProperty("segments").EnumerateArray().Any(s => s.GetProperty("id").ValueEquals("gold"));
                if (profile.RootElement.GetProperty("traits").TryGetProperty("plan", out var has) && has.ValueEquals(plan))
                    return isMember == (plan == "gold") ? clock.Elapsed : throw new InvalidOperationException($"{user} has plan {plan}, and the segment does not follow.");
            }

            // An eighth more or less: asked at the same pace however long it takes, those that wait would be the load that they wait for.
            await Task.Delay(clock.Elapsed / 8 > Poll ? clock.Elapsed / 8 : Poll);
        }

        throw new TimeoutException($"{user} never had plan {plan}.");
    }

    private static async Task DefineAsync(HttpClient http, string id, string json)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, "v1/segments/" + id) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new("Bearer", "local-api-key");
        using var answer = await http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>The definitions are in force, so that the first minute is like any other: over nothing that takes a moment.</summary>
    private static async Task AwaitBackfillAsync(HttpClient http)
    {
        await Task.Delay(SegmentBackfill.Settle + TimeSpan.FromSeconds(1));
        using (await http.PostAsync("admin/functions/RecomputeSegments", new StringContent("{}", Encoding.UTF8, "application/json")))
        {
        }

        while (true)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "v1/segments/gold");
            request.Headers.Authorization = new("Bearer", "local-api-key");
            using var answer = await http.SendAsync(request);
            using var segment = await JsonDocument.ParseAsync(await answer.Content.ReadAsStreamAsync());
            if (segment.RootElement.GetProperty("state").ValueEquals("live"))
                return;
            await Task.Delay(TimeSpan.FromSeconds(1));
        }
    }

    private static void Print(string title, List<double> values)
    {
        values.Sort();
        double At(double share) => values[Math.Min(values.Count - 1, (int)(values.Count * share))];
        Console.WriteLine($"{title}: p50 {At(0.5):N0} ms, p90 {At(0.9):N0} ms, p99 {At(0.99):N0} ms, max {values[^1]:N0} ms ({values.Count:N0} measured)");
        var from = 0;
        foreach (var to in Buckets)
        {
            var count = values.Count(v => v >= from && v < to);
            if (count > 0)
                Console.WriteLine($"  {(to == int.MaxValue ? $"{from,5} ms and more" : $"{from,5} to {to,5} ms"),-18} {count,6} {new string('#', (int)Math.Ceiling(50.0 * count / values.Count))}");
            from = to;
        }
    }

    private static string LoadAverage() => File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : "unknown";
}
