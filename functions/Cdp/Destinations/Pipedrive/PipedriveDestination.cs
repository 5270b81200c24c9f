using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Cdp.Deliveries;
using Cdp.Events;
using Cdp.Problems;

namespace Cdp.Destinations.Pipedrive;

/// <summary>
/// Persons of Pipedrive, found by their e-mail address, and made where there is none; one a delivery. The fields are the mapped payload, custom ones under their
/// keys of 40 hexadecimal digits; without a mapping the name alone, for Pipedrive has no names for others. Only what changed since it was sent last goes out.
/// https://developers.pipedrive.com/docs/api/v1/Persons
/// </summary>
/// <remarks>
/// Dies after the person was made, before that was noted: the next try finds it by its address. Pipedrive finds a new person some seconds later only, and keeps two
/// with one address apart: in one process those of an address wait for each other, and who was just made is remembered. Two processes that send a new person within
/// these seconds may make two; then the one with the smaller id is kept up to date.
/// </remarks>
public sealed class PipedriveDestination(DestinationHttp http, TimeProvider time) : IDestinationType
{
    public const string TypeName = "pipedrive";

    private const string ApiToken = "apiToken";
    private const string TokenHeader = "x-api-token";
    private const string ResetHeader = "x-ratelimit-reset";
    private const string DefaultBase = "https://api.pipedrive.com";
    private const string Path = "/api/v2/persons";
    private const string CustomFields = "custom_fields";
    private const int KeyLength = 40;
    private const int MostMade = 10_000;
    private const int NotFound = 404;

    private static readonly TimeSpan MadeFor = TimeSpan.FromMinutes(5);
    private static readonly SearchValues<char> KeyDigits = SearchValues.Create("0123456789abcdef");
    private static readonly HashSet<string> SecretHeaders = new(StringComparer.OrdinalIgnoreCase) { TokenHeader };

    private readonly ConcurrentDictionary<(string Base, string Token, string Email), (long Id, Instant At)> made = new();

    // Some addresses share one.
    private readonly SemaphoreSlim[] gates = [.. Enumerable.Range(0, 64).Select(static _ => new SemaphoreSlim(1, 1))];

    public string Name => TypeName;

    public IReadOnlyList<string> Secrets { get; } = [ApiToken];

    public (int Default, int Most) BatchSize => (1, 1);

    public bool IsState => true;

    public void Check(JsonFields settings, Func<string, bool> has)
    {
        if (!has(ApiToken))
            settings.Refuse(ApiToken, "missing: give the API token of a user as the secret 'apiToken'");
        if (settings.Text("baseUrl", 500) is { } url && AddressGuard.Refusal(url, http.AllowsPrivate) is { } refusal)
            settings.Refuse("baseUrl", refusal);
    }

    public JsonElement Standard(DeliveryView view) => PayloadText.Element(json =>
    {
        json.WriteStartObject();
        var traits = view.Json.GetProperty("profile"u8).GetProperty("traits"u8);
        var name = Trait(traits, "name") ?? (Trait(traits, "firstName") + " " + Trait(traits, "lastName")).Trim();
        if (name.Length > 0)
            json.WriteString("name"u8, name);
        json.WriteEndObject();
    });

    public string? Unsendable(JsonElement view) => ContactView.EmailOf(view) is null ? ContactView.NoEmail : null;

    public async Task<SendResult> SendAsync(DestinationTarget target, IReadOnlyList<Outgoing> batch, CancellationToken cancellation)
    {
        var item = batch[0];
        var url = (target.Setting("baseUrl") ?? DefaultBase).TrimEnd('/') + Path;
        if (ContactView.Refusal(item) is { } refusal)
            return new SendResult(SendStatus.Refused, new Exchange("GET", url, 0, Error: refusal));
        var email = ContactView.EmailOf(item.View)!;
        var token = target.Secret(ApiToken) ?? "";
        var person = (url, token, email);
        var gate = gates[(uint)person.GetHashCode() % (uint)gates.Length];
        await gate.WaitAsync(cancellation);
        try
        {
            if (Remembered(person) is not { } id)
            {
                var search = await CallAsync(HttpMethod.Get, $"{url}/search?term={Uri.EscapeDataString(email)}&fields=email&exact_match=true&limit=100", default, token, cancellation);
                if (search.Status != SendStatus.Delivered)
                    return search;
                if (!TryRead(search.Exchange.ResponseBody, email, out var found))
                {
                    // Who is there cannot be told: somebody made now might be a second one.
                    return search with { Status = SendStatus.Retry, Exchange = search.Exchange with { Error = "Pipedrive's answer to the search cannot be read." } };
                }

                if (found is not { } known)
                    return await AddAsync(person, item, cancellation);
                id = known;
            }

            var result = await CallAsync(HttpMethod.Patch, string.Create(CultureInfo.InvariantCulture, $"{url}/{id}"), Body(item, null), token, cancellation);
            if (result.Exchange.Status != NotFound)
                return result;
            made.TryRemove(person, out _);
            return result with { Status = SendStatus.Retry, Exchange = result.Exchange with { Error = "The person that Pipedrive has found is not there any more." } };
        }
        finally
        {
            gate.Release();
        }
    }

