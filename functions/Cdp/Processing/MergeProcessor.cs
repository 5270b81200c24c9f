using Cdp.Events;
using Cdp.Identity;
using Cdp.Segments;
using Cdp.Storage;

namespace Cdp.Processing;

/// <summary>Takes messages of the <c>merges</c> queue: merges that events have shown to be due, and unmerges that people ask for.</summary>
/// <remarks>
/// What is not finished in one message is sent again before this one is deleted: dies in between, both come, and whichever is late finds its work done.
/// </remarks>
public sealed class MergeProcessor(ProfileMerger merger, ProfileSplitter splitter, SegmentUpdater segments, IMessageQueue queue, TimeProvider time)
{
    /// <summary>The work of one message.</summary>
    public static readonly TimeSpan Allowed = TimeSpan.FromSeconds(30);

    // Longer than a merge of ordinary profiles takes, short enough that nobody waits for it.
    private static readonly TimeSpan Postponement = TimeSpan.FromSeconds(2);

    public async Task ProcessAsync(string body, CancellationToken cancellation)
    {
        var deadline = new Deadline(time, Allowed);
        MergeProgress progress;
        if (UnmergeRequest.TryParse(body) is { } unmerge)
        {
            progress = await splitter.SplitAsync(unmerge, deadline, cancellation);
        }
        else
        {
            var request = MergeRequest.Parse(body);
            progress = await merger.MergeAsync(request, deadline, cancellation);
            // The two are one person: their segments need not wait for the timer.
            if (progress == MergeProgress.Done)
            {
                // Somebody may have been found to have abandoned a cart on either side: the two together have it still, unless an order may be waiting.
                var oldest = (await queue.BacklogAsync(QueueName.Events, cancellation)).OldestInsertedOn;
                await segments.SettleAsync(request.First, oldest is { } at ? Instant.Of(at) : null, cancellation);
            }
        }

        if (progress is MergeProgress.Postponed or MergeProgress.Unfinished)
            await queue.SendAsync(QueueName.Merges, body, progress == MergeProgress.Postponed ? Postponement : null, cancellation);
    }
}
