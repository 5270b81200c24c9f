using Cdp.Events;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Segments.Language;
using Cdp.Storage;

namespace Cdp.Segments.Reading;

/// <summary>How many people several segments have in common.</summary>
/// <param name="IsExact">Otherwise the counts are estimated from a sample.</param>
/// <param name="Counts">By the set of segments that people are in: bit i stands for the i-th. Of those who are in none there may be no count.</param>
/// <param name="Scanned">Profiles that were looked at; null where only the segments' members were.</param>
public sealed record OverlapResult(bool IsExact, IReadOnlyList<string> Segments, long[] Counts, long? Scanned, long? Of, Instant At)
{
    /// <summary>Those who are in all segments of the set, whatever else they are in.</summary>
    public long InAll(int set) => Sum(set, static (people, set) => (people & set) == set);

    /// <summary>Those who are in any of the set.</summary>
    public long InAny(int set) => Sum(set, static (people, set) => (people & set) != 0);

    /// <summary>Those who are in this segment and in no other.</summary>
    public long Only(int index) => Counts[1 << index];

    private long Sum(int set, Func<int, int, bool> counts)
    {
        var sum = 0L;
        for (var i = 1; i < Counts.Length; i++)
            sum += counts(i, set) ? Counts[i] : 0;
        return sum;
    }
}

/// <summary>
/// Counts who is in several segments at once. Of saved segments by their rows <c>s|</c>: the ranges of a shard lie in the order of the profiles' ids, and are read
/// side by side, so that no more than a page of each is held. With a condition that is not saved every profile is looked at, as for a preview.
/// </summary>
/// <remarks>Weakly consistent: who enters or leaves meanwhile may be counted or not.</remarks>
public sealed class SegmentOverlap(IRowStore rows, DefinitionsRegistry definitions, PreviewLimits limits, TimeProvider time)
{
    /// <summary>Together with a condition that is not saved.</summary>
    public const int Most = 5;

    public const int Fewest = 2;

    // Shards looked into at once: most have few members of a segment or none.
    private const int Parallel = 16;

    private const int PageSize = 1000;

    // Shards whose timelines are read at once.
    private const int ParallelWalks = 8;

    /// <param name="where">One more, that is not saved; null for none.</param>
    /// <exception cref="Problems.ProblemException">segment-invalid</exception>
    public async Task<OverlapResult> CountAsync(IReadOnlyList<StoredSegment> segments, Condition? where, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(segments.Count + (where is null ? 0 : 1), Most);
        var now = Instant.Now(time);
        return where is null ? await OfRowsAsync(segments, now, cancellation) : await OfTimelinesAsync(segments, where, now, cancellation);
    }

    private async Task<OverlapResult> OfRowsAsync(IReadOnlyList<StoredSegment> segments, Instant now, CancellationToken cancellation)
    {
        var counts = new long[1 << segments.Count];
        await System.Threading.Tasks.Parallel.ForAsync(
            0, ProfileId.Shards, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellation },
            async (shard, token) =>
            {
                var here = await OfShardAsync(segments, ProfileId.ShardName(shard), token);
                for (var i = 0; i < here.Length; i++)
                    Interlocked.Add(ref counts[i], here[i]);
            });
        return new OverlapResult(true, [.. segments.Select(s => s.Id)], counts, null, null, now);
    }

    private async Task<long[]> OfShardAsync(IReadOnlyList<StoredSegment> segments, string shard, CancellationToken cancellation)
    {
        var counts = new long[1 << segments.Count];
        var members = new IAsyncEnumerator<Row>[segments.Count];
        // The profile each of them has come to; null at its end.
        var heads = new string?[segments.Count];
        try
        {
            for (var i = 0; i < members.Length; i++)
            {
                var (from, to) = ProfileRows.Members(segments[i].Id, null);
                members[i] = rows.RangeAsync(TableName.Profiles, shard, from, to, PageSize, cancellation).GetAsyncEnumerator(cancellation);
                heads[i] = await NextAsync(members[i]);
            }

            while (First(heads) is { } first)
            {
                var set = 0;
                for (var i = 0; i < heads.Length; i++)
                {
                    if (!string.Equals(heads[i], first, StringComparison.Ordinal))
                        continue;
                    set |= 1 << i;
                    heads[i] = await NextAsync(members[i]);
                }

                counts[set]++;
            }
        }
        finally
        {
            foreach (var open in members)
            {
                if (open is not null)
                    await open.DisposeAsync();
            }
        }

        return counts;
    }

    private static async ValueTask<string?> NextAsync(IAsyncEnumerator<Row> members) =>
        await members.MoveNextAsync() ? ProfileRows.ProfileOfLastPart(members.Current.Key).Value : null;

    private static string? First(string?[] heads)
    {
        string? first = null;
        foreach (var head in heads)
        {
            if (head is not null && (first is null || string.CompareOrdinal(head, first) < 0))
                first = head;
        }

        return first;
    }

    private async Task<OverlapResult> OfTimelinesAsync(IReadOnlyList<StoredSegment> segments, Condition where, Instant now, CancellationToken cancellation)
    {
        var walk = TimelineWalk.Of(rows, where, await definitions.CurrentAsync(cancellation), now);
        var counts = new long[1 << (segments.Count + 1)];
        var (scanned, shards) = (0L, 0);
        for (; shards < ProfileId.Shards && scanned < limits.MostExact; shards += ParallelWalks)
        {
            foreach (var part in await Task.WhenAll(Enumerable.Range(shards, ParallelWalks).Select(shard => WalkAsync(walk, segments, shard, cancellation))))
            {
                for (var i = 0; i < part.Length; i++)
                {
                    counts[i] += part[i];
                    scanned += part[i];
                }
            }
        }

        var (isExact, of) = (shards >= ProfileId.Shards, scanned);
        if (!isExact)
        {
            // The profiles of some shards are a fair sample of all: a shard is chosen by a hash of the profile's id.
            of = scanned * ProfileId.Shards / shards;
            for (var i = 0; i < counts.Length; i++)
                counts[i] = counts[i] * ProfileId.Shards / shards;
        }

        return new OverlapResult(isExact, [.. segments.Select(s => s.Id), TimelineWalk.Id], counts, scanned, of, now);
    }

    private static async Task<long[]> WalkAsync(TimelineWalk walk, IReadOnlyList<StoredSegment> segments, int shard, CancellationToken cancellation)
    {
        var counts = new long[1 << (segments.Count + 1)];
        await walk.ShardAsync(
            shard,
            (profile, isMember) =>
            {
                var set = isMember ? 1 << segments.Count : 0;
                for (var i = 0; i < segments.Count; i++)
                    set |= SegmentMembers.Find(profile, segments[i]) is null ? 0 : 1 << i;
                counts[set]++;
            },
            cancellation);
        return counts;
    }
}
