using System.Text.Json;
using Cdp.Deliveries;
using Cdp.Problems;

namespace Cdp.Destinations.HubSpot;

/// <summary>
/// Contacts of HubSpot, made or updated by their e-mail address, a batch in one call. The properties are the mapped payload; without a mapping the chosen traits
/// under their own names, and <c>cdp_segments</c>. Only what changed since it was sent last goes out.
/// https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/batch/post-crm-v3-objects-contacts-batch-upsert
/// </summary>
public sealed class HubSpotDestination(DestinationHttp http) : IDestinationType
{
    public const string TypeName = "hubspot";

    private const string AccessToken = "accessToken";
    private const string DefaultBase = "https://api.hubapi.com";
    private const string SegmentsProperty = "cdp_segments";

    // Of an answer about 100 contacts, with the properties that were written.
    private const int MostAnswerBytes = 4 * 1024 * 1024;

    private const string Path = "/crm/v3/objects/contacts/batch/upsert";

    public string Name => TypeName;

    public IReadOnlyList<string> Secrets { get; } = [AccessToken];

    public (int Default, int Most) BatchSize => (100, 100);

    public bool IsState => true;

    public void Check(JsonFields settings, Func<string, bool> has)
    {
        if (!has(AccessToken))
            settings.Refuse(AccessToken, "missing: give the private app's token as the secret 'accessToken'");
        if (settings.Text("baseUrl", 500) is { } url && AddressGuard.Refusal(url, http.AllowsPrivate) is { } refusal)
            settings.Refuse("baseUrl", refusal);
    }

    public JsonElement Standard(DeliveryView view) => PayloadText.Element(json =>
    {
        json.WriteStartObject();
        var profile = view.Json.GetProperty("profile"u8);
        var names = new HashSet<string>(StringComparer.Ordinal) { SegmentsProperty };
        foreach (var part in (ReadOnlySpan<string>)["traits", "computedTraits"])
        {
            foreach (var trait in profile.GetProperty(part).EnumerateObject())
            {
                if (!names.Add(PropertyName(trait.Name)))
                    continue;
                json.WritePropertyName(PropertyName(trait.Name));
                PayloadText.Raw(json, trait.Value);
            }
        }

        json.WritePropertyName(SegmentsProperty);
        PayloadText.Raw(json, profile.GetProperty("segments"u8));
        json.WriteEndObject();
    });

    public string? Unsendable(JsonElement view) => ContactView.EmailOf(view) is null ? "no-email" : null;

    public async Task<SendResult> SendAsync(DestinationTarget target, IReadOnlyList<Outgoing> batch, CancellationToken cancellation)
    {
        var url = (target.Setting("baseUrl") ?? DefaultBase).TrimEnd('/') + Path;
        // HubSpot refuses a batch that names a contact twice: of two profiles with one address the later speaks.
        var byEmail = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        for (var i = 0; i < batch.Count; i++)
        {
            if (ContactView.EmailOf(batch[i].View) is { } email)
                byEmail[email] = i;
        }

        if (byEmail.Count == 0)
            return new SendResult(SendStatus.Refused, new Exchange("POST", url, 0, Error: "The profile has no e-mail address."));
        var body = PayloadText.Of(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("inputs"u8);
            foreach (var (email, index) in byEmail)
                WriteInput(json, email, batch[index]);
            json.WriteEndArray();
            json.WriteEndObject();
        });
        using var request = new HttpRequestMessage(HttpMethod.Post, url);
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + target.Secret(AccessToken));
        var result = await http.SendAsync(
            request, body, "application/json", cancellation, new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "Authorization" }, neededBytes: MostAnswerBytes);
        var answer = result.Exchange.ResponseBody;
        if (answer?.Length > DestinationHttp.ShownBytes)
            result = result with { Exchange = result.Exchange with { ResponseBody = answer[..DestinationHttp.ShownBytes] } };
        if (result is not { Status: SendStatus.Delivered, Exchange.Status: 207 })
            return result;
        if (Refused(answer, byEmail, batch) is { } refused)
            return result with { RefusedItems = refused };
        // Some were not taken and nobody knows which: each is sent alone then, which changes nothing about those that were taken.
        return result with { Status = SendStatus.Refused, Exchange = result.Exchange with { Error = "HubSpot took a part (207), and its answer does not say which." } };
    }

    /// <summary>Names there are lower case: <c>firstName</c> is <c>firstname</c>, <c>orders-90d</c> is <c>orders_90d</c>.</summary>
    private static string PropertyName(string name) => string.Create(name.Length, name, static (text, from) =>
    {
        for (var i = 0; i < text.Length; i++)
            text[i] = char.IsAsciiLetterOrDigit(from[i]) ? char.ToLowerInvariant(from[i]) : '_';
    });

    private static void WriteInput(Utf8JsonWriter json, string email, Outgoing item)
    {
        json.WriteStartObject();
        json.WriteString("idProperty"u8, "email"u8);
        json.WriteString("id"u8, email);
        // Comes back with an error about this contact.
        json.WriteString("objectWriteTraceId"u8, item.DeliveryId);
        json.WriteStartObject("properties"u8);
        foreach (var property in item.Payload.EnumerateObject())
        {
            // The address is the key, and stands beside.
            if (item.Changed?.Contains(property.Name) == false || property.Name == "email")
                continue;
            json.WriteString(property.Name, TextOf(property.Value));
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Properties are texts there; the empty one clears.</summary>
    private static string TextOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Null => "",
        // Multiple choices are written so.
        JsonValueKind.Array => string.Join(';', value.EnumerateArray().Select(TextOf)),
        _ => value.GetRawText(),
    };

    /// <summary>207: some were taken. What was not is named in <c>errors[].context</c>, by its address or by the trace id it was sent with.</summary>
    /// <returns>Why, by the place in the batch; null where an error names none of them.</returns>
    private static Dictionary<int, string>? Refused(string? body, Dictionary<string, int> byEmail, IReadOnlyList<Outgoing> batch)
    {
        var refused = new Dictionary<int, string>();
        try
        {
            using var document = JsonDocument.Parse(body ?? "");
            if (!document.RootElement.TryGetProperty("errors", out var errors))
                return refused;
            foreach (var error in errors.EnumerateArray())
            {
                var isNamed = false;
                var reason = "HubSpot refused the contact: " + (error.TryGetProperty("category", out var category) ? category.GetString() : "no reason given") + ".";
                if (error.TryGetProperty("context", out var context) && context.ValueKind == JsonValueKind.Object)
                {
                    foreach (var ids in context.EnumerateObject().Where(static ids => ids.Value.ValueKind == JsonValueKind.Array))
                    {
                        foreach (var id in ids.Value.EnumerateArray())
                        {
                            if (id.ValueKind != JsonValueKind.String || IndexOf(id.GetString()!) is not { } index)
                                continue;
                            refused[index] = reason;
                            isNamed = true;
                        }
                    }
                }

                if (!isNamed)
                    return null;
            }

            return refused;
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return null;
        }

        int? IndexOf(string id)
        {
            if (byEmail.TryGetValue(id, out var index))
                return index;
            foreach (var i in byEmail.Values)
            {
                if (batch[i].DeliveryId == id)
                    return i;
            }

            return null;
        }
    }
}
