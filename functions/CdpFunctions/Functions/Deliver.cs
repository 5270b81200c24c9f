using Azure.Storage.Queues.Models;
using Cdp.Deliveries;
using Cdp.Failures;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Changes that other systems may want to know.</summary>
public sealed class Deliver(FailureLog failures)
{
    // No destination can be defined yet: a change is read, and nobody is told.
    [Function(nameof(Deliver))]
    public static void Run([QueueTrigger("deliveries")] QueueMessage message) => Change.Parse(message.MessageText);

    [Function("DeliverPoison")]
    public Task RunPoison([QueueTrigger("deliveries-poison")] QueueMessage message, CancellationToken cancellation) =>
        failures.RecordMessageAsync(FailureReason.DeliveryFailed, message.MessageText, "Nobody could be told of the change, every time it was tried.", cancellation);
}
