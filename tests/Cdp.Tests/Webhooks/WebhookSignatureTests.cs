using System.Security.Cryptography;
using System.Text;
using Cdp.Secrets;
using Cdp.Webhooks;

namespace Cdp.Tests.Webhooks;

public sealed class WebhookSignatureTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1767323045);

    /// <summary>The example of https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries</summary>
    [Fact]
    public void GitHub_AsItsDocumentationSigns()
    {
        const string signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        Assert.Null(Refusal(WebhookSignature.GitHub, "It's a Secret to Everybody", "Hello, World!", ("X-Hub-Signature-256", signature)));
        Assert.NotNull(Refusal(WebhookSignature.GitHub, "It's a Secret to Everybody", "Hello, World", ("X-Hub-Signature-256", signature)));
        Assert.NotNull(Refusal(WebhookSignature.GitHub, "It's a Secret to Everybody", "Hello, World!", ("X-Hub-Signature-256", signature[..^1])));
    }

    [Fact]
    public void Stripe_TakesAnyOfItsSignatures_WhileASecretIsRolledOver()
    {
        var right = Hex("1767323045.{}", "whsec");
        Assert.Null(Refusal(WebhookSignature.Stripe, "whsec", "{}", ("Stripe-Signature", $"t=1767323045,v1={new string('0', 64)},v1={right}")));
        // The time is signed: another one is another signature. So is a v0.
        Assert.NotNull(Refusal(WebhookSignature.Stripe, "whsec", "{}", ("Stripe-Signature", $"t=1767323046,v1={right}")));
        Assert.NotNull(Refusal(WebhookSignature.Stripe, "whsec", "{}", ("Stripe-Signature", $"t=1767323045,v0={right}")));
        Assert.NotNull(Refusal(WebhookSignature.Stripe, "whsec", "{}", ("Stripe-Signature", "t=x,v1=" + Hex("x.{}", "whsec"))));
        Assert.NotNull(Refusal(WebhookSignature.Stripe, "whsec", "{}", ("Stripe-Signature", "")));
    }

    [Theory]
    [InlineData(-300, true)]
    [InlineData(-301, false)]
    [InlineData(300, true)]
    [InlineData(301, false)]
    public void Stripe_TakesTimesOfFiveMinutes(int seconds, bool taken)
    {
        var time = Now.AddSeconds(seconds).ToUnixTimeSeconds();
        Assert.Equal(taken, Refusal(WebhookSignature.Stripe, "whsec", "{}", ("Stripe-Signature", $"t={time},v1={Hex(time + ".{}", "whsec")}")) is null);
    }

    [Fact]
    public void HubSpot_SignsTheUrlWithSomeCharactersDecoded()
    {
        var time = Now.ToUnixTimeMilliseconds().ToString();
        var signed = Convert.ToBase64String(Hmac("POSThttps://cdp.example/v1/webhooks/hs?a=b@c/d:e%20f[]" + time, "hs"));
        Assert.Null(Refusal(
            WebhookSignature.HubSpot, "hs", "[]", "https://cdp.example/v1/webhooks/hs?a=b%40c%2fd%3Ae%20f", ("X-HubSpot-Signature-v3", signed), ("X-HubSpot-Request-Timestamp", time)));
        Assert.NotNull(Refusal(WebhookSignature.HubSpot, "hs", "[]", "https://cdp.example/", ("X-HubSpot-Signature-v3", signed), ("X-HubSpot-Request-Timestamp", time)));
        Assert.NotNull(Refusal(WebhookSignature.HubSpot, "hs", "[]", "https://cdp.example/", ("X-HubSpot-Signature-v3", signed)));
    }

    [Fact]
    public void Reasons_TellNothingOfTheSecret()
    {
        foreach (var scheme in WebhookSignature.Schemes)
        {
            var reason = Refusal(scheme, "top-secret", "{}", ("X-Shopify-Hmac-Sha256", "x"), ("X-Hub-Signature-256", "sha256=x"), ("Stripe-Signature", "t=1,v1=x"));
            Assert.NotNull(reason);
            Assert.DoesNotContain("top-secret", reason);
        }
    }

    private static string? Refusal(string scheme, string secret, string body, params (string Name, string Value)[] headers) => Refusal(scheme, secret, body, "https://cdp.example/", headers);

    private static string? Refusal(string scheme, string secret, string body, string url, params (string Name, string Value)[] headers) =>
        new WebhookSignature(scheme, new StoredSecret(secret, null, Now), "user").Refusal(
            new WebhookCall("web", "POST", url, Encoding.UTF8.GetBytes(body), Fixtures.Headers(headers)), secret, Now);

    private static string Hex(string text, string secret) => Convert.ToHexStringLower(Hmac(text, secret));

    private static byte[] Hmac(string text, string secret) => HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(text));
}
