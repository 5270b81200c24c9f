using Cdp.Destinations;
using Cdp.Events;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Profiles;

namespace Cdp.Deliveries;

/// <param name="Millis">From the request to the answer.</param>
public sealed record DestinationTest(Exchange Exchange, SendStatus Status, long Millis);

/// <summary>Sends one delivery at once and shows what went and what came back. It is no delivery of its own: nothing is noted, and it is not repeated.</summary>
public sealed class DestinationTester(
    DestinationTypes types, SecretVault secrets, DeliveryViews views, DeliveryPlanner planner, DeliveryPolicy policy, IdGenerator ids, TimeProvider time)
{
    private static readonly ProfileId Sample = new("prf_00000000000000000000000000");

    /// <param name="profileKey">Whom it is about; null for somebody made up.</param>
    /// <param name="subscription">Which of the destination's subscriptions shapes it.</param>
    /// <exception cref="ProblemException">The profile is not there, or has not agreed; the subscription is none; what it gives cannot be sent.</exception>
    public async Task<DestinationTest> TestAsync(Destination destination, string? profileKey, int subscription, CancellationToken cancellation)
    {
        var type = types.Find(destination.Type) ?? throw Invalid("type", "not in this version of the app");
        if (subscription != 0 && subscription >= destination.Subscriptions.Count)
            throw Invalid("subscription", $"none: the destination has {destination.Subscriptions.Count}");
        var wanted = subscription < destination.Subscriptions.Count ? destination.Subscriptions[subscription] : new Subscription(SubscriptionOn.Profile);
        var shape = new DeliveryShape(wanted.Traits, wanted.Mapping, wanted.RequireConsent);
        var id = ids.Next(Delivery.IdPrefix);
        var view = profileKey is null ? MadeUp(id, wanted) : await ReadAsync(id, profileKey, wanted, shape, cancellation);
        Outgoing outgoing;
        try
        {
            if (type.Unsendable(view.Json) is { } reason)
                throw Invalid("profile", reason);
            var payload = shape.Mapping is { } mapping ? Mapping.Parse(mapping, "mapping", [])!.Apply(view.Json) : type.Standard(view);
            outgoing = new Outgoing(id, "test:" + id, view.Profile.Id.Value, view.Profile.Version, "test", view.Json, payload);
        }
        catch (TemplateException failed)
        {
            throw new ProblemException(ProblemType.MappingInvalid, failed.Message);
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var timer = time.CreateTimer(static state => ((CancellationTokenSource)state!).Cancel(), patience, policy.AttemptTimeout, Timeout.InfiniteTimeSpan);
        var began = time.GetTimestamp();
        SendResult result;
        try
        {
            result = await type.SendAsync(await Deliverer.TargetAsync(destination, secrets, cancellation), [outgoing], patience.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            result = new SendResult(SendStatus.Retry, new Exchange("", "", 0, Error: $"No answer within {policy.AttemptTimeout.TotalSeconds:0.#} s."));
        }
        catch (SecretException missing)
        {
            throw Invalid("secrets", missing.Message);
        }

        return new DestinationTest(result.Exchange, result.Status, (long)time.GetElapsedTime(began).TotalMilliseconds);
    }

    private async Task<DeliveryView> ReadAsync(string id, string profileKey, Subscription wanted, DeliveryShape shape, CancellationToken cancellation)
    {
        var view = await views.ReadAsync(id, "test:" + id, profileKey, new DeliveryCause("test", wanted.Segments?[0]), shape.Traits, ofReceiver: null, cancellation)
            ?? throw new ProblemException(ProblemType.ProfileNotFound, "No profile has this id or identifier.");
        return planner.Missing(view.Profile, shape) is { } missing ? throw Invalid("profile", $"held: {missing}") : view;
    }

    private DeliveryView MadeUp(string id, Subscription wanted)
    {
        var now = Instant.Now(time).ToString();
        var json = PayloadText.Element(writer =>
        {
            writer.WriteStartObject();
            writer.WriteStartObject("delivery"u8);
            writer.WriteString("id"u8, id);
            writer.WriteString("key"u8, "test:" + id);
            writer.WriteEndObject();
            DeliveryViews.WriteCause(writer, new DeliveryCause("test", wanted.Segments is { Count: > 0 } segments ? segments[0] : null));
            writer.WritePropertyName("profile"u8);
            writer.WriteRawValue($$"""
                {"id":"{{Sample}}","version":1,"identifiers":{"user_id":["sample"],"email":["sample@example.com"]},
                 "traits":{"firstName":"Sam","lastName":"Sample"},"computedTraits":{},"segments":[]}
                """);
            if (wanted.On == SubscriptionOn.Event)
            {
                writer.WritePropertyName("event"u8);
                writer.WriteRawValue($$$"""
                    {"type":"track","messageId":"sample","sourceId":"sample","timestamp":"{{{now}}}","receivedAt":"{{{now}}}","event":"Sample","userId":"sample","properties":{}}
                    """);
            }

            writer.WriteEndObject();
        });
        return new DeliveryView(new Profile(Sample) { Version = 1 }, json, IsWhole: true);
    }

    private static ProblemException Invalid(string path, string reason) =>
        new(new Problem(ProblemType.InvalidField, $"The destination cannot be tested. {path}: {reason}.", [new ProblemError(path, reason)]));
}
