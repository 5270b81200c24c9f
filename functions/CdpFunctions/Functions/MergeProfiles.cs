using Azure.Storage.Queues.Models;
using Cdp.Failures;
using Cdp.Processing;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Merges that events have shown to be due.</summary>
public sealed class MergeProfiles(MergeProcessor merges, FailureLog failures)
{
    [Function(nameof(MergeProfiles))]
    public Task Run([QueueTrigger("merges")] QueueMessage message, CancellationToken cancellation) =>
        merges.ProcessAsync(message.MessageText, cancellation);

    [Function("MergePoison")]
    public Task RunPoison([QueueTrigger("merges-poison")] QueueMessage message, CancellationToken cancellation) =>
        failures.RecordMessageAsync(FailureReason.MergeFailed, message.MessageText, "The merge failed every time it was tried.", cancellation);
}
