using System.Security.Cryptography;

namespace Cdp.Access;

/// <summary>
/// Recognises API keys by a snapshot that is at most <see cref="FreshFor"/> old: so long a deleted key may still work. A key that is not in
/// it causes one reading, at most one a <see cref="BetweenReloads"/> however many wrong keys come, so that a new key works at once and wrong
/// ones do not become load on the storage.
/// </summary>
/// <remarks>While the storage does not answer, known keys stay good on the old snapshot; what they ask for is another matter.</remarks>
/// <param name="bootstrap">A key from the settings, with which the first keys are made; null where there is none.</param>
public sealed class ApiKeyRing(ApiKeyStore store, TimeProvider time, ApiKey? bootstrap = null) : IDisposable
{
    public static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(10);

    public static readonly TimeSpan BetweenReloads = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim loading = new(1, 1);
    private Snapshot? current;

    /// <summary>The key of this text, null where there is none.</summary>
    public async ValueTask<ApiKey?> FindAsync(string text, CancellationToken cancellation)
    {
        if (text.Length is 0 or > ApiKey.Longest)
            return null;
        var asked = time.GetTimestamp();
        var hash = ApiKey.Hash(text);
        if (bootstrap is not null && CryptographicOperations.FixedTimeEquals(bootstrap.Sha256, hash))
            return bootstrap;
        var snapshot = current;
        if (snapshot is null || Age(snapshot) >= FreshFor)
            snapshot = await RefreshAsync(snapshot, cancellation);
        if (snapshot.Find(hash) is { } key)
            return key;
        // Only a snapshot begun after the call came in can tell that there is no such key.
        while (snapshot.LoadedAt < asked)
        {
            var wait = BetweenReloads - Age(snapshot);
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, time, cancellation);
            snapshot = await ReloadAsync(snapshot, cancellation);
        }

        return snapshot.Find(hash);
    }

    public void Dispose() => loading.Dispose();

    private TimeSpan Age(Snapshot snapshot) => time.GetElapsedTime(snapshot.LoadedAt);

    private async Task<Snapshot> RefreshAsync(Snapshot? stale, CancellationToken cancellation)
    {
        try
        {
            return await ReloadAsync(stale, cancellation);
        }
        catch (Exception) when (stale is not null && !cancellation.IsCancellationRequested)
        {
            return stale;
        }
    }

    /// <summary>A snapshot newer than the given one; of several callers one reads.</summary>
    private async Task<Snapshot> ReloadAsync(Snapshot? than, CancellationToken cancellation)
    {
        await loading.WaitAsync(cancellation);
        try
        {
            if (current is { } other && !ReferenceEquals(other, than))
                return other;
            var began = time.GetTimestamp();
            return current = new Snapshot(await store.ListAsync(cancellation), began);
        }
        finally
        {
            loading.Release();
        }
    }

    private sealed record Snapshot(IReadOnlyList<ApiKey> Keys, long LoadedAt)
    {
        /// <summary>Compares with every key, to the end: the time taken does not tell how near a wrong one was.</summary>
        public ApiKey? Find(byte[] hash)
        {
            ApiKey? found = null;
            foreach (var key in Keys)
            {
                if (CryptographicOperations.FixedTimeEquals(key.Sha256, hash))
                    found = key;
            }

            return found;
        }
    }
}
