using Azure.Storage.Queues.Models;
using Cdp.Exports;
using Cdp.Failures;
using Cdp.Segments;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Segments that change without an event: because time passes, or because definitions are new. And what is due by their export schedules.</summary>
public sealed class RecomputeSegments(SegmentScheduler scheduler, SegmentProcessor processor, ExportScheduler exports, FailureLog failures)
{
    // Every minute: an absence is given a minute of grace anyway. Two small reads while nothing is defined; afterwards about ten. Work itself goes through the queue, so that a
    // minute in which nothing is due costs nothing more.
    // Exports share the timer, because every execution is billed for a second at least, whatever it does; neither keeps the other from being done.
    [Function(nameof(RecomputeSegments))]
    public Task Run([TimerTrigger("30 * * * * *")] TimerInfo timer, CancellationToken cancellation) =>
        Task.WhenAll(scheduler.ScheduleAsync(cancellation), exports.StartDueAsync(cancellation));

    [Function("UpdateSegments")]
    public Task RunShard([QueueTrigger("segments")] QueueMessage message, CancellationToken cancellation) => processor.ProcessAsync(message.MessageText, cancellation);

    [Function("SegmentsPoison")]
    public async Task RunPoison([QueueTrigger("segments-poison")] QueueMessage message, CancellationToken cancellation)
    {
        await processor.BuryAsync(message.MessageText, cancellation);
        await failures.RecordMessageAsync(
            FailureReason.SegmentsFailed, message.MessageText, "Segments of a shard could not be brought up to date, every time it was tried.", cancellation);
    }
}
