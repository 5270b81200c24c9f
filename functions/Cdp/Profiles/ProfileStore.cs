using Cdp.Caching;
using Cdp.Identity;
using Cdp.Storage;

namespace Cdp.Profiles;

/// <summary>A profile document as read or written, and the version to condition the next write on.</summary>
public readonly record struct StoredProfile(ProfileId Id, ReadOnlyMemory<byte> Data, string Version)
{
    /// <summary>A copy of its own for each caller.</summary>
    public Profile Decode() => ProfileCodec.Decode(Id, Data);
}

/// <summary>
/// Reads documents, through a cache of their encoded form. A cached document may be stale; whoever writes conditions the write on
/// its version and finds out.
/// </summary>
public sealed class ProfileStore(IRowStore rows)
{
    private const long CacheBytes = 24 * 1024 * 1024;

    // What an entry costs beside its bytes.
    private const long EntryOverhead = 200;

    // A merge chain is as long as the number of merges that were under way at once; beyond this something is broken.
    private const int LongestChain = 64;

    private readonly TwoGenerationCache<ProfileId, StoredProfile> cache = new(CacheBytes, p => p.Data.Length + EntryOverhead);

    /// <summary>The document as it is stored, a tombstone too. Null where there is none.</summary>
    public async ValueTask<StoredProfile?> FindAsync(ProfileId id, bool fresh, CancellationToken cancellation)
    {
        if (!fresh && cache.TryGet(id, out var cached))
            return cached;
        var row = await rows.GetAsync(TableName.Profiles, id.Shard, ProfileRows.Document(id), cancellation);
        if (row is null)
        {
            cache.Remove(id);
            return null;
        }

        var stored = new StoredProfile(id, row.Data, row.Version);
        cache.Set(id, stored);
        return stored;
    }

    /// <summary>The profile an id leads to after all merges, and its document (null where it has none yet).</summary>
    public async ValueTask<(ProfileId Id, Profile? Profile, string? Version)> FollowAsync(ProfileId id, bool fresh, CancellationToken cancellation)
    {
        for (var hops = 0; hops < LongestChain; hops++)
        {
            if (await FindAsync(id, fresh, cancellation) is not { } stored)
                return (id, null, null);
            var profile = stored.Decode();
            if (profile.MergedInto is not { } winner)
                return (id, profile, stored.Version);
            id = winner;
        }

        throw new InvalidDataException($"The merge chain that ends near {id} has more than {LongestChain} links.");
    }

    /// <summary>
    /// The same for who comes by an identifier: where an unmerge has given it to another profile and the index does not say so yet, it is followed there.
    /// </summary>
    public async ValueTask<(ProfileId Id, Profile? Profile, string? Version)> FollowAsync(
        ProfileId id, Identifier identifier, bool fresh, CancellationToken cancellation)
    {
        var found = await FollowAsync(id, fresh, cancellation);
        // What is only reserved, to be merged back, is still with the other one.
        for (var hops = 0; hops < LongestChain && found.Profile is { } profile && !profile.Lists(identifier) && profile.FindReleased(identifier) is { To: { } to }; hops++)
        {
            var next = await FollowAsync(to, fresh, cancellation);
            // The unmerge has just begun: the profile that gets it is not back yet.
            if (next.Id == found.Id)
                break;
            found = next;
        }

        return found;
    }

    /// <summary>The write that stores this document in place of <paramref name="version"/> (null: there is none yet).</summary>
    public static RowWrite Write(Profile profile, string? version, out byte[] data)
    {
        data = ProfileCodec.Encode(profile);
        var key = ProfileRows.Document(profile.Id);
        return version is null ? RowWrite.Insert(key, data) : RowWrite.Replace(key, data, version);
    }

    /// <summary>Stores the document, without events. False where somebody else wrote since <paramref name="version"/>.</summary>
    /// <param name="with">Other rows of the profile to write in the same transaction.</param>
    public async Task<bool> SaveAsync(Profile profile, string? version, CancellationToken cancellation, params IReadOnlyList<RowWrite> with)
    {
        profile.Version++;
        var write = Write(profile, version, out var data);
        RowWrite[] writes = [write, .. with];
        var result = await rows.CommitAsync(TableName.Profiles, profile.Id.Shard, writes, cancellation);
        if (result.Committed)
            Remember(profile.Id, data, result.Versions[0]!);
        else
            Forget(profile.Id);
        return result.Committed;
    }

    public void Remember(ProfileId id, ReadOnlyMemory<byte> data, string version) => cache.Set(id, new StoredProfile(id, data, version));

    public void Forget(ProfileId id) => cache.Remove(id);
}
