using System.Text.Json;
using Cdp.Problems;
using Cdp.Segments.Language;

namespace Cdp.Destinations;

/// <summary>A secret in a PUT: a value or the name of a setting; neither means that it is removed.</summary>
public readonly record struct SecretInput(string? Value, string? Setting);

/// <summary>A destination on the wire. Secrets go in and never come out.</summary>
public static class DestinationDocument
{
    /// <summary>Requests a second where <c>limits</c> does not say otherwise.</summary>
    public const double DefaultRate = 50;

    private const int LongestText = 200;
    private const int LongestSecret = 4000;
    private const int MostItems = 200;
    private const int MostSubscriptions = 50;
    private const int MostSettings = 64 * 1024;
    private const double MostRate = 10_000;

    /// <param name="json">A JSON object.</param>
    /// <param name="present">Its secrets stay where the body says nothing of them.</param>
    /// <returns>The destination with the secrets that stay, and those that are to be stored.</returns>
    /// <exception cref="ProblemException">invalid-field or mapping-invalid, naming every field that cannot be taken.</exception>
    public static (Destination Destination, IReadOnlyDictionary<string, SecretInput> Secrets) Read(
        string id, JsonElement json, Destination? present, DestinationTypes types, bool mayStore = true)
    {
        var fields = new JsonFields(json);
        // What the server shows of it.
        fields.Ignore("health");
        if (fields.Text("id", LongestText) is { } stated && stated != id)
            fields.Refuse("id", "not the id of the path");
        var typeName = fields.Text("type", LongestText, required: true);
        var type = typeName is null ? null : types.Find(typeName);
        if (typeName is not null && type is null)
            fields.Refuse("type", $"none of {string.Join(", ", types.Names)}");
        var enabled = fields.Flag("enabled") ?? true;
        var settings = fields.Any("settings");
        // Another type has other secrets.
        var kept = present is not null && present.Type == typeName ? present.Secrets : new Dictionary<string, StoredSecret>(StringComparer.Ordinal);
        var (secrets, stay) = ReadSecrets(fields, type, kept, mayStore);
        if (settings is { ValueKind: not JsonValueKind.Object })
        {
            fields.Refuse("settings", "not-an-object");
        }
        else if (type is not null)
        {
            if (settings?.GetRawText().Length > MostSettings)
                fields.Refuse("settings", $"larger than {MostSettings:N0} characters");
            var inner = settings is null ? fields.Object("settings", empty: true) : fields.Object("settings", empty: false);
            type.Check(inner!, name => stay.ContainsKey(name) || (secrets.TryGetValue(name, out var given) && (given.Value ?? given.Setting) is not null));
            inner!.RefuseOthers();
        }

        if (present is not null && !SameAddress(present.Settings, settings))
        {
            // Or who may change a destination could have its secrets sent to a server of their own.
            foreach (var (name, secret) in stay)
            {
                if (secret.Sealed is not null)
                    fields.Refuse("secrets." + name, "to be given again: the address is another one");
            }
        }

        var mappingErrors = new List<ProblemError>();
        var subscriptions = new List<Subscription>();
        var index = 0;
        foreach (var subscription in fields.Objects("subscriptions", MostSubscriptions) ?? [])
            subscriptions.Add(ReadSubscription(subscription, $"subscriptions[{index++}].", fields, mappingErrors));
        var limits = ReadLimits(fields, type);
        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        if (mappingErrors.Count > 0)
        {
            var text = string.Join("; ", mappingErrors.Select(static error => $"{error.Path}: {error.Reason}"));
            throw new ProblemException(new Problem(ProblemType.MappingInvalid, $"The mapping cannot be taken. {text}.", mappingErrors));
        }

        using var none = JsonDocument.Parse("{}");
        return (new Destination(id, typeName!, enabled, settings ?? none.RootElement.Clone(), stay, subscriptions, limits), secrets);
    }

