using System.Text.Json;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Webhooks;

namespace Cdp.Sources;

/// <summary>
/// A source on the wire. Its write keys are managed by calls of their own; what a PUT says of them is passed over. The secret of its signature
/// is taken and never given.
/// </summary>
public static class SourceDocument
{
    private const string Http = "http";
    private const string Webhook = "webhook";
    private const string Client = "client";
    private const string Server = "server";
    private const int LongestText = 200;
    private const int MostItems = 100;
    private const int MostRules = 50;
    private const double MostEventsPerSecond = 1_000_000;

    /// <param name="json">A JSON object.</param>
    /// <param name="present">What is there now: its write keys, its tracking plan and the secret of its signature stay.</param>
    /// <exception cref="ProblemException">invalid-field, naming every field that cannot be taken; mapping-invalid where all else is right.</exception>
    public static Source Read(string id, JsonElement json, Source? present, DateTimeOffset now)
    {
        var fields = new JsonFields(json);
        fields.Ignore("writeKeys");
        if (fields.Text("id", LongestText) is { } stated && stated != id)
            fields.Refuse("id", "not the id of the path");
        var name = fields.Text("name", LongestText) ?? id;
        var type = fields.Text("type", LongestText) ?? Http;
        if (type is not (Http or Webhook))
            fields.Refuse("type", $"none of {Http}, {Webhook}");
        var enabled = fields.Flag("enabled") ?? true;
        var trust = fields.Text("trust", LongestText);
        if (trust is not null and not Client and not Server)
            fields.Refuse("trust", $"none of {Client}, {Server}");
        var origins = Origins(fields);
        var limit = Limit(fields);
        var rules = fields.Objects("fieldRules", MostRules)?.Select(Rule).ToList();
        // Nobody shall believe that they work.
        if (fields.Any("requireConsent") is not null)
            fields.Refuse("requireConsent", "not supported: it would have no effect; leave it out or send null");
        var signature = WebhookSignature.Read(fields.Object("signature"), present?.Signature, now);
        var mapping = fields.Any("mapping");
        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        return new Source(
            id, name, type, enabled, present?.WriteKeys ?? [], origins, limit, rules, trust == Server ? SourceTrust.Server : SourceTrust.Client, present?.TrackingPlan,
            mapping is { } given ? WebhookMapping.Read(given, "mapping") : null, signature);
    }

    public static void Write(Utf8JsonWriter json, Source source)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, source.Id);
        json.WriteString("name"u8, source.Name);
        json.WriteString("type"u8, source.Type);
        json.WriteBoolean("enabled"u8, source.Enabled);
        json.WriteString("trust"u8, source.Trust == SourceTrust.Server ? Server : Client);
        json.WriteStartArray("writeKeys"u8);
        foreach (var key in source.WriteKeys)
        {
            json.WriteStartObject();
            json.WriteString("prefix"u8, key.Prefix);
            json.WriteString("createdAt"u8, Instant.Of(key.CreatedAt).ToString());
            json.WriteBoolean("enabled"u8, key.Enabled);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteTexts(json, "origins", source.Origins);
        if (source.RateLimit is { } limit)
        {
            json.WriteStartObject("rateLimit"u8);
            json.WriteNumber("eventsPerSecond"u8, limit.EventsPerSecond);
            json.WriteString("scope"u8, limit.Scope);
            json.WriteEndObject();
        }

        if (source.FieldRules is { } rules)
        {
            json.WriteStartArray("fieldRules"u8);
            foreach (var rule in rules)
            {
                json.WriteStartObject();
                json.WriteString("path"u8, rule.Path);
                json.WriteString("action"u8, rule.Action);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        if (source.Mapping is { } mapping)
        {
            json.WritePropertyName("mapping"u8);
            json.WriteRawValue(mapping.Json);
        }

        source.Signature?.Write(json);
        json.WriteEndObject();
    }

    private static void WriteTexts(Utf8JsonWriter json, string name, IReadOnlyList<string>? texts)
    {
        if (texts is null)
            return;
        json.WriteStartArray(name);
        foreach (var text in texts)
            json.WriteStringValue(text);
        json.WriteEndArray();
    }

    private static IReadOnlyList<string>? Origins(JsonFields fields)
    {
        var origins = fields.Texts("origins", MostItems, LongestText);
        for (var i = 0; i < origins?.Count; i++)
        {
            // Browsers send scheme, host and port, and nothing else; what is written otherwise would never match.
            var valid = Uri.TryCreate(origins[i], UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
                && uri.GetLeftPart(UriPartial.Authority) == origins[i];
            if (!valid)
                fields.Refuse($"origins[{i}]", "not an origin such as https://shop.example");
        }

        return origins;
    }

    private static RateLimit? Limit(JsonFields fields)
    {
        if (fields.Object("rateLimit") is not { } limit)
            return null;
        var rate = limit.Number("eventsPerSecond", above: 0, MostEventsPerSecond, required: true);
        var scope = limit.Text("scope", LongestText) ?? RateLimit.PerInstance;
        if (scope != RateLimit.PerInstance)
            limit.Refuse("scope", $"none of {RateLimit.PerInstance}");
        limit.RefuseOthers();
        return new RateLimit(rate ?? 0, scope);
    }

    private static FieldRule Rule(JsonFields rule)
    {
        var path = rule.Text("path", LongestText, required: true);
        if (path is not null && FieldRule.Refusal(path) is { } reason)
            rule.Refuse("path", reason);
        var action = rule.Text("action", LongestText, required: true);
        if (action is not null and not FieldRule.Drop)
            rule.Refuse("action", $"none of {FieldRule.Drop}");
        rule.RefuseOthers();
        return new FieldRule(path ?? "");
    }
}
