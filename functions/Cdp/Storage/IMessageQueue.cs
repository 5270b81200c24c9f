namespace Cdp.Storage;

/// <summary>Durable queues with at-least-once delivery and no order. Messages live until they are taken.</summary>
public interface IMessageQueue
{
    /// <summary>Completes when the message is durably stored. A throw says nothing about whether it was.</summary>
    /// <param name="body">At most 64 KiB of ASCII text.</param>
    /// <param name="delay">How long the message stays invisible; at most 7 days.</param>
    Task SendAsync(QueueName queue, string body, TimeSpan? delay, CancellationToken cancellation);

    /// <summary>Roughly how many messages wait, and since when the oldest visible one does.</summary>
    Task<QueueBacklog> BacklogAsync(QueueName queue, CancellationToken cancellation);
}

public enum QueueName
{
    Events,
    Merges,
    EventsPoison,
    MergesPoison,
    Segments,
    SegmentsPoison,
    Deliveries,
    DeliveriesPoison,
    Exports,
    ExportsPoison,
    Imports,
    ImportsPoison,
}

/// <param name="Messages">Approximate count, invisible messages included.</param>
/// <param name="OldestInsertedOn">When the oldest visible message was sent; null where none is visible.</param>
public readonly record struct QueueBacklog(int Messages, DateTimeOffset? OldestInsertedOn);
