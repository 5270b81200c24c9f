using System.Diagnostics;
using System.Text;
using Cdp.Segments;
using Cdp.Storage;

namespace Cdp.Benchmarks;

/// <summary>
/// What segments cost the commit: ingest without definitions, with the templates, with a hundred definitions, on a fresh Azurite each.
/// </summary>
internal static class SegmentsLiveBenchmark
{
    private const int Events = 8_000;
    private const int Hundred = 100;

    public static async Task RunAsync()
    {
        for (var round = 1; round <= 2; round++)
        {
            await IngestAsync("no definitions", []);
            await IngestAsync("the eight templates", [.. SegmentResources.Templates.Select(t => (t.Definition.Id, Encoding.UTF8.GetString(t.Json.Span)))]);
            await IngestAsync("a hundred definitions", [.. Enumerable.Range(0, Hundred).Select(i => ($"s{i}", Definition(i)))]);
        }
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

    private static async Task PutAsync(Uri address, string id, string json)
    {
        using var http = new HttpClient { BaseAddress = address };
        http.DefaultRequestHeaders.Authorization = new("Bearer", "local-api-key");
        using var answer = await http.PutAsync("/v1/segments/" + id, new StringContent(json, Encoding.UTF8, "application/json"));
        answer.EnsureSuccessStatusCode();
    }
}
