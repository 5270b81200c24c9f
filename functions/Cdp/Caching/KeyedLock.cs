namespace Cdp.Caching;

/// <summary>
/// Lets one task at a time work on a key within this process. Only a courtesy that saves conflicts in the storage: correctness
/// never depends on it, for other processes do not see it. Keys share a fixed set of locks; never take two at once.
/// </summary>
public sealed class KeyedLock
{
    private readonly SemaphoreSlim[] stripes = [.. Enumerable.Range(0, 1024).Select(_ => new SemaphoreSlim(1, 1))];

    public async ValueTask<Held> EnterAsync<TKey>(TKey key, CancellationToken cancellation)
        where TKey : notnull
    {
        var stripe = stripes[(uint)key.GetHashCode() % (uint)stripes.Length];
        await stripe.WaitAsync(cancellation);
        return new Held(stripe);
    }

    public readonly struct Held(SemaphoreSlim stripe) : IDisposable
    {
        public void Dispose() => stripe.Release();
    }
}
