using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using Cdp.Caching;

namespace Cdp.Sources;

/// <summary>
/// The sources by write key and by id, as a snapshot that is at most 10 s old when it is used. A key that is not in it causes one reload,
/// shared by all who wait and at most one a second, so that a new key works at once and wrong ones are slowed down without touching calls
/// with a valid key.
/// </summary>
/// <remarks>
/// While the storage does not answer, known keys stay good on the old snapshot; whether their events can be queued is another
/// matter. Keys are found by their hash under this process's random seed and then compared in constant time, so that the time taken says
/// nothing about a key.
/// </remarks>
public sealed class SourceRegistry(SourceStore store, TimeProvider time)
{
    private const int LongestKey = 256;

    private readonly SharedSnapshot<Sources> snapshots = new(async cancellation => new Sources(await store.ListAsync(cancellation)), time);

    /// <summary>The source a write key is of, enabled or not; null where no source has it (or has disabled it).</summary>
    public ValueTask<Source?> FindAsync(string writeKey, CancellationToken cancellation)
    {
        if (writeKey.Length is 0 or > LongestKey)
            return new((Source?)null);
        return snapshots.Fresh?.Find(writeKey) is { } source ? new(source) : new(FindReloadedAsync(writeKey, cancellation));
    }

    /// <summary>
    /// The source of this id, enabled or not; null where there is none. An unknown id causes no reload: events outlive their source, and a
    /// new source's first events are older than the next snapshot.
    /// </summary>
    public ValueTask<Source?> FindByIdAsync(string id, CancellationToken cancellation)
    {
        return snapshots.Fresh is { } sources ? new(sources.FindById(id)) : ReloadedAsync();

        async ValueTask<Source?> ReloadedAsync() => (await snapshots.CurrentAsync(cancellation)).FindById(id);
    }

    /// <summary>The same, as it is stored at a time or later: for calls that a source or a secret makes right which is newer than the snapshot.</summary>
    /// <param name="asked">A timestamp of the clock.</param>
    public async ValueTask<Source?> FindByIdAsync(string id, long asked, CancellationToken cancellation) =>
        (await snapshots.BegunAfterAsync(asked, cancellation)).FindById(id);

    /// <summary>The source a write key is of by the snapshot alone: null may also mean that the key is newer.</summary>
    public async ValueTask<Source?> FindKnownAsync(string writeKey, CancellationToken cancellation) =>
        writeKey.Length is 0 or > LongestKey ? null : (await snapshots.CurrentAsync(cancellation)).Find(writeKey);

    /// <summary>The sources by their ids, all of one snapshot.</summary>
    public async ValueTask<Func<string, Source?>> SnapshotAsync(CancellationToken cancellation) => (await snapshots.CurrentAsync(cancellation)).FindById;

    /// <summary>This process has just changed a source: whoever asks next reads them anew.</summary>
    public void Expire() => snapshots.Expire();

    /// <summary>Whether a source has a write key that is enabled. Compares with every key, to the end.</summary>
    public static bool Has(Source source, string writeKey)
    {
        if (writeKey.Length > LongestKey)
            return false;
        var given = Encoding.UTF8.GetBytes(writeKey);
        var has = false;
        foreach (var key in source.WriteKeys)
            has |= key.Enabled && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(key.Key), given);
        return has;
    }

    private async Task<Source?> FindReloadedAsync(string writeKey, CancellationToken cancellation)
    {
        var asked = time.GetTimestamp();
        // A key made after the snapshot was read: only one read after the call came in can tell.
        return (await snapshots.CurrentAsync(cancellation)).Find(writeKey) ?? (await snapshots.BegunAfterAsync(asked, cancellation)).Find(writeKey);
    }

    private sealed class Sources
    {
        private readonly Dictionary<int, List<(byte[] Key, Source Source)>> byHash = [];
        private readonly FrozenDictionary<string, Source> byId;

        public Sources(IReadOnlyList<Source> sources)
        {
            byId = sources.ToFrozenDictionary(source => source.Id, StringComparer.Ordinal);
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

        public Source? FindById(string id) => byId.GetValueOrDefault(id);

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
