using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Storage;

namespace Cdp.Segments.Reading;

/// <summary>A member of a segment, with the document that says so.</summary>
public sealed record SegmentMember(Profile Profile, Membership Membership);

/// <param name="After">The last profile looked at; null exactly on the last page.</param>
public sealed record MemberPage(IReadOnlyList<SegmentMember> Members, ProfileId? After);

/// <summary>
/// The members of a segment, in the order of shard and profile id, by the rows <c>s|</c>; the documents say who still is one. Weakly consistent: who enters or
/// leaves meanwhile may be in the list or not.
/// </summary>
public sealed class SegmentMembers(IRowStore rows, ProfileStore profiles)
{
    // Shards looked into at once: most segments are small, and most shards have none or few of their members.
    private const int Parallel = 16;

    private const int PageSize = 1000;

    public async Task<MemberPage> ReadAsync(StoredSegment segment, ProfileId? after, int limit, CancellationToken cancellation)
    {
        var found = new List<ProfileId>(limit + 1);
        var shard = after is { } position ? Convert.ToInt32(position.Shard, 16) : 0;
        for (; shard < ProfileId.Shards && found.Count <= limit; shard += Parallel)
        {
            var first = shard;
            var parts = await Task.WhenAll(Enumerable.Range(first, Math.Min(Parallel, ProfileId.Shards - first))
                .Select(s => ListAsync(segment.Id, s, s == first && after?.Shard == ProfileId.ShardName(s) ? after : null, limit + 1, cancellation)));
            foreach (var part in parts)
                found.AddRange(part);
        }

        var isLast = found.Count <= limit;
        var page = isLast ? found : found.GetRange(0, limit);
        var members = new List<SegmentMember>(page.Count);
        foreach (var chunk in page.Chunk(Parallel))
        {
            foreach (var stored in await Task.WhenAll(chunk.Select(async id => await profiles.FindAsync(id, fresh: true, cancellation))))
            {
                // Merged since, or left.
                if (stored?.Decode() is { MergedInto: null } profile && Find(profile, segment) is { } membership)
                    members.Add(new SegmentMember(profile, membership));
            }
        }

        return new MemberPage(members, isLast ? null : page[^1]);
    }

    /// <summary>How many rows the index has for it.</summary>
    public async Task<long> CountAsync(string segment, CancellationToken cancellation)
    {
        var count = 0L;
        var (from, to) = ProfileRows.Members(segment, null);
        await System.Threading.Tasks.Parallel.ForAsync(
            0, ProfileId.Shards, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellation },
            async (shard, token) =>
            {
                var here = 0L;
                await foreach (var _ in rows.RangeAsync(TableName.Profiles, ProfileId.ShardName(shard), from, to, PageSize, token))
                    here++;
                Interlocked.Add(ref count, here);
            });
        return count;
    }

    /// <summary>Null where the profile is in none, or in one that had its id before.</summary>
    internal static Membership? Find(Profile profile, StoredSegment segment) =>
        profile.Memberships.Find(m => m.SegmentId == segment.Id && m.DefinitionEpoch >= segment.Head.FirstEpoch);

    private async Task<List<ProfileId>> ListAsync(string segment, int shard, ProfileId? after, int most, CancellationToken cancellation)
    {
        var ids = new List<ProfileId>();
        var (from, to) = ProfileRows.Members(segment, after);
        await foreach (var row in rows.RangeAsync(TableName.Profiles, ProfileId.ShardName(shard), from, to, Math.Min(most, PageSize), cancellation))
        {
            ids.Add(ProfileRows.ProfileOfLastPart(row.Key));
            if (ids.Count == most)
                break;
        }

        return ids;
    }
}
