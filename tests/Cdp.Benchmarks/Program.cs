using Cdp.Benchmarks;

// Every benchmark prints a ratio against a reference measured in the same run; see README.md for the figures seen.
var benchmarks = new Dictionary<string, Func<Task>>(StringComparer.Ordinal)
{
    ["collect"] = CollectBenchmark.RunAsync,
    ["ingest"] = IngestBenchmark.RunAsync,
    ["operations"] = OperationsBenchmark.RunAsync,
    ["document"] = DocumentBenchmark.RunAsync,
    ["merge"] = MergeBenchmark.RunAsync,
    ["process"] = ProcessBenchmark.RunAsync,
    ["segments"] = SegmentsBenchmark.RunAsync,
    ["segments-live"] = SegmentsLiveBenchmark.RunAsync,
    ["realtime"] = RealtimeBenchmark.RunAsync,
    ["backfill"] = BackfillBenchmark.RunAsync,
    ["catalog"] = CatalogBenchmark.RunAsync,
};

if (args is ["serve-bare"])
{
    await BareServer.RunAsync();
    return 0;
}

var chosen = args.Length == 0 ? [.. benchmarks.Keys] : args;
foreach (var name in chosen)
{
    if (!benchmarks.TryGetValue(name, out var benchmark))
    {
        await Console.Error.WriteLineAsync($"There is no benchmark {name}. Choose from: {string.Join(", ", benchmarks.Keys)}.");
        return 1;
    }

    Console.WriteLine($"== {name}");
    await benchmark();
    Console.WriteLine();
}

return 0;
