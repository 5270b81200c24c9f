using Azure.Storage.Queues.Models;
using Cdp.Exports;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Exports by schedule, and the writing of all exports.</summary>
public sealed class RunExports(ExportScheduler scheduler, ExportProcessor processor)
{
    // Every minute, as schedules are to the minute for whoever writes them: one small read while nothing is due.
    [Function("StartExports")]
    public Task Start([TimerTrigger("0 * * * * *")] TimerInfo timer, CancellationToken cancellation) => scheduler.StartDueAsync(cancellation);

    [Function("ResumeExports")]
    public Task Resume([TimerTrigger("15 */10 * * * *")] TimerInfo timer, CancellationToken cancellation) => scheduler.ResumeAsync(cancellation);

    [Function(nameof(RunExports))]
    public Task Run([QueueTrigger("exports")] QueueMessage message, CancellationToken cancellation) => processor.ProcessAsync(message.MessageText, cancellation);

    [Function("ExportsPoison")]
    public Task RunPoison([QueueTrigger("exports-poison")] QueueMessage message, CancellationToken cancellation) =>
        processor.GiveUpAsync(message.MessageText, cancellation);
}
