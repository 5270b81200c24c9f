using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.TrackingPlans;
using Cdp.Webhooks;

namespace Cdp.Sources;

/// <summary>Where events come from: a shop, an app, a server. Its write keys let senders in.</summary>
/// <param name="Id"><c>^[a-z0-9][a-z0-9-]{0,62}$</c></param>
/// <param name="Type">What kind of sender it is, such as <c>http</c>.</param>
/// <param name="Enabled">Where not, every call is refused as source-disabled.</param>
/// <param name="Origins">Pages that may send, such as <c>https://shop.example</c>; none listed means any. Calls without an Origin header, from servers and apps, are not concerned.</param>
/// <param name="FieldRules">Members that collectors leave out of what they store, the server's own additions included. What is left out identifies nobody.</param>
/// <param name="Trust">How much is believed of what its events say about who somebody is.</param>
/// <param name="TrackingPlan">What it is expected to send; null where nothing is checked.</param>
/// <param name="Mapping">How its webhooks become events; null where it sends none.</param>
/// <param name="Signature">How its webhooks show where they come from; null: by a write key.</param>
public sealed record Source(
    string Id,
    string Name,
    string Type,
    bool Enabled,
    IReadOnlyList<WriteKey> WriteKeys,
    IReadOnlyList<string>? Origins = null,
    RateLimit? RateLimit = null,
    IReadOnlyList<FieldRule>? FieldRules = null,
    SourceTrust Trust = SourceTrust.Client,
    TrackingPlan? TrackingPlan = null,
    WebhookMapping? Mapping = null,
    WebhookSignature? Signature = null);

/// <summary>
/// Who holds a source's write keys. One in a web page is public: whoever reads the page can send whatever they like under it, such as
/// that they are somebody else.
/// </summary>
[JsonConverter(typeof(JsonStringEnumConverter<SourceTrust>))]
public enum SourceTrust
{
    /// <summary>Pages and apps: anybody. The default.</summary>
    [JsonStringEnumMemberName("client")]
    Client,

    /// <summary>Servers of the company alone, which have checked who a person is.</summary>
    [JsonStringEnumMemberName("server")]
    Server,
}

/// <summary>A public key that names a source: it is in every page's source code, so it is stored as it is.</summary>
public sealed record WriteKey(string Key, DateTimeOffset CreatedAt, bool Enabled)
{
    private const int PrefixLength = 7;

    /// <summary>Enough to tell keys apart in a list.</summary>
    [JsonIgnore]
    public string Prefix => Key.Length <= PrefixLength ? Key : Key[..PrefixLength];
}

/// <param name="EventsPerSecond">Sustained; a second's worth may come at once.</param>
/// <param name="Scope"><c>instance</c>: each instance of the app counts for itself.</param>
public sealed record RateLimit(double EventsPerSecond, string Scope = RateLimit.PerInstance)
{
    public const string PerInstance = "instance";
}

/// <summary>What happens to a member before an event is stored.</summary>
/// <param name="Path">
/// The names from the event's root on, joined by dots, such as <c>context.ip</c>. Names are case-sensitive, and one with a dot in it cannot be
/// named. Lists are not looked into.
/// </param>
/// <param name="Action"><c>drop</c>, the only one: the member is left out.</param>
public sealed record FieldRule(string Path, string Action = FieldRule.Drop)
{
    public const string Drop = "drop";

    // Without these an event is none any more, is no longer whose it was, or counts twice.
    private static readonly string[] Protected =
        ["type", "messageId", "sourceId", "timestamp", "receivedAt", "userId", "anonymousId", "groupId", "previousId", "event"];

    /// <summary>Why a path cannot be one of a rule; null where it can.</summary>
    public static string? Refusal(string path)
    {
        var names = path.Split('.');
        if (Array.Exists(names, static name => name.Length == 0))
            return "not member names joined by dots";
        return Array.IndexOf(Protected, names[0]) >= 0 ? $"{names[0]} cannot be dropped" : null;
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Source))]
internal sealed partial class SourceJson : JsonSerializerContext;
