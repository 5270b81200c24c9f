using Azure.Storage.Queues;
using Cdp.Storage;

namespace CdpFunctions.Storage;

/// <summary>Messages in storage queues, as they are: encoding is the business of who writes the body.</summary>
public sealed class StorageMessageQueue : IMessageQueue
{
    // Without it a message would vanish after seven days.
    private static readonly TimeSpan Forever = TimeSpan.FromSeconds(-1);

    private readonly QueueClient[] queues;

    public StorageMessageQueue(QueueServiceClient service)
    {
        queues = [.. Enum.GetValues<QueueName>().Select(queue => service.GetQueueClient(StorageNames.Of(queue)))];
    }

    public Task SendAsync(QueueName queue, string body, TimeSpan? delay, CancellationToken cancellation) =>
        queues[(int)queue].SendMessageAsync(body, delay, Forever, cancellation);

    public async Task<QueueBacklog> BacklogAsync(QueueName queue, CancellationToken cancellation)
    {
        var client = queues[(int)queue];
        var properties = client.GetPropertiesAsync(cancellation);
        var first = await client.PeekMessagesAsync(1, cancellation);
        var count = (await properties).Value.ApproximateMessagesCount;
        return new QueueBacklog(count, first.Value is [{ } oldest, ..] ? oldest.InsertedOn : null);
    }
}
