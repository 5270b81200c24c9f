using Cdp.Collect;
using Cdp.Ids;
using Cdp.Storage;

namespace Cdp.Failures;

/// <summary>Sends failed events through processing again, once their cause is removed.</summary>
/// <remarks>
/// Sent first, forgotten then: a crash in between leaves a failure whose event is on its way or done, and doing it again changes nothing. An
/// event that fails again before the failure is forgotten is recorded under the same id; that new failure stays.
/// </remarks>
public sealed class FailureRedriver(FailureLog failures, IMessageQueue queue, IBlobStore blobs, IdGenerator ids)
{
    /// <summary>False where there is no such failure.</summary>
    public async Task<bool> RedriveAsync(string sourceId, string id, CancellationToken cancellation)
    {
        if (await failures.GetAsync(sourceId, id, cancellation) is not { } failure)
            return false;
        if (failure.Event is { } content)
        {
            var (target, body) = failure.Reason switch
            {
                FailureReason.MergeFailed => (QueueName.Merges, content),
                FailureReason.SegmentsFailed => (QueueName.Segments, content),
                FailureReason.DeliveryFailed => (QueueName.Deliveries, content),
                FailureReason.Undecodable => (QueueName.Events, content),
                _ => (QueueName.Events, await EncodeAsync(failure, content, cancellation)),
            };
            await queue.SendAsync(target, body, delay: null, cancellation);
        }

        await failures.DeleteAsync(failure, cancellation);
        return true;
    }

    private Task<string> EncodeAsync(Failure failure, string content, CancellationToken cancellation) => EventMessageCodec.EncodeAsync(
        [new CollectedEvent(System.Text.Encoding.UTF8.GetBytes(content), failure.Historical)], blobs, ids.Next("redrive-"), cancellation);
}
