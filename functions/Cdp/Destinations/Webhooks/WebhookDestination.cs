using System.Buffers;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Cdp.Problems;
using Cdp.Storage;

namespace Cdp.Destinations.Webhooks;

/// <summary>
/// Any HTTP endpoint. The body is the payload, or a template filled with the view; with a <c>signingKey</c> it is signed as
/// <c>Cdp-Signature: t={unix},v1={hex of HMAC-SHA256 of "{t}.{body}"}</c>.
/// </summary>
public sealed class WebhookDestination(DestinationHttp http, TimeProvider time) : IDestinationType
{
    public const string TypeName = "webhook";

    private const string SigningKey = "signingKey";
    private const string BearerToken = "bearerToken";
    private const string ApiKey = "apiKey";
    private const string Json = "application/json";
    private const int LongestText = 2000;
    private const int MostHeaders = 20;

    private static readonly string[] Methods = ["POST", "PUT", "PATCH"];

    private static readonly SearchValues<char> HeaderCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

    // The app's own, and what the connection is about.
    private static readonly HashSet<string> OwnHeaders = new(StringComparer.OrdinalIgnoreCase)
    {
        "Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Expect", "Host", "Idempotency-Key", "Proxy-Authorization", "TE",
        "Trailer", "Transfer-Encoding", "Upgrade",
    };

    public string Name => TypeName;

    public IReadOnlyList<string> Secrets { get; } = [SigningKey, BearerToken, ApiKey];

    public (int Default, int Most) BatchSize => (1, 100);

    public void Check(JsonFields settings, Func<string, bool> has)
    {
        if (settings.Text("url", LongestText, required: true) is { } url && AddressGuard.Refusal(url, http.AllowsPrivate) is { } refusal)
            settings.Refuse("url", refusal);
        if (settings.Text("method", 10) is { } method && !Methods.Contains(method))
            settings.Refuse("method", $"none of {string.Join(", ", Methods)}");
        var contentType = settings.Text("contentType", 200);
        if (contentType is not null && !MediaTypeHeaderValue.TryParse(contentType, out _))
            settings.Refuse("contentType", "not a media type such as application/json");
        if (settings.Text("body", Template.LongestSource) is { } body && Template.Parse(body, KindOf(contentType), out var error) is null)
            settings.Refuse("body", error!);
        CheckHeaders(settings);
        var header = settings.Text("apiKeyHeader", 100);
        if (header is not null && !IsHeader(header))
            settings.Refuse("apiKeyHeader", "not a header that may be set");
        if (has(ApiKey) && header is null)
            settings.Refuse("apiKeyHeader", "missing: the header that the secret apiKey is sent in");
    }

    public async Task<SendResult> SendAsync(DestinationTarget target, IReadOnlyList<Outgoing> batch, CancellationToken cancellation)
    {
        var contentType = target.Setting("contentType") ?? Json;
        var url = target.Setting("url")!;
        ReadOnlyMemory<byte> body;
        try
        {
            body = Body(target, batch, contentType);
        }
        catch (TemplateException failed)
        {
            return new SendResult(SendStatus.Refused, new Exchange("POST", url, 0, Error: failed.Message));
        }

        using var request = new HttpRequestMessage(new HttpMethod(target.Setting("method") ?? "POST"), url);
        var secret = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        if (target.Settings.TryGetProperty("headers", out var headers) && headers.ValueKind == JsonValueKind.Object)
        {
            foreach (var header in headers.EnumerateObject())
                request.Headers.TryAddWithoutValidation(header.Name, header.Value.GetString());
        }

        AddHeaders(request, target, batch);
        if (target.Secret(BearerToken) is { } token)
        {
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
            secret.Add("Authorization");
        }

        if (target.Secret(ApiKey) is { } key && target.Setting("apiKeyHeader") is { } name)
        {
            request.Headers.TryAddWithoutValidation(name, key);
            secret.Add(name);
        }

        if (target.Secret(SigningKey) is { } signing)
            request.Headers.TryAddWithoutValidation("Cdp-Signature", Sign(body.Span, signing, time.GetUtcNow().ToUnixTimeSeconds()));
        return await http.SendAsync(request, body, contentType, cancellation, secret);
    }

