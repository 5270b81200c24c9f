using System.Text.Json;
using Cdp.Problems;
using Cdp.Webhooks;

namespace CdpFunctions.Http;

/// <summary>What a mapping is tried on: <c>{"payload":...,"headers":{"X-Topic":"..."},"mapping":{...}}</c>.</summary>
/// <param name="Mapping">Null: the source's own.</param>
public sealed record PreviewInput(JsonElement Payload, IReadOnlyDictionary<string, string> Headers, WebhookMapping? Mapping)
{
    private const int MostHeaders = 50;
    private const int LongestHeader = 4096;

    /// <exception cref="ProblemException">invalid-field, mapping-invalid</exception>
    public static PreviewInput Read(JsonElement body)
    {
        var fields = new JsonFields(body);
        var payload = fields.Any("payload");
        if (payload is null)
            fields.Refuse("payload", "missing: what the sender would send");
        var mapping = fields.Any("mapping");
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        if (fields.Any("headers") is { } given)
        {
            if (given.ValueKind != JsonValueKind.Object || given.GetPropertyCount() > MostHeaders)
                fields.Refuse("headers", $"not an object of at most {MostHeaders} headers");
            else if (fields.Object("headers") is { } named)
                ReadHeaders(given, named, headers);
        }

        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        return new PreviewInput(payload!.Value, headers, mapping is { } json ? WebhookMapping.Read(json, "mapping") : null);
    }

    private static void ReadHeaders(JsonElement given, JsonFields named, Dictionary<string, string> headers)
    {
        foreach (var header in given.EnumerateObject())
        {
            if (named.Text(header.Name, LongestHeader) is { Length: > 0 } value)
                headers[header.Name] = value;
        }
    }
}
