using System.Text.Json;

namespace Cdp.Failures;

/// <summary>Failures on the wire.</summary>
public static class FailureDocument
{
    public static void Write(Utf8JsonWriter json, Failure failure)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, failure.Id);
        Write(json, "sourceId", failure.SourceId);
        Write(json, "messageId", failure.MessageId);
        json.WriteString("reason"u8, failure.Reason);
        json.WriteString("detail"u8, failure.Detail);
        json.WriteString("at"u8, failure.At.ToString());
        Write(json, "profileId", failure.ProfileId);
        if (failure.Event is { } content)
        {
            // What could not be read is no JSON.
            if (failure.Reason is FailureReason.Undecodable or FailureReason.MergeFailed or FailureReason.SegmentsFailed or FailureReason.DeliveryFailed)
            {
                json.WriteString("message"u8, content);
            }
            else
            {
                json.WritePropertyName("event"u8);
                json.WriteRawValue(content, skipInputValidation: true);
            }
        }

        if (failure.Historical)
            json.WriteBoolean("historical"u8, true);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
            json.WriteString(name, value);
    }
}
