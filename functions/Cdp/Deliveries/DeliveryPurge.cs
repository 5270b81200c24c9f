using Cdp.Destinations;
using Cdp.Events;

namespace Cdp.Deliveries;

/// <summary>Removes deliveries that are done with and old, and all of destinations that were deleted. What it does not get done the next run does.</summary>
public sealed class DeliveryPurge(DestinationStore destinations, DeliveryStore deliveries, DeliveryPolicy policy, TimeProvider time)
{
    private const int MostAtOnce = 20_000;

    public async Task RunAsync(CancellationToken cancellation)
    {
        var now = Instant.Now(time);
        var all = new List<(Destination Destination, string Version)>();
        await foreach (var entry in destinations.AllAsync(cancellation))
            all.Add(entry);
        foreach (var (destination, version) in all)
        {
            var isGone = destination.DeletedAt is not null;
            var isDone = await deliveries.PurgeAsync(destination.Id, now.Plus(-policy.Retention), isGone, MostAtOnce, cancellation);
            // A worker that had not heard of the deletion may have planned more until a moment ago.
            if (isGone && isDone && now >= destination.DeletedAt!.Value.Plus(TimeSpan.FromHours(1)))
                await destinations.ForgetAsync(destination.Id, version, cancellation);
        }
    }
}
