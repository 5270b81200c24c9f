using Cdp.Exports;
using Cdp.Processing;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Sends effects that a worker committed and then died before sending, and the messages of exports that nobody works on.</summary>
public sealed class SweepOutbox(Outbox outbox, ExportScheduler exports)
{
    // Every five minutes: 256 small queries, under ten cents a month when idle.
    [Function(nameof(SweepOutbox))]
    public Task Run([TimerTrigger("0 */5 * * * *")] TimerInfo timer, CancellationToken cancellation) =>
        Task.WhenAll(outbox.SweepAsync(cancellation), exports.ResumeAsync(cancellation));
}
