using System.Text.Json;
using Cdp.Events;
using Cdp.Problems;

namespace Cdp.Sources;

/// <summary>A source on the wire. Its write keys are managed by calls of their own; what a PUT says of them is passed over.</summary>
public static class SourceDocument
{
    private const string Http = "http";
    private const string Client = "client";
    private const string Server = "server";
    private const int LongestText = 200;
    private const int MostItems = 100;
    private const int MostRules = 50;
    private const double MostEventsPerSecond = 1_000_000;

    /// <param name="json">A JSON object.</param>
    /// <exception cref="ProblemException">invalid-field, naming every field that cannot be taken.</exception>
    public static Source Read(string id, JsonElement json, IReadOnlyList<WriteKey> writeKeys)
    {
        var fields = new JsonFields(json);
        fields.Ignore("writeKeys");
        if (fields.Text("id", LongestText) is { } stated && stated != id)
            fields.Refuse("id", "not the id of the path");
        var name = fields.Text("name", LongestText) ?? id;
        var type = fields.Text("type", LongestText) ?? Http;
        if (type != Http)
            fields.Refuse("type", $"none of {Http}");
        var enabled = fields.Flag("enabled") ?? true;
        var trust = fields.Text("trust", LongestText);
        if (trust is not null and not Client and not Server)
            fields.Refuse("trust", $"none of {Client}, {Server}");
        var origins = Origins(fields);
        var limit = Limit(fields);
        var rules = fields.Objects("fieldRules", MostRules)?.Select(Rule).ToList();
        // Nobody shall believe that they work.
        foreach (var missing in (ReadOnlySpan<string>)["mapping", "requireConsent"])
        {
            if (fields.Any(missing) is not null)
                fields.Refuse(missing, "not supported: it would have no effect; leave it out or send null");
        }

        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        return new Source(id, name, type, enabled, writeKeys, origins, limit, rules, trust == Server ? SourceTrust.Server : SourceTrust.Client);
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
