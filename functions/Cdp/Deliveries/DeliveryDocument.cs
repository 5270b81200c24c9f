using System.Text.Json;
using Cdp.Destinations;
using Cdp.Events;

namespace Cdp.Deliveries;

/// <summary>Deliveries on the wire.</summary>
public static class DeliveryDocument
{
    public static void Write(Utf8JsonWriter json, Delivery delivery)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, delivery.Id);
        json.WriteString("key"u8, delivery.Key);
        json.WriteString("destinationId"u8, delivery.DestinationId);
        json.WriteString("profileId"u8, delivery.ProfileId);
        json.WriteNumber("profileVersion"u8, delivery.ProfileVersion);
        DeliveryViews.WriteCause(json, delivery.Cause);
        json.WriteString("state"u8, delivery.State.Name());
        json.WriteStartArray("attempts"u8);
        foreach (var attempt in delivery.Attempts)
            Write(json, attempt);
        json.WriteEndArray();
        if (delivery.NextAttemptAt is { } next)
            json.WriteString("nextAttemptAt"u8, next.ToString());
        if (delivery.HeldBecause is { } reason)
            json.WriteString("heldBecause"u8, reason);
        json.WriteEndObject();
    }

    public static void WriteHealth(Utf8JsonWriter json, DestinationHealth health, int pending, Instant now)
    {
        json.WriteStartObject("health"u8);
        json.WriteString("breaker"u8, health.Breaker(now));
        if (health.OpenUntil is { } until && until > now)
            json.WriteString("openUntil"u8, until.ToString());
        if (health.LastSuccessAt is { } success)
            json.WriteString("lastSuccessAt"u8, success.ToString());
        json.WriteNumber("pending"u8, pending);
        json.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter json, DestinationTest test)
    {
        var exchange = test.Exchange;
        json.WriteStartObject();
        json.WriteString("outcome"u8, test.Status switch { SendStatus.Delivered => "delivered"u8, SendStatus.Refused => "refused"u8, _ => "retry"u8 });
        json.WriteStartObject("request"u8);
        json.WriteString("method"u8, exchange.Method);
        json.WriteString("url"u8, exchange.Url);
        json.WriteStartObject("headers"u8);
        foreach (var (name, value) in exchange.RequestHeaders)
            json.WriteString(name, value);
        json.WriteEndObject();
        json.WriteNumber("bytes"u8, exchange.RequestBytes);
        if (exchange.RequestBody is not null)
            json.WriteString("body"u8, exchange.RequestBody);
        json.WriteEndObject();
        if (exchange.Status is { } status)
        {
            json.WriteStartObject("response"u8);
            json.WriteNumber("status"u8, status);
            json.WriteNumber("bytes"u8, exchange.ResponseBytes ?? 0);
            if (exchange.ResponseBody is not null)
                json.WriteString("body"u8, exchange.ResponseBody);
            json.WriteEndObject();
        }

        if (exchange.Error is not null)
            json.WriteString("error"u8, exchange.Error);
        json.WriteNumber("millis"u8, test.Millis);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, DeliveryAttempt attempt)
    {
        json.WriteStartObject();
        json.WriteNumber("n"u8, attempt.N);
        json.WriteString("at"u8, attempt.At.ToString());
        json.WriteStartObject("request"u8);
        json.WriteString("method"u8, attempt.Method);
        json.WriteString("url"u8, attempt.Url);
        json.WriteNumber("bytes"u8, attempt.Bytes);
        json.WriteEndObject();
        if (attempt.Status is { } status)
        {
            json.WriteStartObject("response"u8);
            json.WriteNumber("status"u8, status);
            json.WriteNumber("bytes"u8, attempt.ResponseBytes ?? 0);
            json.WriteEndObject();
        }

        if (attempt.Error is not null)
            json.WriteString("error"u8, attempt.Error);
        json.WriteNumber("millis"u8, attempt.Millis);
        json.WriteEndObject();
    }
}
