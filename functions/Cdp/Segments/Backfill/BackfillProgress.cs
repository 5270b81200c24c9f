using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Storage;

namespace Cdp.Segments.Backfill;

/// <summary>How far the backfill of one shard has come.</summary>
/// <param name="Epoch">The definitions epoch it is done for.</param>
/// <param name="Position">The last profile done; empty for none.</param>
/// <param name="Done">Profiles visited.</param>
/// <param name="CompleteEpoch">The latest epoch for which the shard was done whole.</param>
/// <param name="Total">How many profiles there were then.</param>
/// <param name="At">When this was written, in milliseconds.</param>
public sealed record ShardProgress(long Epoch, string Position, long Done, bool IsWhole, long CompleteEpoch, long Total, long At);

/// <summary>Whether the members of a segment are those of its present version, and how far that is.</summary>
public readonly record struct SegmentProgress(bool IsLive, long Done, long Total);

/// <summary>Progress of backfills in table <c>config</c>, partition <c>segment-backfill</c>: a row for each shard.</summary>
public sealed class BackfillProgress(IRowStore rows, TimeProvider time)
{
    /// <summary>
    /// Shards worked on at once: a shard is followed by the one that many after it. Few, so that live traffic keeps its latency.
    /// </summary>
    public const int Lanes = 4;

    /// <summary>A shard whose row was not written for so long has been given up, and is begun again.</summary>
    public static readonly TimeSpan GivenUpAfter = TimeSpan.FromSeconds(90);

    private const string Partition = "segment-backfill";

    /// <summary>The first shard of each lane in which nobody is at work though there is some.</summary>
    public async Task<IReadOnlyList<int>> StartsAsync(DefinitionSet set, CancellationToken cancellation)
    {
        var all = await AllAsync(cancellation);
        var starts = new List<int>();
        var fresh = Instant.Now(time).Plus(-GivenUpAfter).Milliseconds;
        for (var lane = 0; lane < Lanes; lane++)
        {
            for (var shard = lane; shard < ProfileId.Shards; shard += Lanes)
            {
                if (all[shard] is { IsWhole: true } done && done.Epoch >= set.BackfillEpoch)
                    continue;
                var before = shard - Lanes >= 0 ? all[shard - Lanes] : null;
                // The one before may just have been finished, its worker being here now.
                var isActive = IsActive(all[shard], set, fresh) || IsActive(before, set, fresh);
                if (!isActive)
                    starts.Add(shard);
                break;
            }
        }

        return starts;
    }

    public async Task<SegmentProgress> OfAsync(StoredSegment segment, DefinitionSet set, CancellationToken cancellation)
    {
        var all = await AllAsync(cancellation);
        var (live, done, whole, ofWhole, known) = (true, 0L, 0, 0L, 0L);
        foreach (var shard in all)
        {
            live &= shard?.CompleteEpoch >= segment.Head.Epoch;
            var isCurrent = shard?.Epoch == set.BackfillEpoch;
            done += isCurrent ? shard!.Done : 0;
            known += Math.Max(shard?.Total ?? 0, isCurrent ? shard!.Done : 0);
            if (isCurrent && shard!.IsWhole)
                (whole, ofWhole) = (whole + 1, ofWhole + shard.Done);
        }

        // Profiles are spread evenly: what the finished shards have tells what all have.
        var estimate = whole > 0 ? ofWhole * all.Length / whole : 0;
        return new SegmentProgress(live, done, Math.Max(Math.Max(known, estimate), done));
    }

    /// <summary>All shards, with their versions, in one read.</summary>
    public async Task<(ShardProgress? Progress, string? Version)[]> ReadAsync(CancellationToken cancellation)
    {
        var all = new (ShardProgress?, string?)[ProfileId.Shards];
        await foreach (var row in rows.RangeAsync(TableName.Config, Partition, "", "~", ProfileId.Shards, cancellation))
            all[Convert.ToInt32(row.Key, 16)] = (Read(row), row.Version);
        return all;
    }

    /// <summary>The new version; null where somebody else was quicker.</summary>
    public async Task<string?> SaveAsync(int shard, ShardProgress progress, string? version, CancellationToken cancellation)
    {
        var data = JsonSerializer.SerializeToUtf8Bytes(progress with { At = Instant.Now(time).Milliseconds }, BackfillJson.Default.ShardProgress);
        var key = ProfileId.ShardName(shard);
        var write = version is null ? RowWrite.Insert(key, data) : RowWrite.Replace(key, data, version);
        var result = await rows.CommitAsync(TableName.Config, Partition, [write], cancellation);
        return result.Committed ? result.Versions[0] : null;
    }

    private async Task<ShardProgress?[]> AllAsync(CancellationToken cancellation) =>
        Array.ConvertAll(await ReadAsync(cancellation), static shard => shard.Progress);

    private static bool IsActive(ShardProgress? shard, DefinitionSet set, long fresh) => shard?.Epoch == set.BackfillEpoch && shard.At > fresh;

    private static ShardProgress Read(Row row) => JsonSerializer.Deserialize(row.Data.Span, BackfillJson.Default.ShardProgress)
        ?? throw new InvalidDataException("The row of a backfill is null.");
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(ShardProgress))]
internal sealed partial class BackfillJson : JsonSerializerContext;
