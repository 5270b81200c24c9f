using Cdp.Events;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Storage;

namespace Cdp.Deliveries;

/// <summary>Sends again what was given up, held back, or taken already: under its old key, with the profile as it is now.</summary>
/// <remarks>
/// The row is brought back first and the message sent then. Dies in between: the row is pending without a message. The call is made again, or the message of the range
/// comes again, and finds it pending: a pending one gets another message.
/// </remarks>
public sealed class DeliveryRedriver(DeliveryStore deliveries, IMessageQueue queue, IdGenerator ids, TimeProvider time)
{
    /// <summary>The work of one message.</summary>
    public static readonly TimeSpan Allowed = TimeSpan.FromSeconds(30);

    /// <summary>False where there is no such delivery.</summary>
    public async Task<bool> RedriveAsync(string destination, string id, CancellationToken cancellation)
    {
        while (await deliveries.FindAsync(destination, id, cancellation) is { } delivery)
        {
            if (await RequeueAsync(delivery, null, Instant.Now(time), cancellation))
                return true;
        }

        return false;
    }

    /// <summary>Begins with all of a state in a time range; the rest is done from the queue.</summary>
    public Task BeginAsync(string destination, DeliveryState state, Instant from, Instant to, CancellationToken cancellation) =>
        SendAsync(new RedriveTask(ids.Next(""), destination, state, from, to, Instant.Now(time)), cancellation);

    public async Task ContinueAsync(RedriveTask task, CancellationToken cancellation)
    {
        var deadline = new Deadline(time, Allowed);
        await foreach (var delivery in deliveries.ListAsync(task.Destination, task.From, task.To, task.After, cancellation))
        {
            if (deadline.IsOver)
            {
                await SendAsync(task, cancellation);
                return;
            }

            // Brought back by this redrive before it was interrupted: its message may not have been sent.
            if (delivery.State == task.State || (delivery.IsPending && delivery.Redrive == task.Id))
                await RequeueAsync(delivery, task.Id, task.At, cancellation);
            task = task with { After = delivery.Id };
        }
    }

    private Task SendAsync(RedriveTask task, CancellationToken cancellation) =>
        queue.SendAsync(QueueName.Deliveries, new DeliveryMessage(Redrive: task).ToJson(), delay: null, cancellation);

    /// <summary>False where it was changed meanwhile.</summary>
    private async Task<bool> RequeueAsync(Delivery delivery, string? redrive, Instant at, CancellationToken cancellation)
    {
        if (!delivery.IsPending)
        {
            var again = delivery with
            {
                State = DeliveryState.Queued, QueuedAt = at, Rounds = 0, NextAttemptAt = null, ClaimedUntil = null, HeldBecause = null, Alone = false, SendAll = true, Redrive = redrive,
            };
            if (await deliveries.RequeueAsync(again, cancellation) is not { } requeued)
                return false;
            delivery = requeued;
        }

        await queue.SendAsync(QueueName.Deliveries, new DeliveryMessage(new DeliveryTask(delivery.DestinationId, delivery.Id, delivery.QueuedAt)).ToJson(), delay: null, cancellation);
        return true;
    }
}
