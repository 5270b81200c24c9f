namespace Cdp.Deliveries;

/// <summary>Takes messages of the queue <c>deliveries</c>: changes to be told, deliveries to be made, ranges to be sent again.</summary>
public sealed class DeliveryProcessor(DeliveryPlanner planner, Deliverer deliverer, DeliveryRedriver redriver)
{
    public Task ProcessAsync(string body, CancellationToken cancellation)
    {
        var message = DeliveryMessage.Parse(body);
        if (message.Deliver is { } task)
            return deliverer.DeliverAsync(task, cancellation);
        return message.Redrive is { } range ? redriver.ContinueAsync(range, cancellation) : planner.PlanAsync(Change.Parse(body), cancellation);
    }
}
