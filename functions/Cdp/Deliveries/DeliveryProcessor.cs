using Cdp.Segments.Language;
using Cdp.Triggers;

namespace Cdp.Deliveries;

/// <summary>Takes messages of the queue <c>deliveries</c>: changes to be told and decided about, deliveries to be made, ranges to be sent again.</summary>
public sealed class DeliveryProcessor(DeliveryPlanner planner, TriggerPlanner triggers, Deliverer deliverer, DeliveryRedriver redriver)
{
    public async Task ProcessAsync(string body, CancellationToken cancellation)
    {
        var message = DeliveryMessage.Parse(body);
        if (message.Deliver is { } task)
            await deliverer.DeliverAsync(task, cancellation);
        else if (message.Redrive is { } range)
            await redriver.ContinueAsync(range, cancellation);
        else if (message.Trigger is { } waited)
            await triggers.ContinueAsync(waited, cancellation);
        else
            await TellAsync(Change.Parse(body), cancellation);
    }

    private async Task TellAsync(Change change, CancellationToken cancellation)
    {
        // The segment of a trigger is nobody else's business.
        if (change.SegmentId is null || !DefinitionIds.IsHidden(change.SegmentId))
            await planner.PlanAsync(change, cancellation);
        await triggers.PlanAsync(change, cancellation);
    }
}
