using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cdp.Stats;

/// <summary>What happened in one minute, or the sum of several, for one source (empty: not of a source).</summary>
internal sealed class StatsCounts
{
    public long Received { get; set; }

    public long Accepted { get; set; }

    public long Committed { get; set; }

    public long Duplicates { get; set; }

    public long Conflicts { get; set; }

    public long Merges { get; set; }

    /// <summary>By the problem's code.</summary>
    public Dictionary<string, long> Rejected { get; init; } = [];

    /// <summary>By the failure's reason.</summary>
    public Dictionary<string, long> Failed { get; init; } = [];

    public LatencyHistogram Latency { get; init; } = new();

    public void Add(StatsCounts other)
    {
        Received += other.Received;
        Accepted += other.Accepted;
        Committed += other.Committed;
        Duplicates += other.Duplicates;
        Conflicts += other.Conflicts;
        Merges += other.Merges;
        Add(Rejected, other.Rejected);
        Add(Failed, other.Failed);
        Latency.Add(other.Latency);
    }

    public static void Add(Dictionary<string, long> counts, string reason, long count) =>
        counts[reason] = counts.GetValueOrDefault(reason) + count;

    private static void Add(Dictionary<string, long> counts, Dictionary<string, long> other)
    {
        foreach (var (reason, count) in other)
            Add(counts, reason, count);
    }
}

/// <summary>
/// A histogram whose buckets grow by a fixed ratio, so that a quantile is right within a tenth from a millisecond to years, in a few
/// numbers that can be added up across processes.
/// </summary>
internal sealed class LatencyHistogram
{
    private const double Smallest = 0.001;
    private const int BucketsPerDoubling = 4;

    // 2^30 milliseconds are 12 days; what is later is as bad.
    private const int LastBucket = 30 * BucketsPerDoubling;

    /// <summary>Counts by bucket; bucket b holds what is above the bound of b-1 and not above its own.</summary>
    public Dictionary<int, long> Buckets { get; init; } = [];

    public void Record(double seconds)
    {
        var bucket = seconds <= Smallest ? 0 : Math.Min((int)Math.Ceiling(BucketsPerDoubling * Math.Log2(seconds / Smallest)), LastBucket);
        Buckets[bucket] = Buckets.GetValueOrDefault(bucket) + 1;
    }

    public void Add(LatencyHistogram other)
    {
        foreach (var (bucket, count) in other.Buckets)
            Buckets[bucket] = Buckets.GetValueOrDefault(bucket) + count;
    }

    /// <summary>Seconds that this share of the values does not exceed, rounded up to a bucket's bound; null without values.</summary>
    public double? Quantile(double share)
    {
        var needed = Math.Max(1, Math.Ceiling(share * Buckets.Values.Sum()));
        foreach (var (bucket, count) in Buckets.OrderBy(b => b.Key))
        {
            needed -= count;
            if (needed <= 0)
                return Math.Round(Smallest * Math.Pow(2, (double)bucket / BucketsPerDoubling), 4);
        }

        return null;
    }
}

/// <summary>A part of the number of profiles. See <see cref="StatsRows"/>.</summary>
/// <param name="By">The instance that wrote last.</param>
/// <param name="Write">Which of its writes that was: so it knows a write of its own whose answer got lost.</param>
internal sealed record StatsTotal(long Profiles, long Identified, string By, long Write);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(Dictionary<string, StatsCounts>))]
[JsonSerializable(typeof(StatsTotal))]
internal sealed partial class StatsJson : JsonSerializerContext;
