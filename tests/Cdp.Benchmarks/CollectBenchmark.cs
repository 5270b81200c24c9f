namespace Cdp.Benchmarks;

/// <summary>Server CPU per collect request, against a bare endpoint that reads and discards the same body. Target: at most 3 times.</summary>
internal static class CollectBenchmark
{
    private const int Requests = 20_000;
    private const int Connections = 32;
    private const int Rounds = 5;

    // The runtime recompiles what is hot in the background, which counts into CPU time until it is done.
    private const int WarmUps = 3;

    public static async Task RunAsync()
    {
        await using var azurite = await Emulator.StartAsync();
        await using var bare = await ChildProcess.StartBareAsync();
        // Collecting only: what processes the events would count into the same process's CPU time.
        await using var app = await ChildProcess.StartAppAsync(azurite.ExtraConnectionString(0), new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["AzureWebJobs.ProcessEvents.Disabled"] = "true",
        });
        var bodies = Enumerable.Range(0, Requests).Select(i => Load.Track($"m{i}", i % 2000)).ToList();
        Console.WriteLine($"{Requests:N0} requests of {bodies[0].Length:N0} bytes over {Connections} connections a round");
        for (var i = 0; i < WarmUps; i++)
        {
            await MeasureAsync(bare, bodies);
            await MeasureAsync(app, bodies);
        }

        var ratios = new List<double>();
        for (var round = 1; round <= Rounds; round++)
        {
            var reference = await MeasureAsync(bare, bodies);
            var ours = await MeasureAsync(app, bodies);
            var nothing = await MeasureAsync(app, bodies, "v1/m");
            ratios.Add(ours / reference);
            Console.WriteLine($"round {round}: bare {reference:F1} us, collect {ours:F1} us (a call that stores nothing {nothing:F1}) of CPU a request: {ours / reference:F2} times");
        }

        ratios.Sort();
        Console.WriteLine($"median {ratios[Rounds / 2]:F2} times the bare endpoint (target: at most 3)");
    }

    private static async Task<double> MeasureAsync(ChildProcess server, List<string> bodies, string path = "v1/track")
    {
        var before = server.CpuTime;
        await Load.SendAsync(server.Address, path, bodies, Connections);
        return (server.CpuTime - before).TotalMicroseconds / bodies.Count;
    }
}
