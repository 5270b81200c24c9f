using Azure.Storage.Queues.Models;
using Cdp.Processing;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Collected events: resolved, folded, committed. A throw lets the host deliver the message again.</summary>
public sealed class ProcessEvents(EventProcessor processor)
{
    [Function(nameof(ProcessEvents))]
    public Task Run([QueueTrigger("events")] QueueMessage message, CancellationToken cancellation) =>
        processor.ProcessAsync(message.MessageText, message.DequeueCount, cancellation);

    /// <summary>Messages that were given up: what still fails is kept in the failures table.</summary>
    [Function("ProcessPoisonEvents")]
    public Task RunPoison([QueueTrigger("events-poison")] QueueMessage message, CancellationToken cancellation) =>
        processor.BuryAsync(message.MessageText, cancellation);
}
