using Azure.Storage.Queues.Models;
using Cdp.Exports;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Writes exports. Those by schedule are started by the timer of <see cref="RecomputeSegments"/>.</summary>
public sealed class RunExports(ExportProcessor processor)
{
    [Function(nameof(RunExports))]
    public Task Run([QueueTrigger("exports")] QueueMessage message, CancellationToken cancellation) => processor.ProcessAsync(message.MessageText, cancellation);

    [Function("ExportsPoison")]
    public Task RunPoison([QueueTrigger("exports-poison")] QueueMessage message, CancellationToken cancellation) =>
        processor.GiveUpAsync(message.MessageText, cancellation);
}
