using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CdpFunctions.Local.Runtime;

/// <summary>
/// Runs one timer function by its schedule and never twice at once. An occurrence that falls into a run is made up for right after it, once.
/// Unlike the Functions host it remembers nothing across restarts, so an occurrence missed while the app was down is not made up for.
/// </summary>
internal sealed partial class TimerListener(
    FunctionDescriptor function,
    TimerTriggerAttribute trigger,
    TimerSchedule schedule,
    TimeProvider time,
    RunningFunctions running,
    IServiceScopeFactory scopes,
    ILogger logger) : IDisposable
{
    // Timers of the platform end at 49 days; longer waits are made of several.
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    private readonly SemaphoreSlim _oneAtATime = new(1, 1);
    private readonly bool _monitored = trigger.UseMonitor && !schedule.IsSubMinute(time.GetUtcNow());
    private DateTimeOffset? _last;
    private DateTimeOffset _next = schedule.Next(time.GetUtcNow());

    public DateTimeOffset Next => _next;

    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            if (trigger.RunOnStartup)
            {
                var startedAt = time.GetUtcNow();
                await running.Run(() => InvokeAsync(stop));
                Advance(startedAt);
            }
            while (!stop.IsCancellationRequested)
            {
                var wait = _next - time.GetUtcNow();
                if (wait > TimeSpan.Zero)
                {
                    await Task.Delay(wait < LongestWait ? wait : LongestWait, time, stop);
                    continue;
                }
                var startedAt = time.GetUtcNow();
                await running.Run(() => InvokeAsync(stop));
                Advance(startedAt);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The stop that ends the wait.
        }
    }

    /// <summary>Runs the function now, after a run that is under way. An exception is logged, and the schedule goes on.</summary>
    public async Task InvokeAsync(CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken);
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            await function.InvokeAsync(new TimerInvocation(function, Info(), scope.ServiceProvider, running.Cancelled));
        }
        catch (Exception error)
        {
            Failed(logger, error, function.Name);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public void Dispose() => _oneAtATime.Dispose();

    private TimerInfo Info() => new()
    {
        IsPastDue = false,
        ScheduleStatus = !_monitored ? null : new ScheduleStatus
        {
            Last = _last?.UtcDateTime ?? default,
            Next = _next.UtcDateTime,
            LastUpdated = _last?.UtcDateTime ?? default,
        },
    };

    private void Advance(DateTimeOffset startedAt)
    {
        _last = startedAt;
        _next = schedule.Next(startedAt);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Function} failed; it runs again by its schedule")]
    private static partial void Failed(ILogger logger, Exception error, string function);
}