    /// <summary>All but its health.</summary>
    /// <param name="rest">Writes further members.</param>
    public static void Write(Utf8JsonWriter json, Destination destination, Action<Utf8JsonWriter>? rest = null)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, destination.Id);
        json.WriteString("type"u8, destination.Type);
        json.WriteBoolean("enabled"u8, destination.Enabled);
        json.WritePropertyName("settings"u8);
        destination.Settings.WriteTo(json);
        json.WriteStartObject("secrets"u8);
        foreach (var (name, secret) in destination.Secrets)
        {
            json.WriteStartObject(name);
            json.WriteBoolean("set"u8, true);
            json.WriteString("updatedAt"u8, secret.UpdatedAt.ToString());
            if (secret.Setting is not null)
                json.WriteString("setting"u8, secret.Setting);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteStartArray("subscriptions"u8);
        foreach (var subscription in destination.Subscriptions)
            Write(json, subscription);
        json.WriteEndArray();
        json.WriteStartObject("limits"u8);
        json.WriteNumber("ratePerSecond"u8, destination.Limits.RatePerSecond);
        json.WriteNumber("batchSize"u8, destination.Limits.BatchSize);
        json.WriteEndObject();
        rest?.Invoke(json);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, Subscription subscription)
    {
        json.WriteStartObject();
        json.WriteString("on"u8, subscription.On switch { SubscriptionOn.Segment => "segment"u8, SubscriptionOn.Event => "event"u8, _ => "profile"u8 });
        WriteTexts(json, "segments", subscription.Segments);
        WriteTexts(json, "events", subscription.Events);
        WriteTexts(json, "changes", subscription.Changes);
        WriteTexts(json, "traits", subscription.Traits);
        WriteJson(json, "filter", subscription.Filter);
        WriteJson(json, "mapping", subscription.Mapping);
        WriteTexts(json, "requireConsent", subscription.RequireConsent);
        WriteTexts(json, "exceptSources", subscription.ExceptSources);
        json.WriteEndObject();
    }

    private static void WriteJson(Utf8JsonWriter json, string name, JsonElement? value)
    {
        if (value is null)
            return;
        json.WritePropertyName(name);
        value.Value.WriteTo(json);
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

    private static bool SameAddress(JsonElement before, JsonElement? now)
    {
        foreach (var name in (ReadOnlySpan<string>)["url", "baseUrl", "namespace"])
        {
            if (Origin(before, name) != Origin(now, name))
                return false;
        }

        return true;

        static string? Origin(JsonElement? settings, string name)
        {
            if (settings is not { ValueKind: JsonValueKind.Object } json || !json.TryGetProperty(name, out var value) || value.ValueKind != JsonValueKind.String)
                return null;
            return Uri.TryCreate(value.GetString(), UriKind.Absolute, out var uri) ? uri.GetLeftPart(UriPartial.Authority) : value.GetString();
        }
    }

    private static (Dictionary<string, SecretInput> Given, Dictionary<string, StoredSecret> Stay) ReadSecrets(
        JsonFields fields, IDestinationType? type, IReadOnlyDictionary<string, StoredSecret> kept, bool mayStore)
    {
        var given = new Dictionary<string, SecretInput>(StringComparer.Ordinal);
        var stay = new Dictionary<string, StoredSecret>(kept, StringComparer.Ordinal);
        if (fields.Any("secrets") is not { } json || type is null)
            return (given, stay);
        if (json.ValueKind != JsonValueKind.Object)
        {
            fields.Refuse("secrets", "not-an-object");
            return (given, stay);
        }

        foreach (var member in json.EnumerateObject())
        {
            var path = "secrets." + member.Name;
            if (!type.Secrets.Contains(member.Name))
            {
                fields.Refuse(path, type.Secrets.Count == 0 ? "the type has no secrets" : $"none of {string.Join(", ", type.Secrets)}");
                continue;
            }

            if (ReadSecret(member.Value, path, fields) is not { } secret)
                continue;
            stay.Remove(member.Name);
            if ((secret.Value ?? secret.Setting) is null)
                continue;
            if (secret.Value is not null && !mayStore)
                fields.Refuse(path, "a value: refer to a setting as {\"setting\":\"NAME\"}");
            given[member.Name] = secret;
        }

        return (given, stay);
    }

    /// <summary>Null where it stays as it is, or cannot be taken.</summary>
    private static SecretInput? ReadSecret(JsonElement value, string path, JsonFields fields)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return default(SecretInput);
            case JsonValueKind.String when value.GetString() is { Length: > 0 and <= LongestSecret } text && !text.AsSpan().ContainsAny('\r', '\n', '\0'):
                return new SecretInput(text, null);
            case JsonValueKind.Object when value.TryGetProperty("set", out var set) && set.ValueKind == JsonValueKind.True:
                // As it is shown: what was read is sent back.
                return null;
            case JsonValueKind.Object when value.TryGetProperty("setting", out var setting) && setting.ValueKind == JsonValueKind.String && SecretVault.IsSettingName(setting.GetString()!):
                return new SecretInput(null, setting.GetString());
            default:
                fields.Refuse(path, $"neither a text of at most {LongestSecret:N0} characters without line breaks, nor {{\"setting\":\"NAME\"}} with a name of letters, digits, - and _, nor null");
                return null;
        }
    }

    private static DeliveryLimits ReadLimits(JsonFields fields, IDestinationType? type)
    {
        var (batch, most) = type?.BatchSize ?? (1, 1);
        if (fields.Object("limits") is not { } limits)
            return new DeliveryLimits(DefaultRate, batch);
        var rate = limits.Number("ratePerSecond", above: 0, MostRate);
        var size = limits.Whole("batchSize", 1, most);
        limits.RefuseOthers();
        return new DeliveryLimits(rate ?? DefaultRate, size ?? batch);
    }

    private static Subscription ReadSubscription(JsonFields json, string path, JsonFields fields, List<ProblemError> mappingErrors)
    {
        var on = json.Text("on", LongestText, required: true);
        if (on is not null and not ("segment" or "event" or "profile"))
            json.Refuse("on", "none of segment, event, profile");
        var segments = json.Texts("segments", MostItems, 63);
        var events = json.Texts("events", MostItems, LongestText);
        var changes = json.Texts("changes", 2, LongestText);
        if (changes?.Any(static change => change is not (Subscription.Entered or Subscription.Exited)) == true)
            json.Refuse("changes", "none of entered, exited");
        var traits = json.Texts("traits", MostItems, LongestText);
        var consent = json.Texts("requireConsent", 20, 100);
        var except = json.Texts("exceptSources", 20, 63);
        foreach (var (name, isThere, needs) in (ReadOnlySpan<(string, bool, string)>)
            [("segments", segments is not null, "segment"), ("changes", changes is not null, "segment"), ("events", events is not null, "event"), ("filter", json.Any("filter") is not null, "event")])
        {
            if (isThere && on is not null && on != needs)
                json.Refuse(name, $"only with \"on\":\"{needs}\"");
        }

        if (events is not null)
        {
            for (var i = 0; i < events.Count; i++)
            {
                if (events[i] is ['$', ..] && !Grammar.EventNames.Contains(events[i]))
                    json.Refuse($"events[{i}]", $"unknown; names with $ are {string.Join(", ", Grammar.EventNames)}");
            }
        }

        var filter = json.Any("filter");
        if (filter is { } tests)
        {
            var errors = new List<ProblemError>();
            EventFilter.Parse(tests, path + "filter", errors);
            foreach (var error in errors)
                fields.Refuse(error.Path, error.Reason);
        }

        var mapping = json.Any("mapping");
        if (mapping is { } shape && !IsEmpty(shape))
            Mapping.Parse(shape, path + "mapping", mappingErrors);
        else
            mapping = null;
        json.RefuseOthers();
        return new Subscription(
            on switch { "segment" => SubscriptionOn.Segment, "profile" => SubscriptionOn.Profile, _ => SubscriptionOn.Event },
            segments, events, changes, traits, filter, mapping, consent, except);
    }

    private static bool IsEmpty(JsonElement json) => json.ValueKind == JsonValueKind.Object && json.GetPropertyCount() == 0;
}
