using System.Security.Cryptography;
using System.Text;
using Cdp.Storage;

namespace Cdp.Sources;

/// <summary>
/// The sources by write key, as a snapshot that is at most <see cref="FreshFor"/> old when it is used. A key that is not in it
/// causes one reload, shared by all who wait and at most one a <see cref="BetweenReloads"/>, so that a new key works at once and
/// wrong ones are slowed down without touching calls with a valid key.
/// </summary>
/// <remarks>
/// While the storage does not answer, known keys stay good on the old snapshot; whether their events can be queued is another
/// matter. Keys are found by their hash under this process's random seed and then compared in constant time, so that the time taken says
/// nothing about a key.
/// </remarks>
public sealed class SourceRegistry(SourceStore store, TimeProvider time)
{
    public static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(10);

    public static readonly TimeSpan BetweenReloads = TimeSpan.FromSeconds(1);

    private const int LongestKey = 256;

    private readonly Lock gate = new();
    private Snapshot? current;
    private Task<Snapshot>? reloading;

    /// <summary>The source a write key is of, enabled or not; null where no source has it (or has disabled it).</summary>
    public ValueTask<Source?> FindAsync(string writeKey, CancellationToken cancellation)
    {
        if (writeKey.Length is 0 or > LongestKey)
            return new((Source?)null);
        var snapshot = current;
        return snapshot is not null && time.GetElapsedTime(snapshot.LoadedAt) < FreshFor && snapshot.Find(writeKey) is { } source
            ? new(source)
            : new(FindReloadedAsync(writeKey, cancellation));
    }

    public ValueTask<Source?> FindByIdAsync(string id, CancellationToken cancellation) => new((Source?)null);

    private async Task<Source?> FindReloadedAsync(string writeKey, CancellationToken cancellation)
    {
        var asked = time.GetTimestamp();
        var snapshot = current;
        if (snapshot is null || time.GetElapsedTime(snapshot.LoadedAt) >= FreshFor)
            snapshot = await RefreshAsync(snapshot, cancellation);
        if (snapshot.Find(writeKey) is { } source)
            return source;
        // A key made after the snapshot was read: only one read after the call came in can tell.
        while (snapshot.LoadedAt < asked)
        {
            var wait = BetweenReloads - time.GetElapsedTime(snapshot.LoadedAt);
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, time, cancellation);
            snapshot = await ReloadAsync(snapshot).WaitAsync(cancellation);
        }

        return snapshot.Find(writeKey);
    }

    private async Task<Snapshot> RefreshAsync(Snapshot? stale, CancellationToken cancellation)
    {
        try
        {
            return await ReloadAsync(stale).WaitAsync(cancellation);
        }
        catch (Exception) when (stale is not null && !cancellation.IsCancellationRequested)
        {
            return stale;
        }
    }

    /// <summary>A snapshot newer than the given one, by one read that all callers share.</summary>
    private Task<Snapshot> ReloadAsync(Snapshot? than)
    {
        lock (gate)
        {
            if (current is not null && !ReferenceEquals(current, than))
                return Task.FromResult(current);
            return reloading ??= LoadAsync();
        }
    }

    private async Task<Snapshot> LoadAsync()
    {
        // Not under the lock, and not on the caller's cancellation: others wait for it too.
        await Task.Yield();
        try
        {
            var loadedAt = time.GetTimestamp();
            var loaded = new Snapshot(await store.ListAsync(CancellationToken.None), loadedAt);
            current = loaded;
            return loaded;
        }
        finally
        {
            lock (gate)
                reloading = null;
        }
    }

    private sealed class Snapshot
    {
        private readonly Dictionary<int, List<(byte[] Key, Source Source)>> byHash = [];

        public Snapshot(IReadOnlyList<Source> sources, long loadedAt)
        {
            LoadedAt = loadedAt;
            foreach (var source in sources)
            {
                foreach (var key in source.WriteKeys)
                {
                    if (!key.Enabled)
                        continue;
                    var hash = key.Key.GetHashCode(StringComparison.Ordinal);
                    if (!byHash.TryGetValue(hash, out var keys))
                        byHash.Add(hash, keys = []);
                    keys.Add((Encoding.UTF8.GetBytes(key.Key), source));
                }
            }
        }

        /// <summary>When the read began.</summary>
        public long LoadedAt { get; }

        public Source? Find(string writeKey)
        {
            if (!byHash.TryGetValue(writeKey.GetHashCode(StringComparison.Ordinal), out var keys))
                return null;
            Span<byte> bytes = stackalloc byte[LongestKey * 3];
            bytes = bytes[..Encoding.UTF8.GetBytes(writeKey, bytes)];
            foreach (var (key, source) in keys)
            {
                if (CryptographicOperations.FixedTimeEquals(key, bytes))
                    return source;
            }

            return null;
        }
    }
}
