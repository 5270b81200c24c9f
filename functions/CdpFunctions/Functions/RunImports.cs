using Azure.Storage.Queues.Models;
using Cdp.Failures;
using Cdp.Imports;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Files that are imported, chunk by chunk. The queue has the app's own messages and, in Azure, what Event Grid says of uploads.</summary>
public sealed class RunImports(ImportProcessor processor, FailureLog failures)
{
    [Function(nameof(RunImports))]
    public Task Run([QueueTrigger("imports")] QueueMessage message, CancellationToken cancellation) => processor.ProcessAsync(message.MessageText, cancellation);

    [Function("ImportsPoison")]
    public async Task RunPoison([QueueTrigger("imports-poison")] QueueMessage message, CancellationToken cancellation)
    {
        try
        {
            await processor.GiveUpAsync(message.MessageText, cancellation);
        }
        catch (FormatException exception)
        {
            await failures.RecordMessageAsync(FailureReason.Undecodable, message.MessageText, exception.Message, cancellation);
        }
    }

    // Every ten minutes: one small query, next to nothing.
    [Function("SweepImports")]
    public Task RunSweep([TimerTrigger("15 */10 * * * *")] TimerInfo timer, CancellationToken cancellation) => processor.SweepAsync(cancellation);
}
