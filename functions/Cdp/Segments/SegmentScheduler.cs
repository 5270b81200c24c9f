using Cdp.Events;
using Cdp.Profiles;
using Cdp.Segments.Backfill;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using Cdp.Storage;

namespace Cdp.Segments;

/// <summary>
/// Looks which shards have profiles that are due, and which await a backfill, and sends a message for each. Two at once send twice, and the second message finds
/// its work done; one that dies midway leaves the rest to the next, because notes of what is due are removed last.
/// </summary>
public sealed class SegmentScheduler(
    DueShards due, IMessageQueue queue, DefinitionsRegistry definitions, BackfillProgress progress, PreviewJobs previews)
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
        var notes = await due.ReadAsync(cancellation);
        foreach (var shard in notes.Keys)
            await SendAsync(shard, cancellation);
        await due.RemoveAsync(notes.Values.SelectMany(keys => keys), cancellation);
        await System.Threading.Tasks.Parallel.ForEachAsync(
            await due.TurnAsync(cancellation), new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellation },
            async (shard, token) =>
            {
                if (await due.LookAsync(shard, token) && !notes.ContainsKey(shard))
                    await SendAsync(shard, token);
            });
        await due.LookedAsync(cancellation);
    }

    private Task SendAsync(string shard, CancellationToken cancellation) =>
        SendAsync(new SegmentTask(SegmentWork.Due, ProfileId.ShardNumber(shard)), cancellation);

    private Task SendAsync(SegmentTask task, CancellationToken cancellation) => queue.SendAsync(QueueName.Segments, task.ToJson(), delay: null, cancellation);
}
