using Azure.Storage.Queues.Models;
using Cdp.Deliveries;
using Cdp.Failures;
using Cdp.Triggers;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Changes that other systems want to know, and their way there.</summary>
public sealed class Deliver(DeliveryProcessor processor, DeliveryPurge purge, TriggerPurge triggers, FailureLog failures)
{
    [Function(nameof(Deliver))]
    public Task Run([QueueTrigger("deliveries")] QueueMessage message, CancellationToken cancellation) => processor.ProcessAsync(message.MessageText, cancellation);

    [Function("DeliverPoison")]
    public Task RunPoison([QueueTrigger("deliveries-poison")] QueueMessage message, CancellationToken cancellation) =>
        failures.RecordMessageAsync(FailureReason.DeliveryFailed, message.MessageText, "Nobody could be told of the change, every time it was tried.", cancellation);

    // Once a night: nobody waits for it.
    [Function("PurgeDeliveries")]
    public async Task Purge([TimerTrigger("0 40 3 * * *")] TimerInfo timer, CancellationToken cancellation)
    {
        await purge.RunAsync(cancellation);
        await triggers.RunAsync(cancellation);
    }
}
