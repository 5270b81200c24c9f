using Cdp.Identity;
using Cdp.Storage;

namespace Cdp.Processing;

/// <summary>Takes messages of the <c>merges</c> queue.</summary>
public sealed class MergeProcessor(ProfileMerger merger, IMessageQueue queue)
{
    // Longer than a merge of ordinary profiles takes, short enough that nobody waits for it.
    private static readonly TimeSpan Postponement = TimeSpan.FromSeconds(2);

    public async Task ProcessAsync(string body, CancellationToken cancellation)
    {
        var progress = await merger.MergeAsync(MergeRequest.Parse(body), cancellation);
        if (progress == MergeProgress.Postponed)
            await queue.SendAsync(QueueName.Merges, body, Postponement, cancellation);
    }
}
