using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Azure.Core;
using Azure.Core.Pipeline;

namespace Azure.Messaging.ServiceBus;

/// <summary>
/// Sends by the REST protocol: https://learn.microsoft.com/rest/api/servicebus/send-message-to-queue and send-message-batch. The official client speaks AMQP; what
/// arrives is the same, as long as bodies are UTF-8 text, which batches of this protocol are.
/// </summary>
internal sealed class ServiceBusConnection
{
    private const string Scope = "https://servicebus.azure.net/.default";
    private const string BatchType = "application/vnd.microsoft.servicebus.json";

    private static readonly TimeSpan TokenLife = TimeSpan.FromMinutes(20);

    // A token that is about to end may be over when it arrives.
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(2);

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private readonly HttpPipeline pipeline;
    private readonly Uri endpoint;
    private readonly (string Name, string Key)? sharedKey;
    private readonly TokenCredential? credential;
    private AccessToken token;

    private ServiceBusConnection(string ns, Uri endpoint, (string, string)? sharedKey, TokenCredential? credential, ServiceBusClientOptions options)
    {
        Namespace = ns;
        this.endpoint = options.CustomEndpointAddress ?? endpoint;
        this.sharedKey = sharedKey;
        this.credential = credential;
        var retry = options.RetryOptions;
        var core = new PipelineOptions();
        core.Retry.MaxRetries = retry.MaxRetries;
        core.Retry.Delay = retry.Delay;
        core.Retry.MaxDelay = retry.MaxDelay;
        core.Retry.NetworkTimeout = retry.TryTimeout;
        pipeline = HttpPipelineBuilder.Build(core);
    }

    public string Namespace { get; }

    public static ServiceBusConnection WithKey(string connectionString, ServiceBusClientOptions options)
    {
        var parts = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var part in connectionString.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var split = part.IndexOf('=', StringComparison.Ordinal);
            if (split <= 0 || !parts.TryAdd(part[..split], part[(split + 1)..]))
                throw Malformed();
        }

        if (!parts.TryGetValue("Endpoint", out var stated) || !Uri.TryCreate(stated, UriKind.Absolute, out var uri)
            || !parts.TryGetValue("SharedAccessKeyName", out var name) || !parts.TryGetValue("SharedAccessKey", out var key))
        {
            throw Malformed();
        }