    private async Task<SendResult> AddAsync((string Base, string Token, string Email) person, Outgoing item, CancellationToken cancellation)
    {
        var result = await CallAsync(HttpMethod.Post, person.Base, Body(item, person.Email), person.Token, cancellation);
        if (result.Status == SendStatus.Delivered && MadeId(result.Exchange.ResponseBody) is { } id)
        {
            if (made.Count >= MostMade)
                made.Clear();
            made[person] = (id, Instant.Now(time));
        }

        return result;
    }

    private async Task<SendResult> CallAsync(HttpMethod method, string url, ReadOnlyMemory<byte> body, string token, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, url);
        request.Headers.TryAddWithoutValidation(TokenHeader, token);
        return await http.SendAsync(request, body, "application/json", cancellation, SecretHeaders, neededBytes: DestinationHttp.MostResponseBytes, resetHeader: ResetHeader);
    }

    private long? Remembered((string Base, string Token, string Email) person)
    {
        if (!made.TryGetValue(person, out var known))
            return null;
        if (Instant.Now(time) < known.At.Plus(MadeFor))
            return known.Id;
        made.TryRemove(person, out _);
        return null;
    }

    /// <param name="newEmail">Of a person that is made: all there is goes, not what changed alone.</param>
    private static ReadOnlyMemory<byte> Body(Outgoing item, string? newEmail) => PayloadText.Of(json =>
    {
        json.WriteStartObject();
        var isNamed = false;
        var custom = new List<JsonProperty>();
        foreach (var field in item.Payload.EnumerateObject())
        {
            // By its address a person is found again: a new one has it, whatever a mapping says.
            if (newEmail is not null && field.Name == "emails")
                continue;
            if (newEmail is null ? item.Changed?.Contains(field.Name) == false : field.Value.ValueKind == JsonValueKind.Null)
                continue;
            if (field.Name == "name")
            {
                // A person must have one: it stays as it is there.
                if (field.Value.ValueKind == JsonValueKind.Null || ContactView.Text(field.Value).Length == 0)
                    continue;
                isNamed = true;
            }

            if (IsKey(field.Name))
            {
                custom.Add(field);
                continue;
            }

            if (field is { Name: CustomFields, Value.ValueKind: JsonValueKind.Object })
            {
                custom.AddRange(field.Value.EnumerateObject());
                continue;
            }

            json.WritePropertyName(field.Name);
            PayloadText.Raw(json, field.Value);
        }

        if (newEmail is not null)
        {
            if (!isNamed)
                json.WriteString("name"u8, newEmail);
            json.WriteStartArray("emails"u8);
            json.WriteStartObject();
            json.WriteString("value"u8, newEmail);
            json.WriteBoolean("primary"u8, true);
            json.WriteEndObject();
            json.WriteEndArray();
        }

        if (custom.Count > 0)
        {
            json.WriteStartObject(CustomFields);
            foreach (var field in custom)
            {
                json.WritePropertyName(field.Name);
                WriteValue(json, field.Value);
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
    });

    private static void WriteValue(Utf8JsonWriter json, JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
            json.WriteStringValue(value.GetRawText());
        // Numbers are options of a field; all else, such as segments, is a text.
        else if (value.ValueKind == JsonValueKind.Array && !(value.GetArrayLength() > 0 && value.EnumerateArray().All(static v => v.ValueKind == JsonValueKind.Number)))
            json.WriteStringValue(ContactView.Joined(value, ", "));
        else
            PayloadText.Raw(json, value);
    }

    /// <summary>False where it is no answer to a search. Of several persons the one that was made first.</summary>
    private static bool TryRead(string? body, string email, out long? found)
    {
        found = null;
        try
        {
            using var document = JsonDocument.Parse(body ?? "");
            foreach (var entry in document.RootElement.GetProperty("data"u8).GetProperty("items"u8).EnumerateArray())
            {
                var item = entry.GetProperty("item"u8);
                var id = item.GetProperty("id"u8).GetInt64();
                // What only resembles the address is somebody else.
                if (item.GetProperty("emails"u8).EnumerateArray().Any(e => email.Equals(e.GetString(), StringComparison.OrdinalIgnoreCase)) && !(found <= id))
                    found = id;
            }

            return true;
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            return false;
        }
    }

    private static long? MadeId(string? body)
    {
        try
        {
            using var document = JsonDocument.Parse(body ?? "");
            return document.RootElement.GetProperty("data"u8).GetProperty("id"u8).GetInt64();
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            // It is made all the same; a search finds it.
            return null;
        }
    }

    /// <summary>Of a custom field.</summary>
    private static bool IsKey(string name) => name.Length == KeyLength && !name.AsSpan().ContainsAnyExcept(KeyDigits);

    private static string? Trait(JsonElement traits, string name) => traits.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
