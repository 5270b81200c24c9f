using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace CdpFunctions.Tests.Webhooks;

/// <summary>Headers as the providers make them.</summary>
internal static class Signed
{
    public static (string Name, string Value)[] Shopify(string body, string secret, string topic, string? webhookId = null) =>
    [
        ("X-Shopify-Topic", topic), ("X-Shopify-Hmac-Sha256", Convert.ToBase64String(Hmac(body, secret))), ("X-Shopify-Shop-Domain", "jsmith.myshopify.com"),
        ("X-Shopify-API-Version", "2026-01"), ("X-Shopify-Webhook-Id", webhookId ?? Guid.NewGuid().ToString()),
    ];

    public static (string Name, string Value)[] GitHub(string body, string secret) => [("X-Hub-Signature-256", "sha256=" + Convert.ToHexStringLower(Hmac(body, secret)))];

    public static (string Name, string Value)[] Stripe(string body, string secret, DateTimeOffset at)
    {
        var time = at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return [("Stripe-Signature", $"t={time},v1={Convert.ToHexStringLower(Hmac(time + "." + body, secret))},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39")];
    }

    public static (string Name, string Value)[] HubSpot(string url, string body, string secret, DateTimeOffset at)
    {
        var time = at.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture);
        return [("X-HubSpot-Request-Timestamp", time), ("X-HubSpot-Signature-v3", Convert.ToBase64String(Hmac("POST" + url + body + time, secret)))];
    }

    private static byte[] Hmac(string text, string secret) => HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(text));
}