    /// <summary>The value of <c>Cdp-Signature</c>.</summary>
    public static string Sign(ReadOnlySpan<byte> body, string key, long unixSeconds)
    {
        var stamp = unixSeconds.ToString(CultureInfo.InvariantCulture);
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(key));
        hash.AppendData(Encoding.ASCII.GetBytes(stamp + "."));
        hash.AppendData(body);
        return $"t={stamp},v1={Convert.ToHexStringLower(hash.GetHashAndReset())}";
    }

    private static void AddHeaders(HttpRequestMessage request, DestinationTarget target, IReadOnlyList<Outgoing> batch)
    {
        if (target.BatchSize == 1)
        {
            var (id, key, version) = (batch[0].DeliveryId, batch[0].Key, batch[0].ProfileVersion);
            request.Headers.TryAddWithoutValidation("Cdp-Delivery-Id", id);
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
            request.Headers.TryAddWithoutValidation("Cdp-Profile-Version", version.ToString(CultureInfo.InvariantCulture));
            return;
        }

        // The same for the same deliveries. A batch that is sent again may have others in it: each has its own key beside it.
        var all = new StringBuilder();
        foreach (var item in batch)
            all.Append(item.Key).Append('\n');
        request.Headers.TryAddWithoutValidation("Idempotency-Key", "batch:" + Hash128.Of(target.Id, all.ToString()));
    }

    private static ReadOnlyMemory<byte> Body(DestinationTarget target, IReadOnlyList<Outgoing> batch, string contentType)
    {
        var template = target.Setting("body") is { } source ? TemplateCache.Get(source, KindOf(contentType)) : null;
        if (target.BatchSize == 1)
            return template is null ? PayloadText.Of(json => PayloadText.Raw(json, batch[0].Payload)) : Encoding.UTF8.GetBytes(template.Render(batch[0].View));
        return PayloadText.Of(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("deliveries"u8);
            foreach (var item in batch)
            {
                json.WriteStartObject();
                json.WriteString("id"u8, item.DeliveryId);
                json.WriteString("key"u8, item.Key);
                json.WriteNumber("profileVersion"u8, item.ProfileVersion);
                json.WritePropertyName("payload"u8);
                if (template is null)
                    PayloadText.Raw(json, item.Payload);
                else
                    WriteRendered(json, template.Render(item.View));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    /// <summary>As JSON where it is JSON; else as a text.</summary>
    private static void WriteRendered(Utf8JsonWriter json, string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            document.RootElement.WriteTo(json);
        }
        catch (JsonException)
        {
            json.WriteStringValue(text);
        }
    }

    private static TemplateKind KindOf(string? contentType) =>
        contentType is null || contentType.Contains("json", StringComparison.OrdinalIgnoreCase) ? TemplateKind.Json : TemplateKind.Text;

    private static void CheckHeaders(JsonFields settings)
    {
        if (settings.Any("headers") is not { } headers)
            return;
        if (headers.ValueKind != JsonValueKind.Object || headers.GetPropertyCount() > MostHeaders)
        {
            settings.Refuse("headers", $"not an object of at most {MostHeaders} names and texts");
            return;
        }

        foreach (var header in headers.EnumerateObject())
        {
            if (!IsHeader(header.Name))
                settings.Refuse("headers." + header.Name, "not a header that may be set; credentials are secrets");
            else if (header.Value.ValueKind != JsonValueKind.String || header.Value.GetString() is not { Length: <= LongestText } value || value.AsSpan().ContainsAnyExceptInRange(' ', '~'))
                settings.Refuse("headers." + header.Name, "not a text of printable ASCII characters");
        }
    }

    private static bool IsHeader(string name) =>
        name.Length is > 0 and <= 100 && !OwnHeaders.Contains(name) && !name.StartsWith("Cdp-", StringComparison.OrdinalIgnoreCase)
        && !name.AsSpan().ContainsAnyExcept(HeaderCharacters);
}
