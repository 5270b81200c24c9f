using Cdp.Storage;
using CdpFunctions.Local.Emulator;

namespace Cdp.Benchmarks;

/// <summary>
/// Storage operations per 1,000 events, counted in the client pipeline: cold (nobody known) and warm (the same people again). Target when
/// warm: at most 1.3 per profile commit plus 5 per queue message.
/// </summary>
internal static class OperationsBenchmark
{
    public static async Task RunAsync()
    {
        await using var azurite = await Emulator.StartAsync();
        await using var app = await AppInProcess.StartAsync(azurite.ExtraConnectionString(0));
        var done = 0;
        async Task Measure(string title, string path, int connections, int eventsPerRequest, List<string> bodies)
        {
            app.Calls.Take();
            app.Rows.Transactions.Clear();
            var events = bodies.Count * eventsPerRequest;
            await Load.SendAsync(app.Address, path, bodies, connections);
            done += events;
            await app.WaitForAsync(done);
            Print(title, events, app, azurite);
        }

        await Measure("batches of 100 over 10 users, cold", "v1/batch", 8, 100, IngestBenchmark.Batches(100, "c"));
        await Measure("batches of 100 over 10 users, warm", "v1/batch", 8, 100, IngestBenchmark.Batches(100, "w"));
        await Measure("single events, 32 connections, warm", "v1/track", 32, 1, IngestBenchmark.Singles(5_000, "sw", people: 1_000));
    }

    private static void Print(string title, int events, AppInProcess app, AzuriteProcess azurite)
    {
        var calls = app.Calls.Take();
        int Of(int port, string? method = null) =>
            calls.Where(c => c.Key.StartsWith($"{port} ", StringComparison.Ordinal) && (method is null || c.Key.EndsWith(method, StringComparison.Ordinal))).Sum(c => c.Value);
        var (blob, queue, table) = (Of(azurite.BlobPort), Of(azurite.QueuePort), Of(azurite.TablePort));
        var commits = app.Rows.Transactions.Count(t => t.Table == TableName.Profiles);
        // Every message is sent once and deleted once.
        var messages = Of(azurite.QueuePort, "POST");
        var total = blob + queue + table;
        var allowed = (1.3 * commits) + (5 * messages);
        var per = 1000.0 / events;
        Console.WriteLine(
            $"{title}: per 1,000 events {total * per:F0} operations (table {table * per:F0}, queue {queue * per:F0}, blob {blob * per:F0}); "
            + $"{commits} profile commits, {messages} queue messages; {total / allowed:F2} of 1.3 per commit + 5 per message");
    }
}
