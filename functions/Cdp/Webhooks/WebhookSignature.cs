using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Cdp.Problems;
using Cdp.Secrets;

namespace Cdp.Webhooks;

/// <summary>How the sender of a source's webhooks shows that it is who it says.</summary>
/// <param name="Scheme">One of <see cref="Schemes"/>.</param>
/// <param name="User">The user name of <c>basic</c>.</param>
/// <param name="ToleranceSeconds">How far a signed time may be from now; null: <see cref="WebhookLimits.Tolerance"/>.</param>
public sealed record WebhookSignature(string Scheme, StoredSecret Secret, string? User = null, int? ToleranceSeconds = null)
{
    public const string Shopify = "shopify";
    public const string Stripe = "stripe";
    public const string GitHub = "github";
    public const string HubSpot = "hubspot";
    public const string Bearer = "bearer";
    public const string Basic = "basic";

    private const int LongestText = 200;

    public static readonly IReadOnlyList<string> Schemes = [Shopify, Stripe, GitHub, HubSpot, Bearer, Basic];

    /// <summary>Those that sign a time.</summary>
    private bool IsTimed => Scheme is Stripe or HubSpot;

    /// <param name="present">What the source has now: its secret stays where none is sent and the scheme is the same.</param>
    public static WebhookSignature? Read(JsonFields? fields, WebhookSignature? present, DateTimeOffset now)
    {
        if (fields is null)
            return null;
        var scheme = fields.Text("scheme", LongestText, required: true);
        if (scheme is not null && !Schemes.Contains(scheme))
            fields.Refuse("scheme", "none of " + string.Join(", ", Schemes));
        // What one scheme keeps to itself another one sends with each request.
        var secret = StoredSecret.Read(fields, "secret", present?.Scheme == scheme ? present?.Secret : null, now);
        if (secret is null && fields.Any("secret") is null)
            fields.Refuse("secret", "missing");
        var user = fields.Text("user", LongestText, required: scheme == Basic);
        if (user is not null && scheme is not (null or Basic))
            fields.Refuse("user", "of no use but for basic");
        if (user?.Contains(':') == true)
            fields.Refuse("user", "with a colon, which ends a user name");
        var tolerance = fields.Whole("toleranceSeconds", 1, (int)WebhookLimits.MostTolerance.TotalSeconds);
        if (tolerance is not null && scheme is not (null or Stripe or HubSpot))
            fields.Refuse("toleranceSeconds", $"of no use: {scheme} signs no time");
        fields.RefuseOthers();
        return scheme is null || secret is null ? null : new WebhookSignature(scheme, secret, user, tolerance);
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("signature"u8);
        json.WriteString("scheme"u8, Scheme);
        Secret.Write(json, "secret");
        if (User is not null)
            json.WriteString("user"u8, User);
        if (IsTimed)
            json.WriteNumber("toleranceSeconds"u8, ToleranceSeconds ?? (int)WebhookLimits.Tolerance.TotalSeconds);
        json.WriteEndObject();
    }

    /// <summary>Null where the request is the sender's; else why not, without a word about the secret or the right signature.</summary>
    /// <remarks>Everything is compared in constant time, by digests of one length where lengths differ.</remarks>
    internal string? Refusal(in WebhookCall call, string secret, DateTimeOffset now) => Scheme switch
    {
        Shopify => OfBody(call, secret, "X-Shopify-Hmac-Sha256", "", isHex: false),
        GitHub => OfBody(call, secret, "X-Hub-Signature-256", "sha256=", isHex: true),
        Stripe => OfStripe(call, secret, now),
        HubSpot => OfHubSpot(call, secret, now),
        Bearer => OfCredentials(call, "Bearer ", Encoding.UTF8.GetBytes(secret), isBase64: false),
        _ => OfCredentials(call, "Basic ", Encoding.UTF8.GetBytes(User + ":" + secret), isBase64: true),
    };

