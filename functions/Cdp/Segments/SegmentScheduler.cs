using Cdp.Events;
using Cdp.Profiles;
using Cdp.Segments.Backfill;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using Cdp.Storage;

namespace Cdp.Segments;

/// <summary>
/// Looks which shards have profiles that are due, and which await a backfill, and sends a message for each. Two at once send twice, and the second message finds
/// its work done; one that dies midway leaves the rest to the next.
/// </summary>
public sealed class SegmentScheduler(IRowStore rows, IMessageQueue queue, DefinitionsRegistry definitions, BackfillProgress progress, PreviewJobs previews, TimeProvider time)
{
    // Few, so that live traffic keeps its latency.
    private const int Parallel = 4;

    public async Task ScheduleAsync(CancellationToken cancellation)
    {
        await previews.SweepAsync(cancellation);
        var set = await definitions.CurrentAsync(cancellation);
        // Nothing was ever defined: nothing can be due.
        if (set.IsEmpty)
            return;
        foreach (var shard in await progress.StartsAsync(set, cancellation))
            await SendAsync(new SegmentTask(SegmentWork.Backfill, shard), cancellation);
        var (from, to) = ProfileRows.DueBy(Instant.Now(time));
        await System.Threading.Tasks.Parallel.ForAsync(
            0, ProfileId.Shards, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellation },
            async (shard, token) =>
            {
                await foreach (var _ in rows.RangeAsync(TableName.Profiles, ProfileId.ShardName(shard), from, to, pageSize: 1, token))
                {
                    await SendAsync(new SegmentTask(SegmentWork.Due, shard), token);
                    break;
                }
            });
    }

    private Task SendAsync(SegmentTask task, CancellationToken cancellation) => queue.SendAsync(QueueName.Segments, task.ToJson(), delay: null, cancellation);
}
