using Cdp.Stats;
using Microsoft.Extensions.Logging;

namespace CdpFunctions;

/// <summary>Writes the statistics of this process.</summary>
public sealed class StatsService(StatsRecorder recorder, TimeProvider time, ILogger<StatsService> log) : PeriodicFlush(StatsRecorder.FlushEvery, time, log)
{
    protected override Task WriteAsync(CancellationToken cancellation) => recorder.FlushAsync(cancellation);
}
