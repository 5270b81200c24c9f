using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CdpFunctions;

/// <summary>Writes what this process has counted while it runs, and once more when it stops and when its last functions have ended.</summary>
public abstract partial class PeriodicFlush(TimeSpan every, TimeProvider time, ILogger log) : BackgroundService, IAsyncDisposable
{
    // A stop does not wait longer for counts.
    private static readonly TimeSpan LastFlush = TimeSpan.FromSeconds(5);

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await FlushAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        using var enough = new CancellationTokenSource(LastFlush, time);
        await FlushAsync(enough.Token);
        base.Dispose();
        GC.SuppressFinalize(this);
    }

    protected abstract Task WriteAsync(CancellationToken cancellation);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(every, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await FlushAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The last flush is the stop's.
        }
    }

    private async Task FlushAsync(CancellationToken cancellation)
    {
        try
        {
            await WriteAsync(cancellation);
        }
#pragma warning disable CA1031 // Whatever the storage throws: the counts stay in memory, and the next flush tries again.
        catch (Exception exception) when (!cancellation.IsCancellationRequested)
#pragma warning restore CA1031
        {
            LogNotWritten(log, exception, GetType().Name);
        }
        catch (OperationCanceledException)
        {
            // Stopped in the middle.
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Service}: counts could not be written; they are tried again.")]
    private static partial void LogNotWritten(ILogger log, Exception exception, string service);
}
