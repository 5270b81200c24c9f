using System.Text.Json;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Segments.Language;
using Cdp.Sources;

namespace Cdp.Triggers;

/// <summary>Triggers and channels on the wire.</summary>
public static class TriggerDocument
{
    private const int LongestDuration = 12;

    /// <summary>What can be said without knowing what else there is; see <see cref="TriggerStore.PutAsync"/> for the rest.</summary>
    /// <exception cref="ProblemException">invalid-field or mapping-invalid, naming every field that cannot be taken.</exception>
    public static Trigger Read(string id, JsonElement body, Instant now)
    {
        CheckId(id, "trigger");
        var fields = Begin(id, body);
        var name = fields.Text("name", TriggerLimits.LongestName);
        var enabled = fields.Flag("enabled") ?? true;
        var on = ReadOn(fields);
        var mappingErrors = new List<ProblemError>();
        var send = ReadSend(fields, mappingErrors);
        var channel = fields.Text("channel", LongestId);
        var consent = fields.Texts("requireConsent", TriggerLimits.MostConsents, TriggerLimits.LongestCategory);
        var every = Period(fields, "every", TimeSpan.MaxValue);
        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        if (mappingErrors.Count > 0)
        {
            var text = string.Join("; ", mappingErrors.Select(static error => $"{error.Path}: {error.Reason}"));
            throw new ProblemException(new Problem(ProblemType.MappingInvalid, $"The mapping cannot be taken. {text}.", mappingErrors));
        }

        return new Trigger(id, name, enabled, on!, send!, channel, consent, every, now, now);
    }

    /// <exception cref="ProblemException">invalid-field</exception>
    public static Channel ReadChannel(string id, JsonElement body, Instant now)
    {
        CheckId(id, "channel");
        var fields = Begin(id, body);
        var name = fields.Text("name", TriggerLimits.LongestName);
        var caps = new List<FrequencyCap>();
        foreach (var cap in fields.Objects("caps", TriggerLimits.MostCaps) ?? [])
        {
            var count = cap.Whole("count", 1, TriggerLimits.MostCounted, required: true);
            var per = Period(cap, "per", TriggerLimits.LongestCap, required: true);
            cap.RefuseOthers();
            if (count is not null && per is not null)
                caps.Add(new FrequencyCap(count.Value, per));
        }

        var consent = fields.Texts("requireConsent", TriggerLimits.MostConsents, TriggerLimits.LongestCategory);
        var quiet = fields.Any("quietHours");
        if (quiet is { } hours)
            Parse(fields, hours, "quietHours", static (parser, _, json) => parser.On(json, "quietHours"));

        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        return new Channel(id, name, caps, consent, quiet, now, now);
    }

