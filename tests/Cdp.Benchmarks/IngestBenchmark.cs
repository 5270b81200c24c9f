using System.Diagnostics;
using CdpFunctions.Local.Emulator;
using CdpFunctions.Storage;
using Microsoft.Extensions.Configuration;

namespace Cdp.Benchmarks;

/// <summary>
/// Events per second from HTTP to commit on a fresh Azurite, against a bare loop that writes the same rows in the same transactions. Target: at
/// least 0.5 of it.
/// </summary>
internal static class IngestBenchmark
{
    private const int People = 2_000;

    // What the app has under way at most: host.json's batchSize and newBatchThreshold.
    private const int ParallelWrites = 24;

    public static async Task RunAsync()
    {
        await RunAsync("batches of 100 events over 10 users, 8 connections", "v1/batch", 8, 100, Batches(150));
        await RunAsync("single events, 32 connections", "v1/track", 32, 1, Singles(8_000));
    }

    private static async Task RunAsync(string title, string path, int connections, int eventsPerRequest, List<string> bodies)
    {
        Console.WriteLine($"{title}: {bodies.Count * eventsPerRequest:N0} events");
        for (var round = 1; round <= 3; round++)
        {
            await using var azurite = await Emulator.StartAsync();
            var (ours, transactions, rows) = await MeasureAsync(azurite, path, connections, eventsPerRequest, bodies);
            Console.WriteLine($"round {round}: app {ours.App:N0} events/s, bare loop {ours.Bare:N0} events/s ({transactions:N0} transactions, {rows:N0} rows): {ours.App / ours.Bare:F2}");
        }

        Console.WriteLine("target: at least 0.5");
    }

    private static async Task<((double App, double Bare) PerSecond, int Transactions, int Rows)> MeasureAsync(
        AzuriteProcess azurite, string path, int connections, int eventsPerRequest, List<string> bodies)
    {
        var events = bodies.Count * eventsPerRequest;
        RecordingRowStore recorded;
        TimeSpan time;
        // The bare loop comes after the app, and would find the code of both this process and the emulator compiled by it.
        await WarmUpAsync(azurite.ExtraConnectionString(2));
        await using (var app = await AppInProcess.StartAsync(azurite.ExtraConnectionString(0)))
        {
            await Load.SendAsync(app.Address, "v1/track", [Load.Track("warm-up", People + 1)], 1);
            await app.WaitForAsync(1);
            app.Rows.Transactions.Clear();
            var clock = Stopwatch.StartNew();
            await Load.SendAsync(app.Address, path, bodies, connections);
            await app.WaitForAsync(events + 1);
            time = clock.Elapsed;
            recorded = app.Rows;
        }

        var bare = azurite.ExtraConnectionString(1);
        var clients = StorageClients.Create(new ConfigurationBuilder().AddInMemoryCollection([new(StorageClients.Setting, bare)]).Build());
        await StorageSetup.CreateAllAsync(clients, CancellationToken.None);
        var replay = await recorded.ReplayAsync(new TableRowStore(clients.Tables), ParallelWrites);
        return ((events / time.TotalSeconds, events / replay.TotalSeconds), recorded.Transactions.Count, recorded.Transactions.Sum(t => t.Writes.Length));
    }

    private static async Task WarmUpAsync(string storage)
    {
        var bodies = Batches(20);
        await using var app = await AppInProcess.StartAsync(storage);
        await Load.SendAsync(app.Address, "v1/batch", bodies, 8);
        await app.WaitForAsync(bodies.Count * 100);
    }

    internal static List<string> Batches(int count, string run = "a") =>
    [
        .. Enumerable.Range(0, count).Select(batch => Load.Batch(
            Enumerable.Range(0, 100).Select(i => Load.Track($"{run}-{batch}-{i}", ((batch * 10) + (i % 10)) % People)))),
    ];

    internal static List<string> Singles(int count, string run = "s", int people = People) =>
        [.. Enumerable.Range(0, count).Select(i => Load.Track($"{run}-{i}", i * 7 % people))];
}