    /// <summary>https://shopify.dev/docs/apps/build/webhooks/subscribe/https and https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries</summary>
    private static string? OfBody(in WebhookCall call, string secret, string header, string prefix, bool isHex)
    {
        if (call.Header(header) is not { } signature)
            return $"The header {header} is missing.";
        if (!signature.StartsWith(prefix, StringComparison.Ordinal))
            return $"The header {header} does not begin with {prefix}";
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), call.Body.Span, expected);
        return IsSame(expected, signature.AsSpan(prefix.Length), isHex) ? null : $"The signature in {header} is not the one of this body and the source's secret.";
    }

    /// <summary>https://docs.stripe.com/webhooks#verify-manually: while a secret is rolled over there are several v1.</summary>
    private string? OfStripe(in WebhookCall call, string secret, DateTimeOffset now)
    {
        if (call.Header("Stripe-Signature") is not { } header)
            return "The header Stripe-Signature is missing.";
        string? time = null;
        var signatures = new List<string>();
        foreach (var part in header.Split(',', StringSplitOptions.TrimEntries))
        {
            if (part.StartsWith("t=", StringComparison.Ordinal))
                time ??= part[2..];
            else if (part.StartsWith("v1=", StringComparison.Ordinal) && signatures.Count < 10)
                signatures.Add(part[3..]);
        }

        if (time is null || signatures.Count == 0)
            return "The header Stripe-Signature has no t and v1.";
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        using (var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret)))
        {
            hmac.AppendData(Encoding.UTF8.GetBytes(time + "."));
            hmac.AppendData(call.Body.Span);
            hmac.GetHashAndReset(expected);
        }

        var right = false;
        foreach (var signature in signatures)
            right |= IsSame(expected, signature, isHex: true);
        return right ? Age(time, 1000, now) : "The signature in Stripe-Signature is not the one of this body and the source's secret.";
    }

    /// <summary>https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation, version 3</summary>
    private string? OfHubSpot(in WebhookCall call, string secret, DateTimeOffset now)
    {
        if (call.Header("X-HubSpot-Signature-v3") is not { } signature)
            return "The header X-HubSpot-Signature-v3 is missing.";
        if (call.Header("X-HubSpot-Request-Timestamp") is not { } time)
            return "The header X-HubSpot-Request-Timestamp is missing.";
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        using (var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret)))
        {
            hmac.AppendData(Encoding.UTF8.GetBytes(call.Method + Decoded(call.Url)));
            hmac.AppendData(call.Body.Span);
            hmac.AppendData(Encoding.UTF8.GetBytes(time));
            hmac.GetHashAndReset(expected);
        }

        return IsSame(expected, signature, isHex: false) ? Age(time, 1, now)
            : "The signature in X-HubSpot-Signature-v3 is not the one of this request and the source's secret. It covers the URL: where the app is behind a proxy, Cdp__PublicUrl has to say how HubSpot reaches it.";
    }

    /// <summary>These characters HubSpot signs as they are, and no others.</summary>
    private static string Decoded(string url)
    {
        if (!url.Contains('%'))
            return url;
        var text = new StringBuilder(url);
        foreach (var c in ":/?@!$'()*,;")
        {
            text.Replace("%" + ((int)c).ToString("X2", CultureInfo.InvariantCulture), c.ToString());
            text.Replace("%" + ((int)c).ToString("x2", CultureInfo.InvariantCulture), c.ToString());
        }

        return text.ToString();
    }

    /// <summary>Null where a signed time is near enough: who recorded a request cannot send it again later.</summary>
    private string? Age(string time, int factor, DateTimeOffset now)
    {
        var tolerance = ToleranceSeconds ?? (int)WebhookLimits.Tolerance.TotalSeconds;
        if (!long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out var value) || value > 253_402_300_799_999 / factor)
            return "The signed time is malformed.";
        var difference = now.ToUnixTimeMilliseconds() - (value * factor);
        return Math.Abs(difference) <= tolerance * 1000L ? null : $"The signed time is more than {tolerance} s from now: the request is old, or a clock is wrong.";
    }

    private static string? OfCredentials(in WebhookCall call, string scheme, byte[] expected, bool isBase64)
    {
        var authorization = call.Authorization ?? "";
        if (!authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
            return $"The header Authorization has to be '{scheme}...'.";
        var given = Encoding.UTF8.GetBytes(authorization[scheme.Length..].Trim());
        if (isBase64)
        {
            var decoded = new byte[given.Length];
            if (!Convert.TryFromBase64String(authorization[scheme.Length..].Trim(), decoded, out var length))
                return "The header Authorization is no base64.";
            given = decoded[..length];
        }

        return CryptographicOperations.FixedTimeEquals(SHA256.HashData(given), SHA256.HashData(expected)) ? null : "The credentials in Authorization are not those of the source.";
    }

    private static bool IsSame(ReadOnlySpan<byte> expected, ReadOnlySpan<char> text, bool isHex)
    {
        Span<byte> given = stackalloc byte[HMACSHA256.HashSizeInBytes];
        given.Clear();
        bool whole;
        if (isHex)
            whole = text.Length == given.Length * 2 && Convert.FromHexString(text, given, out _, out _) == System.Buffers.OperationStatus.Done;
        else
            whole = text.Length == 44 && Convert.TryFromBase64Chars(text, given, out var length) && length == given.Length;
        return CryptographicOperations.FixedTimeEquals(expected, given) && whole;
    }
}
