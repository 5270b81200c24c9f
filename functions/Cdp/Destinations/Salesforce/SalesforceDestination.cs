using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Cdp.Deliveries;
using Cdp.Problems;

namespace Cdp.Destinations.Salesforce;

/// <summary>
/// Contacts of Salesforce, made or updated by their e-mail address in a field of the contact, up to 200 in one call. The fields are the mapped payload; without a
/// mapping the chosen traits under the names that Salesforce would give them, and <c>cdp_segments__c</c>. Only what changed since it was sent last goes out.
/// https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections_upsert.htm
/// </summary>
/// <remarks>
/// An upsert that comes twice, after a death before the result was noted, writes the same values again. The token is known to the process alone: another one, or this
/// one after a death, fetches its own.
/// </remarks>
public sealed partial class SalesforceDestination(DestinationHttp http) : IDestinationType
{
    public const string TypeName = "salesforce";

    private const string ClientId = "clientId";
    private const string ClientSecret = "clientSecret";
    private const string DefaultKey = "Email";
    private const string DefaultVersion = "60.0";
    private const string SegmentsField = "cdp_segments__c";
    private const int Unauthorized = 401;

    // Beyond this somebody changes destinations all day: tokens are fetched anew.
    private const int MostTokens = 500;

    private static readonly HashSet<string> SecretHeaders = new(StringComparer.OrdinalIgnoreCase) { "Authorization" };

    // By what they were fetched with: whoever changes a secret or the address has no token yet.
    private readonly ConcurrentDictionary<(string Base, string Id, string Secret), string> tokens = new();

    public string Name => TypeName;

    public IReadOnlyList<string> Secrets { get; } = [ClientId, ClientSecret];

    public (int Default, int Most) BatchSize => (100, 200);

    public bool IsState => true;

    public void Check(JsonFields settings, Func<string, bool> has)
    {
        foreach (var secret in Secrets)
        {
            if (!has(secret))
                settings.Refuse(secret, $"missing: give it of the app with the client credentials flow, as the secret '{secret}'");
        }

        if (settings.Text("baseUrl", 500, required: true) is { } url && AddressGuard.Refusal(url, http.AllowsPrivate) is { } refusal)
            settings.Refuse("baseUrl", refusal);
        if (settings.Text("externalIdField", 80) is { } field && !FieldForm().IsMatch(field))
            settings.Refuse("externalIdField", "not the API name of a field, such as Email or cdp_email__c");
        if (settings.Text("apiVersion", 10) is { } version && !VersionForm().IsMatch(version))
            settings.Refuse("apiVersion", "not a version such as 60.0; at least 46.0");
    }

    public JsonElement Standard(DeliveryView view) => PayloadText.Element(json =>
    {
        json.WriteStartObject();
        var profile = view.Json.GetProperty("profile"u8);
        var names = new HashSet<string>(StringComparer.Ordinal) { DefaultKey, SegmentsField };
        if (ContactView.EmailOf(view.Json) is { } email)
            json.WriteString(DefaultKey, email);
        foreach (var part in (ReadOnlySpan<string>)["traits", "computedTraits"])
        {
            foreach (var trait in profile.GetProperty(part).EnumerateObject())
            {
                var name = FieldName(trait.Name);
                if (!names.Add(name))
                    continue;
                json.WritePropertyName(name);
                PayloadText.Raw(json, trait.Value);
            }
        }

        json.WritePropertyName(SegmentsField);
        PayloadText.Raw(json, profile.GetProperty("segments"u8));
        json.WriteEndObject();
    });

    public string? Unsendable(JsonElement view) => ContactView.EmailOf(view) is null ? ContactView.NoEmail : null;

