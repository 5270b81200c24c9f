namespace CdpFunctions.Local.Runtime;

/// <summary>
/// The queue and timer functions that run just now. A stop waits for them for a while, then cancels them, and at last leaves them behind:
/// what they held comes back when its lock ends, as after a crash.
/// </summary>
internal sealed class RunningFunctions : IDisposable
{
    private readonly CancellationTokenSource _cancel = new();
    private readonly CancellationTokenSource _abandon = new();
    private readonly HashSet<Task> _running = [];
    private readonly Lock _lock = new();

    public RunningFunctions() => (Cancelled, Abandoned) = (_cancel.Token, _abandon.Token);

    /// <summary>What functions get: signalled when the time for a graceful stop is over.</summary>
    public CancellationToken Cancelled { get; }

    /// <summary>Signalled when nothing must be done any more, not even for functions that end now.</summary>
    public CancellationToken Abandoned { get; }

    public Task Run(Func<Task> function)
    {
        var task = Task.Run(function, CancellationToken.None);
        lock (_lock) _running.Add(task);
        _ = task.ContinueWith(Remove, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return task;
    }

    /// <returns>False when functions were left behind.</returns>
    public async Task<bool> DrainAsync(TimeSpan patience, TimeSpan afterCancel)
    {
        if (await Ended(patience)) return true;
        await _cancel.CancelAsync();
        if (await Ended(afterCancel)) return true;
        await _abandon.CancelAsync();
        return false;
    }

    public void Dispose()
    {
        _cancel.Dispose();
        _abandon.Dispose();
    }

    private void Remove(Task task)
    {
        lock (_lock) _running.Remove(task);
    }

    private async Task<bool> Ended(TimeSpan patience)
    {
        Task[] running;
        lock (_lock) running = [.. _running];
        if (running.Length == 0) return true;
        var all = Task.WhenAll(running);
        await Task.WhenAny(all, Task.Delay(patience));
        return all.IsCompleted;
    }
}