        // The emulator has no TLS; its port is that of its HTTP endpoint.
        var isEmulator = string.Equals(parts.GetValueOrDefault("UseDevelopmentEmulator"), "true", StringComparison.OrdinalIgnoreCase);
        var address = new UriBuilder(isEmulator ? Uri.UriSchemeHttp : Uri.UriSchemeHttps, uri.Host, uri.Port > 0 ? uri.Port : isEmulator ? 80 : 443).Uri;
        return new ServiceBusConnection(uri.Host, address, (name, key), null, options);
    }

    public static ServiceBusConnection WithToken(string ns, TokenCredential credential, ServiceBusClientOptions options) =>
        new(ns, new Uri($"https://{ns}"), null, credential, options);

    public async Task SendAsync(string entity, ServiceBusMessage message, CancellationToken cancellation)
    {
        using var http = await CreateAsync(entity, cancellation);
        http.Request.Headers.SetValue("Content-Type", message.ContentType ?? "application/octet-stream");
        http.Request.Headers.SetValue("BrokerProperties", Encoding.ASCII.GetString(Json(json => WriteBrokerProperties(json, message), ascii: true)));
        foreach (var (name, value) in message.ApplicationProperties)
            http.Request.Headers.SetValue(name, value is string text ? JsonSerializer.Serialize(text, TextJson.Default.String) : Convert.ToString(value, CultureInfo.InvariantCulture)!);
        http.Request.Content = RequestContent.Create(message.Body);
        await SendAsync(http, entity, cancellation);
    }

    public async Task SendAsync(string entity, IReadOnlyList<ServiceBusMessage> messages, CancellationToken cancellation)
    {
        using var http = await CreateAsync(entity, cancellation);
        http.Request.Headers.SetValue("Content-Type", BatchType);
        http.Request.Content = RequestContent.Create(Json(
            json =>
            {
                json.WriteStartArray();
                foreach (var message in messages)
                    json.WriteRawValue(BatchEntry(message), skipInputValidation: true);
                json.WriteEndArray();
            },
            ascii: false));
        await SendAsync(http, entity, cancellation);
    }

    internal static byte[] BatchEntry(ServiceBusMessage message) => Json(
        json =>
        {
            json.WriteStartObject();
            string body;
            try
            {
                body = Strict.GetString(message.Body.ToMemory().Span);
            }
            catch (DecoderFallbackException binary)
            {
                throw new NotSupportedException("A message of a batch has a body that is no text in UTF-8, which this protocol does not take.", binary);
            }

            json.WriteString("Body"u8, body);
            json.WritePropertyName("BrokerProperties"u8);
            WriteBrokerProperties(json, message);
            if (message.ApplicationProperties.Count > 0)
            {
                json.WriteStartObject("UserProperties"u8);
                foreach (var (name, value) in message.ApplicationProperties)
                    WriteProperty(json, name, value);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        },
        ascii: false);

    private static void WriteBrokerProperties(Utf8JsonWriter json, ServiceBusMessage message)
    {
        json.WriteStartObject();
        // The name of the subject in this protocol.
        WriteText(json, "Label", message.Subject);
        WriteText(json, "MessageId", message.MessageId);
        WriteText(json, "SessionId", message.SessionId);
        WriteText(json, "CorrelationId", message.CorrelationId);
        WriteText(json, "ContentType", message.ContentType);
        if (message.TimeToLive != TimeSpan.MaxValue)
            json.WriteNumber("TimeToLive"u8, message.TimeToLive.TotalSeconds);
        json.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
            json.WriteString(name, value);
    }

    private static void WriteProperty(Utf8JsonWriter json, string name, object value)
    {
        switch (value)
        {
            case bool flag:
                json.WriteBoolean(name, flag);
                break;
            case int or long or double or decimal:
                json.WritePropertyName(name);
                json.WriteRawValue(Convert.ToString(value, CultureInfo.InvariantCulture)!);
                break;
            default:
                json.WriteString(name, Convert.ToString(value, CultureInfo.InvariantCulture));
                break;
        }
    }

    private static byte[] Json(Action<Utf8JsonWriter> write, bool ascii)
    {
        using var buffer = new MemoryStream();
        // Headers are ASCII; bodies need not be.
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = ascii ? JavaScriptEncoder.Default : JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            write(json);
        return buffer.ToArray();
    }

    private static FormatException Malformed() => new("The connection string needs Endpoint, SharedAccessKeyName and SharedAccessKey.");

    private async Task<HttpMessage> CreateAsync(string entity, CancellationToken cancellation)
    {
        var message = pipeline.CreateMessage();
        message.Request.Method = RequestMethod.Post;
        message.Request.Uri.Reset(new Uri(endpoint, $"/{Uri.EscapeDataString(entity).Replace("%2F", "/", StringComparison.Ordinal)}/messages"));
        message.Request.Headers.SetValue("Authorization", await AuthorizeAsync(entity, cancellation));
        return message;
    }

    /// <summary>https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas#generate-a-shared-access-signature-token</summary>
    private async ValueTask<string> AuthorizeAsync(string entity, CancellationToken cancellation)
    {
        if (sharedKey is var (name, key))
        {
            var resource = Uri.EscapeDataString($"https://{Namespace}/{entity}".ToLowerInvariant());
            var expiry = TimeProvider.System.GetUtcNow().Add(TokenLife).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
            var signature = HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes($"{resource}\n{expiry}"));
            return $"SharedAccessSignature sr={resource}&sig={Uri.EscapeDataString(Convert.ToBase64String(signature))}&se={expiry}&skn={Uri.EscapeDataString(name)}";
        }

        if (token.ExpiresOn <= TimeProvider.System.GetUtcNow() + Margin)
            token = await credential!.GetTokenAsync(new TokenRequestContext([Scope]), cancellation);
        return new AuthenticationHeaderValue("Bearer", token.Token).ToString();
    }

    private async Task SendAsync(HttpMessage message, string entity, CancellationToken cancellation)
    {
        try
        {
            await pipeline.SendAsync(message, cancellation);
        }
        catch (Exception exception) when (exception is RequestFailedException or AggregateException)
        {
            throw new ServiceBusException("The service could not be reached.", ServiceBusFailureReason.ServiceCommunicationProblem, entity, exception);
        }
        catch (OperationCanceledException exception) when (!cancellation.IsCancellationRequested)
        {
            throw new ServiceBusException("The service did not answer in time.", ServiceBusFailureReason.ServiceTimeout, entity, exception);
        }

        // https://learn.microsoft.com/rest/api/servicebus/send-message-batch#response
        switch (message.Response.Status)
        {
            case 200 or 201:
                return;
            case 401:
                throw new UnauthorizedAccessException("The token is not taken (401).");
            case 403:
                throw new ServiceBusException("The namespace or entity is at its quota, or may not be sent to (403).", ServiceBusFailureReason.QuotaExceeded, entity);
            case 404 or 410:
                throw new ServiceBusException("The entity does not exist.", ServiceBusFailureReason.MessagingEntityNotFound, entity);
            case 413:
                throw new ServiceBusException("The message is too large.", ServiceBusFailureReason.MessageSizeExceeded, entity);
            case 429 or 503:
                throw new ServiceBusException("The service is busy.", ServiceBusFailureReason.ServiceBusy, entity);
            case 408 or 504:
                throw new ServiceBusException("The service did not answer in time.", ServiceBusFailureReason.ServiceTimeout, entity);
            default:
                throw new ServiceBusException(message.Response.Status >= 500, $"The service answered {message.Response.Status}.", entity);
        }
    }

    private sealed class PipelineOptions : ClientOptions;
}

[System.Text.Json.Serialization.JsonSerializable(typeof(string))]
internal sealed partial class TextJson : System.Text.Json.Serialization.JsonSerializerContext;
