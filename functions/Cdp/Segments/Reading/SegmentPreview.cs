using Cdp.Events;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Segments.Language;
using Cdp.Storage;

namespace Cdp.Segments.Reading;

/// <param name="IsExact">All profiles were looked at, and <paramref name="Size"/> is how many are in it.</param>
/// <param name="Size">Estimated where it is not exact.</param>
/// <param name="Low">With 95 % confidence.</param>
/// <param name="Of">All profiles; estimated where it is not exact.</param>
public sealed record PreviewResult(bool IsExact, long Size, long Low, long High, long Scanned, long Of, IReadOnlyList<Profile> Examples, Instant At);

/// <summary>How many profiles a preview looks at before it answers.</summary>
/// <param name="MostExact">Beyond this many the answer is a sample, or a job: it has to be answered before the host gives up on it.</param>
public sealed record PreviewLimits(int MostExact)
{
    public static readonly PreviewLimits Default = new(SegmentPreview.LargestSample);
}

/// <summary>Who would be in a segment, before it is saved: by the evaluator that serves live events, from the timelines.</summary>
/// <remarks>
/// A shard is chosen by a hash of the profile's id, so the profiles of some shards are a fair sample of all. Whole shards are read until there are enough.
/// </remarks>
public sealed class SegmentPreview(IRowStore rows, DefinitionsRegistry definitions, PreviewLimits limits, TimeProvider time)
{
    public const int MostExamples = 10;

    public const int LargestSample = 20_000;

    private const int Parallel = 8;

    // Of the normal distribution, for 95 %.
    private const double Deviations = 1.96;

    /// <param name="sample">Profiles to look at; null for all.</param>
    /// <returns>Null where all are asked for and there are more than can be looked at here.</returns>
    /// <exception cref="ProblemException">segment-invalid</exception>
    public async Task<PreviewResult?> PreviewAsync(Condition where, int? sample, CancellationToken cancellation)
    {
        var set = await definitions.CurrentAsync(cancellation);
        var now = Instant.Now(time);
        var walk = TimelineWalk.Of(rows, where, set, now);
        if (sample is null && await IsLargeAsync(cancellation))
            return null;
        var enough = Math.Min(sample ?? limits.MostExact, limits.MostExact);
        var found = new Tally();
        var shards = 0;
        for (; shards < ProfileId.Shards && found.Scanned < enough; shards += Parallel)
        {
            var parts = await Task.WhenAll(Enumerable.Range(shards, Parallel).Select(shard => RunAsync(walk, shard, cancellation)));
            foreach (var part in parts)
                found.Add(part);
        }

        return sample is null && shards < ProfileId.Shards ? null : Result(found, shards, now);
    }

    /// <summary>Whether there are so many profiles that looking at them here need not be begun. Told by the first shards, of which no more is read than that takes.</summary>
    private async Task<bool> IsLargeAsync(CancellationToken cancellation)
    {
        // A quarter more than their share: whoever is near the limit is counted exactly.
        var most = (limits.MostExact * Parallel / ProfileId.Shards * 5 / 4) + 1;
        var count = 0;
        var (from, to) = ProfileRows.Documents(null);
        for (var shard = 0; shard < Parallel; shard++)
        {
            await foreach (var _ in rows.RangeAsync(TableName.Profiles, ProfileId.ShardName(shard), from, to, TimelineWalk.PageSize, cancellation))
            {
                if (++count > most)
                    return true;
            }
        }

        return false;
    }

    private static PreviewResult Result(Tally found, int shards, Instant now)
    {
        if (shards >= ProfileId.Shards)
            return new PreviewResult(true, found.Members, found.Members, found.Members, found.Scanned, found.Scanned, found.Examples, now);
        // Wilson's interval, which is sound for small shares too.
        var of = (long)Math.Round((double)found.Scanned * ProfileId.Shards / shards);
        double n = found.Scanned, share = found.Members / n, square = Deviations * Deviations;
        var centre = (share + (square / (2 * n))) / (1 + (square / n));
        var half = Deviations / (1 + (square / n)) * Math.Sqrt((share * (1 - share) / n) + (square / (4 * n * n)));
        return new PreviewResult(
            false, (long)Math.Round(share * of), (long)Math.Floor(Math.Max(0, centre - half) * of), (long)Math.Ceiling(Math.Min(1, centre + half) * of),
            found.Scanned, of, found.Examples, now);
    }

    private static async Task<Tally> RunAsync(TimelineWalk walk, int shard, CancellationToken cancellation)
    {
        var tally = new Tally();
        await walk.ShardAsync(shard, tally.Add, cancellation);
        return tally;
    }

    private sealed class Tally
    {
        public long Scanned { get; private set; }

        public long Members { get; private set; }

        public List<Profile> Examples { get; } = [];

        public void Add(Profile profile, bool isMember)
        {
            Scanned++;
            if (!isMember)
                return;
            Members++;
            if (Examples.Count < MostExamples)
                Examples.Add(profile);
        }

        public void Add(Tally other)
        {
            Scanned += other.Scanned;
            Members += other.Members;
            Examples.AddRange(other.Examples.Take(MostExamples - Examples.Count));
        }
    }
}