    public async Task<SendResult> SendAsync(DestinationTarget target, IReadOnlyList<Outgoing> batch, CancellationToken cancellation)
    {
        var root = (target.Setting("baseUrl") ?? "").TrimEnd('/');
        var key = target.Setting("externalIdField") ?? DefaultKey;
        var url = $"{root}/services/data/v{target.Setting("apiVersion") ?? DefaultVersion}/composite/sobjects/Contact/{key}";
        // Salesforce refuses records that name a contact twice: of two profiles with one address the later speaks.
        var emails = new List<string>();
        var records = new Dictionary<string, Outgoing>(StringComparer.OrdinalIgnoreCase);
        foreach (var item in batch)
        {
            if (ContactView.Refusal(item) is { } refusal)
                return new SendResult(SendStatus.Refused, new Exchange("PATCH", url, 0, Error: refusal));
            var email = ContactView.EmailOf(item.View)!;
            if (!records.ContainsKey(email))
                emails.Add(email);
            records[email] = item;
        }

        var body = PayloadText.Of(json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("allOrNone"u8, false);
            json.WriteStartArray("records"u8);
            foreach (var email in emails)
                WriteRecord(json, key, email, records[email]);
            json.WriteEndArray();
            json.WriteEndObject();
        });
        var account = (root, target.Secret(ClientId) ?? "", target.Secret(ClientSecret) ?? "");
        for (var isFirst = true; ; isFirst = false)
        {
            var isKnown = tokens.TryGetValue(account, out var token);
            if (token is null)
            {
                SendResult? failed;
                (token, failed) = await FetchTokenAsync(root, account, cancellation);
                if (token is null)
                    return failed!;
            }

            using var request = new HttpRequestMessage(HttpMethod.Patch, url);
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
            var result = await http.SendAsync(request, body, "application/json", cancellation, SecretHeaders, neededBytes: DestinationHttp.MostResponseBytes);
            if (result.Exchange.Status == Unauthorized)
            {
                // It is over, or was withdrawn. Another request may have put a new one in its place: that stays.
                tokens.TryRemove(KeyValuePair.Create(account, token));
                if (isFirst && isKnown)
                    continue;
            }

            return Read(result, batch, emails);
        }
    }

    /// <summary>Two that need one at once fetch two; either can be used, and the later is kept.</summary>
    private async Task<(string? Token, SendResult? Failed)> FetchTokenAsync(string root, (string Base, string Id, string Secret) account, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, root + "/services/oauth2/token");
        var form = $"grant_type=client_credentials&client_id={Uri.EscapeDataString(account.Id)}&client_secret={Uri.EscapeDataString(account.Secret)}";
        var result = await http.SendAsync(request, Encoding.UTF8.GetBytes(form), "application/x-www-form-urlencoded", cancellation, neededBytes: DestinationHttp.MostResponseBytes);
        var answer = result.Exchange.ResponseBody;
        // Neither what was sent nor what came is shown: both hold secrets.
        result = result with { Exchange = result.Exchange with { RequestBody = "grant_type=client_credentials&client_id=***&client_secret=***", ResponseBody = null } };
        using var document = Parse(answer);
        if (result.Status == SendStatus.Delivered)
        {
            if (Text(document, "access_token") is not { Length: > 0 } token)
                return (null, result with { Status = SendStatus.Retry, Exchange = result.Exchange with { Error = "Salesforce answered without a token." } });
            if (tokens.Count >= MostTokens)
                tokens.Clear();
            tokens[account] = token;
            return (token, null);
        }

        var error = Text(document, "error") is { } code && CodeForm().IsMatch(code) ? code : "no reason given";
        return (null, result.Exchange.Error is null ? result with { Exchange = result.Exchange with { Error = $"Salesforce gave no token: {error}." } } : result);
    }

    /// <summary>What became of each, in the order of the records.</summary>
    private static SendResult Read(SendResult result, IReadOnlyList<Outgoing> batch, List<string> emails)
    {
        using var document = Parse(result.Exchange.ResponseBody);
        if (result.Status != SendStatus.Delivered)
        {
            if (result.Exchange.Error is not null || Code(document?.RootElement, "errorCode") is not { } code)
                return result;
            var status = code == "REQUEST_LIMIT_EXCEEDED" ? SendStatus.Throttled : result.Status;
            return result with { Status = status, Exchange = result.Exchange with { Error = $"Salesforce refused the request: {code}." } };
        }

        if (document is not { RootElement.ValueKind: JsonValueKind.Array } || document.RootElement.GetArrayLength() != emails.Count)
        {
            // Which were taken cannot be told. In a batch each is sent alone then, and its answer is short.
            return result with
            {
                Status = batch.Count > 1 ? SendStatus.Refused : SendStatus.Retry,
                Exchange = result.Exchange with { Error = "Salesforce's answer does not tell what became of each contact." },
            };
        }

        var byEmail = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        for (var i = 0; i < emails.Count; i++)
        {
            var record = document.RootElement[i];
            if (record.ValueKind == JsonValueKind.Object && record.TryGetProperty("success", out var success) && success.ValueKind == JsonValueKind.True)
                continue;
            var code = record.ValueKind == JsonValueKind.Object && record.TryGetProperty("errors", out var errors) ? Code(errors, "statusCode") : null;
            // Others are writing to it. Those that were taken may come again: they get the same values.
            if (code == "UNABLE_TO_LOCK_ROW")
                return result with { Status = SendStatus.Retry, Exchange = result.Exchange with { Error = $"Salesforce could not write a contact now: {code}." } };
            byEmail[emails[i]] = $"Salesforce refused the contact: {code ?? "no reason given"}.";
        }

        if (byEmail.Count == 0)
            return result;
        var refused = new Dictionary<int, string>();
        for (var i = 0; i < batch.Count; i++)
        {
            if (ContactView.EmailOf(batch[i].View) is { } email && byEmail.TryGetValue(email, out var reason))
                refused[i] = reason;
        }

        return result with { RefusedItems = refused };
    }

    private static void WriteRecord(Utf8JsonWriter json, string key, string email, Outgoing item)
    {
        json.WriteStartObject();
        json.WriteStartObject("attributes"u8);
        json.WriteString("type"u8, "Contact"u8);
        json.WriteEndObject();
        json.WriteString(key, email);
        foreach (var field in item.Payload.EnumerateObject())
        {
            // The key is the address, and its record must not have another id.
            if (item.Changed?.Contains(field.Name) == false || field.Name.Equals(key, StringComparison.OrdinalIgnoreCase) || field.Name is "attributes" or "Id" or "id")
                continue;
            json.WritePropertyName(field.Name);
            switch (field.Value.ValueKind)
            {
                case JsonValueKind.Array:
                    // Multiple choices are written so.
                    json.WriteStringValue(ContactView.Joined(field.Value, ";"));
                    break;
                case JsonValueKind.Object:
                    json.WriteStringValue(field.Value.GetRawText());
                    break;
                default:
                    PayloadText.Raw(json, field.Value);
                    break;
            }
        }

        json.WriteEndObject();
    }

    /// <summary>Contacts have some fields of their own; all other traits are fields that somebody has made there, as <c>orders_90d__c</c>.</summary>
    private static string FieldName(string trait) => trait switch
    {
        "email" => DefaultKey,
        "firstName" or "first_name" => "FirstName",
        "lastName" or "last_name" => "LastName",
        "phone" => "Phone",
        "title" => "Title",
        _ => string.Create(trait.Length + 3, trait, static (text, from) =>
        {
            for (var i = 0; i < from.Length; i++)
                text[i] = char.IsAsciiLetterOrDigit(from[i]) ? from[i] : '_';
            "__c".CopyTo(text[from.Length..]);
        }),
    };

    /// <summary>Of the first error of a list. Its message may repeat what was sent.</summary>
    private static string? Code(JsonElement? errors, string name) =>
        errors is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0 && list[0].ValueKind == JsonValueKind.Object && list[0].TryGetProperty(name, out var code)
        && code.ValueKind == JsonValueKind.String && CodeForm().IsMatch(code.GetString()!)
            ? code.GetString()
            : null;

    private static string? Text(JsonDocument? document, string name) =>
        document is { RootElement.ValueKind: JsonValueKind.Object } && document.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    private static JsonDocument? Parse(string? text)
    {
        try
        {
            return JsonDocument.Parse(text ?? "");
        }
        catch (JsonException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"\A[A-Za-z][A-Za-z0-9_]{0,79}\z", RegexOptions.NonBacktracking)]
    private static partial Regex FieldForm();

    [GeneratedRegex(@"\A(?:4[6-9]|[5-9][0-9]|[1-9][0-9]{2})\.0\z", RegexOptions.NonBacktracking)]
    private static partial Regex VersionForm();

    [GeneratedRegex(@"\A[A-Za-z_]{1,80}\z", RegexOptions.NonBacktracking)]
    private static partial Regex CodeForm();
}
