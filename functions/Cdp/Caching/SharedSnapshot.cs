namespace Cdp.Caching;

/// <summary>
/// Something small that is read from the storage as a whole, at most <see cref="FreshFor"/> old when it is used. All who need it anew
/// share one reading.
/// </summary>
/// <remarks>While the storage does not answer, the old snapshot stays good; without one the error is the caller's.</remarks>
public sealed class SharedSnapshot<T>(Func<CancellationToken, Task<T>> load, TimeProvider time)
    where T : class
{
    public static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(10);

    /// <summary>Readings for <see cref="BegunAfterAsync"/> are at least so far apart.</summary>
    public static readonly TimeSpan BetweenReloads = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private Loaded? current;
    private Task<Loaded>? reloading;

    /// <summary>Null where there is none yet, or only one that is too old.</summary>
    public T? Fresh => current is { Expired: false } loaded && time.GetElapsedTime(loaded.At) < FreshFor ? loaded.Value : null;

    public ValueTask<T> CurrentAsync(CancellationToken cancellation) => Fresh is { } value ? new(value) : new(RefreshAsync(cancellation));

    /// <summary>
    /// One whose reading began at a time or after it, so that it has what was stored until then; for those who miss something.
    /// </summary>
    /// <param name="asked">A timestamp of the clock.</param>
    public async Task<T> BegunAfterAsync(long asked, CancellationToken cancellation)
    {
        var loaded = current;
        while (loaded is null || loaded.At < asked)
        {
            var wait = loaded is null ? TimeSpan.Zero : BetweenReloads - time.GetElapsedTime(loaded.At);
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, time, cancellation);
            loaded = await ReloadAsync(loaded).WaitAsync(cancellation);
        }

        return loaded.Value;
    }

    /// <summary>
    /// This process has just changed what is stored: whoever asks next reads it anew. A reading under way may still bring the old state,
    /// which then holds as long as in other processes.
    /// </summary>
    public void Expire()
    {
        if (current is { } loaded)
            loaded.Expired = true;
    }

    private async Task<T> RefreshAsync(CancellationToken cancellation)
    {
        var stale = current;
        try
        {
            return (await ReloadAsync(stale).WaitAsync(cancellation)).Value;
        }
        catch (Exception) when (stale is not null && !cancellation.IsCancellationRequested)
        {
            return stale.Value;
        }
    }

    /// <summary>A snapshot newer than the given one, by one reading that all callers share.</summary>
    private Task<Loaded> ReloadAsync(Loaded? than)
    {
        lock (gate)
        {
            if (current is not null && !ReferenceEquals(current, than))
                return Task.FromResult(current);
            return reloading ??= LoadAsync();
        }
    }

    private async Task<Loaded> LoadAsync()
    {
        // Not under the lock, and not on the caller's cancellation: others wait for it too.
        await Task.Yield();
        try
        {
            var at = time.GetTimestamp();
            var loaded = new Loaded(await load(CancellationToken.None), at);
            current = loaded;
            return loaded;
        }
        finally
        {
            lock (gate)
                reloading = null;
        }
    }

    /// <param name="At">When the reading began.</param>
    private sealed record Loaded(T Value, long At)
    {
        public volatile bool Expired;
    }
}
