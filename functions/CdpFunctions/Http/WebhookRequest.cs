using Cdp.Webhooks;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>A webhook's request as the domain takes it.</summary>
public static class WebhookRequest
{
    // Longer ones are nothing that a mapping is about.
    private const int LongestHeader = 4096;

    /// <param name="configured">How senders reach the app, where requests do not say it.</param>
    public static WebhookCall Call(HttpRequest request, string sourceId, ReadOnlyMemory<byte> body, Uri? configured)
    {
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, values) in request.Headers)
        {
            if (!IsSecret(name) && values.ToString() is { Length: > 0 and <= LongestHeader } value)
                headers[name] = value;
        }

        var (scheme, host) = PublicAddress.Of(request, configured);
        // The path as it was sent: signatures cover its text.
        var path = request.PathBase.ToUriComponent() + request.Path.ToUriComponent() + request.QueryString.ToUriComponent();
        return new WebhookCall(
            sourceId, request.Method, $"{scheme}://{host}{path}", body, headers, request.Headers.Authorization.ToString(), CollectorRequest.WriteKey(request));
    }

    private static bool IsSecret(string name) =>
        name.Equals("Authorization", StringComparison.OrdinalIgnoreCase) || name.Equals("Cookie", StringComparison.OrdinalIgnoreCase)
        || name.Equals("x-functions-key", StringComparison.OrdinalIgnoreCase);
}