    public static void Write(Utf8JsonWriter json, Trigger trigger)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, trigger.Id);
        WriteText(json, "name"u8, trigger.Name);
        json.WriteBoolean("enabled"u8, trigger.Enabled);
        json.WritePropertyName("on"u8);
        if (trigger.On.Json is { } on)
        {
            on.WriteTo(json);
        }
        else
        {
            json.WriteStartObject();
            json.WriteString("segment"u8, trigger.On.SegmentId);
            json.WriteString("change"u8, trigger.On.Exited ? Subscription.Exited : Subscription.Entered);
            json.WriteEndObject();
        }

        json.WriteStartObject("send"u8);
        json.WriteString("destination"u8, trigger.Send.Destination);
        WriteTexts(json, "traits"u8, trigger.Send.Traits);
        if (trigger.Send.Mapping is { } mapping)
        {
            json.WritePropertyName("mapping"u8);
            mapping.WriteTo(json);
        }

        json.WriteEndObject();
        WriteText(json, "channel"u8, trigger.Channel);
        WriteTexts(json, "requireConsent"u8, trigger.RequireConsent);
        WriteText(json, "every"u8, trigger.Every);
        WriteTimes(json, trigger.CreatedAt, trigger.UpdatedAt);
        json.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter json, Channel channel)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, channel.Id);
        WriteText(json, "name"u8, channel.Name);
        json.WriteStartArray("caps"u8);
        foreach (var cap in channel.Caps)
        {
            json.WriteStartObject();
            json.WriteNumber("count"u8, cap.Count);
            json.WriteString("per"u8, cap.Per);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteTexts(json, "requireConsent"u8, channel.RequireConsent);
        if (channel.QuietHours is { } quiet)
        {
            json.WritePropertyName("quietHours"u8);
            quiet.WriteTo(json);
        }

        WriteTimes(json, channel.CreatedAt, channel.UpdatedAt);
        json.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter json, TriggerDecision decision)
    {
        json.WriteStartObject();
        json.WriteString("at"u8, decision.At.ToString());
        json.WriteString("triggerId"u8, decision.TriggerId);
        json.WriteString("profileId"u8, decision.ProfileId);
        json.WriteString("outcome"u8, decision.Outcome);
        WriteText(json, "reason"u8, decision.Reason);
        json.WriteString("decidedAt"u8, decision.DecidedAt.ToString());
        WriteText(json, "channel"u8, decision.Channel);
        WriteText(json, "messageId"u8, decision.MessageId);
        WriteText(json, "destinationId"u8, decision.DestinationId);
        WriteText(json, "deliveryId"u8, decision.DeliveryId);
        json.WriteEndObject();
    }

    private const int LongestId = 63;

    private static JsonFields Begin(string id, JsonElement body)
    {
        var fields = new JsonFields(body);
        // What the server shows of it: what was read can be sent back.
        fields.Ignore("createdAt", "updatedAt");
        if (fields.Text("id", TriggerLimits.LongestText) is { } stated && stated != id)
            fields.Refuse("id", "not the id of the path");
        return fields;
    }

    private static TriggerOn? ReadOn(JsonFields fields)
    {
        if (fields.Any("on") is not { } json)
        {
            fields.Refuse("on", "missing");
            return null;
        }

        if (json.ValueKind != JsonValueKind.Object)
        {
            fields.Refuse("on", "not-an-object");
            return null;
        }

        if (json.TryGetProperty("segment", out _))
        {
            var inner = fields.Object("on")!;
            var segment = inner.Text("segment", LongestId, required: true);
            var change = inner.Text("change", TriggerLimits.LongestText) ?? Subscription.Entered;
            if (change is not (Subscription.Entered or Subscription.Exited))
                inner.Refuse("change", "none of entered, exited");
            inner.RefuseOthers();
            return new TriggerOn(TriggerKind.Segment, segment, change == Subscription.Exited);
        }

        if (json.TryGetProperty("event", out _))
        {
            Parse(fields, json, "on", static (parser, reader, json) =>
            {
                if (reader.IsObject(json, "on", Grammar.Step))
                    parser.Pattern(json, "on");
            });
            return new TriggerOn(TriggerKind.Event, Json: json);
        }

        if (json.TryGetProperty("sequence", out _))
        {
            Parse(fields, json, "on", static (parser, _, json) => parser.Condition(json, "on"));
            return new TriggerOn(TriggerKind.Sequence, Json: json);
        }

        fields.Refuse("on", "has none of segment, event, sequence");
        return null;
    }

    private static TriggerSend? ReadSend(JsonFields fields, List<ProblemError> mappingErrors)
    {
        if (fields.Any("send") is null)
            fields.Refuse("send", "missing");
        if (fields.Object("send") is not { } send)
            return null;
        var destination = send.Text("destination", LongestId, required: true);
        var traits = send.Texts("traits", TriggerLimits.MostTraits, TriggerLimits.LongestText);
        var mapping = send.Any("mapping");
        if (mapping is { ValueKind: JsonValueKind.Object } shape && shape.GetPropertyCount() == 0)
            mapping = null;
        try
        {
            if (mapping is { } given)
                Mapping.Parse(given, "send.mapping", mappingErrors);
        }
        catch (InvalidOperationException)
        {
            send.Refuse("mapping", "has a text that is not Unicode");
        }

        send.RefuseOthers();
        return destination is null ? null : new TriggerSend(destination, traits, mapping);
    }

    private static string? Period(JsonFields fields, string name, TimeSpan longest, bool required = false)
    {
        if (fields.Text(name, LongestDuration, required) is not { } text)
            return null;
        if (!Duration.TryParse(text, out var duration))
            fields.Refuse(name, "not a duration, such as 30m, 12h, 7d");
        else if (duration.Milliseconds > longest.TotalMilliseconds)
            fields.Refuse(name, $"longer than {longest.TotalDays:0} days");
        return text;
    }

    /// <summary>Runs the parser of the segment language, and takes over what it finds wrong.</summary>
    private static void Parse(JsonFields fields, JsonElement json, string path, Action<ConditionParser, DefinitionReader, JsonElement> parse)
    {
        if (json.GetRawText().Length > DefinitionLimits.MostBytes)
        {
            fields.Refuse(path, $"larger than {DefinitionLimits.MostBytes:N0} bytes");
            return;
        }

        var reader = new DefinitionReader();
        try
        {
            parse(new ConditionParser(reader), reader, json);
        }
        catch (InvalidOperationException)
        {
            // A name or a text with a lone surrogate.
            fields.Refuse(path, "has a text that is not Unicode");
        }

        foreach (var error in reader.Errors)
            fields.Refuse(error.Path, error.Reason);
    }

    private static void CheckId(string id, string what)
    {
        if (SourceIds.IsValid(id))
            return;
        const string reason = "not lower-case letters, digits and hyphens, at most 63, the first no hyphen, and none of preview, schema, overlap, lookup";
        throw new ProblemException(new Problem(ProblemType.InvalidField, $"The {what}'s id is {reason}.", [new ProblemError("id", reason)]));
    }

    private static void WriteTimes(Utf8JsonWriter json, Instant created, Instant updated)
    {
        json.WriteString("createdAt"u8, created.ToString());
        json.WriteString("updatedAt"u8, updated.ToString());
    }

    private static void WriteText(Utf8JsonWriter json, ReadOnlySpan<byte> name, string? text)
    {
        if (text is not null)
            json.WriteString(name, text);
    }

    private static void WriteTexts(Utf8JsonWriter json, ReadOnlySpan<byte> name, IReadOnlyList<string>? texts)
    {
        if (texts is null)
            return;
        json.WriteStartArray(name);
        foreach (var text in texts)
            json.WriteStringValue(text);
        json.WriteEndArray();
    }
}
