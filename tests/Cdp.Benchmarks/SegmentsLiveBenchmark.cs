using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Segments;
using Cdp.Segments.Definitions;
using Cdp.Storage;
using CdpFunctions.Local.Emulator;
using CdpFunctions.Storage;
using Microsoft.Extensions.Configuration;

namespace Cdp.Benchmarks;

/// <summary>
/// What segments cost the commit: ingest without definitions, with the templates, with a hundred definitions, on a fresh Azurite each; and a backfill over
/// 5,000 profiles with 50,000 events against a plain scan of the same rows (target: at least 0.5 of its speed).
/// </summary>
internal static class SegmentsLiveBenchmark
{
    private const int Events = 8_000;
    private const int Hundred = 100;
    private const int Profiles = 5_000;
    private const int Batches = 500;

    public static async Task RunAsync()
    {
        for (var round = 1; round <= 2; round++)
        {
            await IngestAsync("no definitions", []);
            await IngestAsync("the eight templates", [.. SegmentResources.Templates.Select(t => (t.Definition.Id, Encoding.UTF8.GetString(t.Json.Span)))]);
            await IngestAsync("a hundred definitions", [.. Enumerable.Range(0, Hundred).Select(i => ($"s{i}", Definition(i)))]);
        }

        await BackfillAsync();
    }

    // Two of them match the load's events.
    private static string Definition(int i) =>
        $$$"""{"where":{"event":"{{{(i < 2 ? "Product Viewed" : $"Event {i}")}}}","where":{"properties.category":{"eq":"outdoor"}},"count":{"gte":{{{i + 3}}}},"within":"90d"}}""";

    private static async Task IngestAsync(string title, IReadOnlyList<(string Id, string Json)> definitions)
    {
        await using var azurite = await Emulator.StartAsync();
        await using var app = await AppInProcess.StartAsync(azurite.ExtraConnectionString(0));
        foreach (var (id, json) in definitions)
            await PutAsync(app.Address, id, json);
        await Load.SendAsync(app.Address, "v1/track", [Load.Track("warm-up", 1)], 1);
        await app.WaitForAsync(1);
        app.Rows.Transactions.Clear();
        var clock = Stopwatch.StartNew();
        var before = Environment.CpuUsage.TotalTime;
        await Load.SendAsync(app.Address, "v1/track", IngestBenchmark.Singles(Events), 32);
        await app.WaitForAsync(Events + 1);
        var seconds = clock.Elapsed.TotalSeconds;
        var cpu = (Environment.CpuUsage.TotalTime - before).TotalMicroseconds / Events;
        var commits = app.Rows.Transactions.Where(t => t.Table == TableName.Profiles).ToList();
        var bytes = commits.Average(t => t.Writes.Sum(w => (double)w.Data.Length));
        var rows = commits.Average(t => (double)t.Writes.Length);
        Console.WriteLine($"{title}: {Events / seconds:N0} events/s, {cpu:N0} us of CPU an event with its load, {commits.Count} commits of {rows:F2} rows and {bytes:N0} bytes");
    }

    private static async Task BackfillAsync()
    {
        await using var azurite = await Emulator.StartAsync();
        await using var app = await AppInProcess.StartAsync(azurite.ExtraConnectionString(0));
        await Load.SendAsync(
            app.Address, "v1/batch",
            [.. Enumerable.Range(0, Batches).Select(b => Load.Batch(Enumerable.Range(0, 100).Select(i => Load.Track($"b{b}-{i}", (b * 10) + (i % 10)))))], 8);
        await app.WaitForAsync(Profiles * 10);
        var rows = app.Rows;
        await PutAsync(app.Address, "viewers", """{"where":{"event":"Product Viewed","count":{"gte":3},"within":"365d"}}""");
        await Task.Delay(Cdp.Segments.Backfill.SegmentBackfill.Settle + TimeSpan.FromSeconds(1));

        async Task<TimeSpan> ScanAsync()
        {
            var scan = Stopwatch.StartNew();
            var (documents, events) = (0, 0);
            await Parallel.ForAsync(0, ProfileId.Shards, new ParallelOptions { MaxDegreeOfParallelism = Cdp.Segments.Backfill.BackfillProgress.Lanes }, async (shard, token) =>
            {
                foreach (var (from, to) in new[] { ("p|", "p}"), ("e|", "e}") })
                {
                    await foreach (var row in rows.RangeAsync(TableName.Profiles, ProfileId.ShardName(shard), from, to, 1000, token))
                    {
                        if (row.Key[0] == 'p')
                            Interlocked.Increment(ref documents);
                        else
                            Interlocked.Increment(ref events);
                    }
                }
            });
            Console.WriteLine($"plain scan of {documents:N0} documents and {events:N0} events: {scan.Elapsed.TotalSeconds:F1} s");
            return scan.Elapsed;
        }

        var before = await ScanAsync();
        using var http = new HttpClient { BaseAddress = app.Address };
        http.DefaultRequestHeaders.Authorization = new("Bearer", "local-api-key");
        var clock = Stopwatch.StartNew();
        using (await http.PostAsync("/admin/functions/RecomputeSegments", new StringContent("{}", Encoding.UTF8, "application/json")))
        {
            var store = new Cdp.Segments.Backfill.BackfillProgress(rows, TimeProvider.System);
            var definitions = await new DefinitionStore(rows, TimeProvider.System).LoadAsync(CancellationToken.None);
            while (!(await store.OfAsync(definitions.ById["viewers"], definitions, CancellationToken.None)).IsLive)
                await Task.Delay(500);
        }

        var backfill = clock.Elapsed;
        var after = await ScanAsync();
        Console.WriteLine($"backfill: {backfill.TotalSeconds:F1} s; {(before + after) / 2 / backfill:F2} of the scan's speed (target: at least 0.5)");
        Console.WriteLine(JsonDocument.Parse(await http.GetStringAsync("/v1/segments/viewers")).RootElement.GetProperty("members").GetRawText());
    }

    private static async Task PutAsync(Uri address, string id, string json)
    {
        using var http = new HttpClient { BaseAddress = address };
        http.DefaultRequestHeaders.Authorization = new("Bearer", "local-api-key");
        using var answer = await http.PutAsync("/v1/segments/" + id, new StringContent(json, Encoding.UTF8, "application/json"));
        answer.EnsureSuccessStatusCode();
    }
}
