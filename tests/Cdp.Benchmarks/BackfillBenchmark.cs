using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Cdp.Identity;
using Cdp.Processing;
using Cdp.Profiles;
using Cdp.Segments;
using Cdp.Segments.Backfill;
using Cdp.Segments.Definitions;
using Cdp.Storage;

namespace Cdp.Benchmarks;

/// <summary>
/// A backfill over 5,000 profiles with 50,000 events against a plain scan of the same rows by as many lanes, in turns on one Azurite (target: at least 0.5 of its
/// speed). The lanes are run as the queue's function runs them; then once more through timer and queue.
/// </summary>
internal static class BackfillBenchmark
{
    private const int Profiles = 5_000;
    private const int Batches = 500;
    private const int Rounds = 7;

    public static async Task RunAsync()
    {
        await using var azurite = await Emulator.StartAsync();
        await using var app = await AppInProcess.StartAsync(azurite.ExtraConnectionString(0));
        await Load.SendAsync(
            app.Address, "v1/batch",
            [.. Enumerable.Range(0, Batches).Select(b => Load.Batch(Enumerable.Range(0, 100).Select(i => Load.Track($"b{b}-{i}", (b * 10) + (i % 10)))))], 8);
        await app.WaitForAsync(Profiles * 10);
        var rows = app.Rows;
        var ratios = new List<double>();
        var before = await ScanAsync(rows);
        for (var round = 0; round < Rounds; round++)
        {
            rows.Transactions.Clear();
            var members = await BackfillAsync(rows, round + 1);
            var after = await ScanAsync(rows);
            ratios.Add((before.Time + after.Time) / 2 / members.Time);
            Console.WriteLine(
                $"scan {before.Time.TotalSeconds:F2} s and {after.Time.TotalSeconds:F2} s of {after.Documents:N0} documents and {after.Events:N0} events; backfill {members.Time.TotalSeconds:F2} s, " +
                $"{rows.Transactions.Count:N0} transactions, {members.Count:N0} members; {ratios[^1]:F2}");
            before = after;
        }

        ratios.Sort();
        Console.WriteLine($"backfill: median {ratios[Rounds / 2]:F2} of the scan's speed, from {ratios[0]:F2} to {ratios[^1]:F2} (target: at least 0.5)");
        await ThroughTheQueueAsync(app, before.Time);
    }

    private static async Task<(TimeSpan Time, int Documents, int Events)> ScanAsync(IRowStore rows)
    {
        var scan = Stopwatch.StartNew();
        var (documents, events) = (0, 0);
        await Parallel.ForAsync(0, ProfileId.Shards, new ParallelOptions { MaxDegreeOfParallelism = BackfillProgress.Lanes }, async (shard, token) =>
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
        return (scan.Elapsed, documents, events);
    }

    /// <summary>A new segment each time, of which everybody is a member: every profile is folded from its timeline, and written with an index row.</summary>
    private static async Task<(TimeSpan Time, long Count)> BackfillAsync(IRowStore rows, int round)
    {
        // A little ahead, so that nothing has to be waited for before it begins.
        var time = new Ahead(SegmentBackfill.Settle + TimeSpan.FromSeconds(1));
        using var json = JsonDocument.Parse(Definition(round));
        await new DefinitionStore(rows, TimeProvider.System).PutSegmentAsync(json.RootElement.Clone(), _ => { }, CancellationToken.None);
        var (profiles, definitions, progress) = (new ProfileStore(rows), new DefinitionsRegistry(new DefinitionStore(rows, time), time), new BackfillProgress(rows, time));
        var outbox = new Outbox(rows, new NobodyIsTold(), time);
        var backfill = new SegmentBackfill(rows, profiles, definitions, progress, new SegmentUpdater(rows, profiles, definitions, outbox, time), outbox, time);
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, BackfillProgress.Lanes).Select(lane => Task.Run(
            () => backfill.RunAsync(lane, null, new Deadline(time, TimeSpan.FromMinutes(10)), CancellationToken.None))));
        var taken = clock.Elapsed;
        return (taken, await new Cdp.Segments.Reading.SegmentMembers(rows, profiles).CountAsync($"viewers-{round}", CancellationToken.None));
    }

    private static async Task ThroughTheQueueAsync(AppInProcess app, TimeSpan before)
    {
        using var http = new HttpClient { BaseAddress = app.Address };
        http.DefaultRequestHeaders.Authorization = Load.ApiKey;
        using (var put = await http.PutAsync($"/v1/segments/viewers-{Rounds + 1}", new StringContent(Definition(Rounds + 1), Encoding.UTF8, "application/json")))
            put.EnsureSuccessStatusCode();
        await Task.Delay(SegmentBackfill.Settle + TimeSpan.FromSeconds(1));
        var clock = Stopwatch.StartNew();
        using (await http.PostAsync("/admin/functions/RecomputeSegments", new StringContent("{}", Encoding.UTF8, "application/json")))
        {
            var store = new BackfillProgress(app.Rows, TimeProvider.System);
            var definitions = await new DefinitionStore(app.Rows, TimeProvider.System).LoadAsync(CancellationToken.None);
            while (!(await store.OfAsync(definitions.ById[$"viewers-{Rounds + 1}"], definitions, CancellationToken.None)).IsLive)
                await Task.Delay(500);
        }

        var taken = clock.Elapsed;
        var after = await ScanAsync(app.Rows);
        Console.WriteLine(
            $"scan {before.TotalSeconds:F2} s and {after.Time.TotalSeconds:F2} s; through timer and queue {taken.TotalSeconds:F2} s: {(before + after.Time) / 2 / taken:F2} of the scan's speed");
    }

    private static string Definition(int round) => $$$"""{"id":"viewers-{{{round}}}","where":{"event":"Product Viewed","count":{"gte":{{{round}}}},"within":"365d"}}""";

    private sealed class Ahead(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
    }

    /// <summary>A backfill is silent.</summary>
    private sealed class NobodyIsTold : IMessageQueue
    {
        public Task SendAsync(QueueName queue, string body, TimeSpan? delay, CancellationToken cancellation) => throw new InvalidOperationException($"A message for {queue}.");

        public Task<QueueBacklog> BacklogAsync(QueueName queue, CancellationToken cancellation) => throw new InvalidOperationException($"Asked for {queue}.");
    }
}
