using System.Text.Json;

namespace Cdp.Webhooks.Mapping;

/// <summary>What a mapping's values are taken from, and how much may still be made of it. For one payload, not thread-safe.</summary>
internal sealed class MappingScope(JsonElement payload, IReadOnlyDictionary<string, string> headers)
{
    private long left = WebhookLimits.MappedBytes;

    public JsonElement Payload { get; } = payload;

    /// <summary>The entry of the list that is gone through; the payload outside of lists.</summary>
    public JsonElement Item { get; set; } = payload;

    public bool TryHeader(string name, out JsonElement value)
    {
        value = default;
        if (!headers.TryGetValue(name, out var text))
            return false;
        // Rarely more than one or two a payload.
        value = JsonSerializer.SerializeToElement(text, MappingJson.Default.String);
        return true;
    }

    /// <exception cref="MappedTooLargeException">The payload becomes too much.</exception>
    public void Spend(int bytes)
    {
        left -= bytes;
        if (left < 0)
            throw new MappedTooLargeException();
    }
}

/// <summary>All events of one payload together are larger than <see cref="WebhookLimits.MappedBytes"/>.</summary>
internal sealed class MappedTooLargeException() : Exception("The events that the mapping makes of this payload are too large together.");

/// <summary>A value cannot become what the mapping says.</summary>
/// <param name="reason">What is wrong, without the value: it may be personal.</param>
internal sealed class MappingFaultException(string reason) : Exception(reason)
{
    /// <summary>Names of members from where it is caught on, joined by dots.</summary>
    public string At { get; init; } = "";
}
