namespace Cdp.Benchmarks;

/// <summary>
/// The local host as a process: how soon it answers once Azurite is up (target: 3 s), against the bare server's start; and its memory
/// under the ingest load (target: under 300 MB).
/// </summary>
internal static class ProcessBenchmark
{
    public static async Task RunAsync()
    {
        await using var azurite = await Emulator.StartAsync();
        TimeSpan bareReady;
        await using (var bare = await ChildProcess.StartBareAsync())
            bareReady = bare.ReadyAfter;
        await using var app = await ChildProcess.StartAppAsync(azurite.ExtraConnectionString(0));
        Console.WriteLine($"ready after {app.ReadyAfter.TotalSeconds:F2} s, the bare server after {bareReady.TotalSeconds:F2} s: {app.ReadyAfter / bareReady:F1} times (target: within 3 s)");
        Console.WriteLine($"idle: {app.Megabytes:F0} MB");
        await Load.SendAsync(app.Address, "v1/batch", IngestBenchmark.Batches(150), 8);
        Console.WriteLine($"after 15,000 events in batches: {app.Megabytes:F0} MB, at most {app.PeakMegabytes:F0} MB");
        await Load.SendAsync(app.Address, "v1/track", IngestBenchmark.Singles(8_000), 32);
        Console.WriteLine($"after 8,000 single events: {app.Megabytes:F0} MB, at most {app.PeakMegabytes:F0} MB (target: under 300 MB)");
    }
}
