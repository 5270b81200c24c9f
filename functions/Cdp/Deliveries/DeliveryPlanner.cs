using Cdp.Catalog;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Stats;
using Cdp.Storage;

namespace Cdp.Deliveries;

/// <summary>These fields of this profile to this destination, once for each key.</summary>
/// <param name="Key">Names it at the destination: planned again under the same key and time it changes nothing.</param>
/// <param name="At">When the reason for it came about; part of the delivery's identity, so the same at every repetition.</param>
public sealed record DeliveryRequest(string DestinationId, string Key, ProfileId Profile, long ProfileVersion, Instant At, DeliveryCause Cause, DeliveryShape Shape)
{
    /// <summary>Not before that time.</summary>
    public TimeSpan? Delay { get; init; }

    /// <summary>It is noted and not sent, for this reason.</summary>
    public string? HeldBecause { get; init; }
}

/// <summary>Finds out who is to be told of a change, and plans a delivery for each.</summary>
/// <remarks>
/// <para>
/// A delivery's id comes from its destination, key and time, so planning again finds the row. The row is written first and the message sent then. Dies before the row:
/// the change comes again. Dies between row and message: the change comes again, finds the row pending, and sends the message. Dies after it: the change comes again
/// and sends a second message, which finds the delivery done or in other hands.
/// </para>
/// <para>Two workers with the same change: one inserts, both send a message; the delivery is claimed by one.</para>
/// </remarks>
public sealed class DeliveryPlanner(DestinationRegistry destinations, DestinationTypes types, DeliveryStore deliveries, DeliveryViews views, IMessageQueue queue, IConsents consents)
{
    public const string NoConsent = "consent:";

    public async Task PlanAsync(Change change, CancellationToken cancellation)
    {
        var set = await destinations.CurrentAsync(cancellation);
        if (set.Enabled.Count == 0)
            return;
        FoundProfile? found = null;
        Event? e = null;
        foreach (var ready in set.Enabled)
        {
            // What is imported is past: nobody is to be greeted for it. Who mirrors persons needs it all the same.
            var mirrors = types.Find(ready.Destination.Type)?.IsState == true;
            if (change is { Historical: true, Kind: not ChangeKind.Profile } && !mirrors)
                continue;
            foreach (var subscription in ready.Subscriptions)
            {
                // A mirror has to know what it was told and what it knows of itself; what does not go back to it is decided for each property.
                if (subscription.IsBroken || (!mirrors && subscription.Excepts(change.SourceId)) || !Matches(subscription, change))
                    continue;
                // Nobody to speak of: erased, or never more than a claim.
                found ??= await views.FindAsync(change.ProfileId.Value, cancellation);
                if (found is null)
                    return;
                if (change.Kind == ChangeKind.Event)
                {
                    e ??= await views.EventAsync(found, change.ProfileId, Cause(change), cancellation);
                    if (e is null || !MatchesEvent(subscription, e))
                        continue;
                }

                var wanted = subscription.Subscription;
                await PlanAsync(
                    new DeliveryRequest(
                        ready.Destination.Id, change.Id, change.ProfileId, change.ProfileVersion, change.At, Cause(change),
                        new DeliveryShape(wanted.Traits, wanted.Mapping, wanted.RequireConsent)),
                    found.Profile, cancellation);
                // A change is told to a destination once: the first subscription that takes it says how.
                break;
            }
        }
    }

    /// <summary>Plans one delivery; see <see cref="DeliveryRequest"/>. Returns its id, or null where the profile is not there.</summary>
    public async Task<string?> PlanAsync(DeliveryRequest request, CancellationToken cancellation) =>
        await views.FindAsync(request.Profile.Value, cancellation) is { } found ? await PlanAsync(request, found.Profile, cancellation) : null;

    /// <summary>The first category that is needed and not given; null where nothing is in the way.</summary>
    internal string? Missing(Profile profile, DeliveryShape shape)
    {
        foreach (var category in shape.RequireConsent ?? [])
        {
            if (!consents.IsGiven(profile, category))
                return NoConsent + category;
        }

        return null;
    }

    private async Task<string> PlanAsync(DeliveryRequest request, Profile profile, CancellationToken cancellation)
    {
        var id = Delivery.IdOf(request.DestinationId, request.Key, request.At);
        var held = request.HeldBecause ?? Missing(profile, request.Shape);
        var delivery = new Delivery(
            id, request.Key, request.DestinationId, request.Profile.Value, request.ProfileVersion, request.Cause, request.Shape,
            held is null ? DeliveryState.Queued : DeliveryState.Held, request.At.Plus(request.Delay ?? TimeSpan.Zero))
        {
            HeldBecause = held,
            NextAttemptAt = request.Delay is { } delay ? request.At.Plus(delay) : null,
        };
        if (await deliveries.AddAsync(delivery, cancellation))
            Telemetry.Delivered(request.DestinationId, held is null ? "queued" : "held");
        else
            delivery = await deliveries.FindAsync(request.DestinationId, id, cancellation) ?? delivery;
        if (delivery.IsPending)
            await queue.SendAsync(QueueName.Deliveries, new DeliveryMessage(new DeliveryTask(request.DestinationId, id, delivery.QueuedAt)).ToJson(), request.Delay, cancellation);
        return id;
    }

    private static bool Matches(ReadySubscription subscription, Change change) => change.Kind switch
    {
        ChangeKind.SegmentEntered => subscription.TakesSegment(change.SegmentId ?? "", entered: true),
        ChangeKind.SegmentExited => subscription.TakesSegment(change.SegmentId ?? "", entered: false),
        ChangeKind.Event => subscription.Subscription.On == SubscriptionOn.Event,
        _ => subscription.TakesProfile(change.Traits),
    };

    private static bool MatchesEvent(ReadySubscription subscription, Event e) =>
        EventNames.Of(e) is { } name && subscription.TakesEvent(name) && subscription.Filter?.Holds(e) != false;

    private static DeliveryCause Cause(Change change) => new(
        change.Kind switch
        {
            ChangeKind.SegmentEntered => DeliveryCause.SegmentEntered,
            ChangeKind.SegmentExited => DeliveryCause.SegmentExited,
            ChangeKind.Event => DeliveryCause.Event,
            _ => DeliveryCause.ProfileChanged,
        },
        change.SegmentId, change.SourceId, change.MessageId, change.Timestamp);
}
