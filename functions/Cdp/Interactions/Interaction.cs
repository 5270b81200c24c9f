using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Cdp.Collect;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Problems;

namespace Cdp.Interactions;

/// <summary>A call, mail, meeting or note as a salesperson notes it down.</summary>
/// <param name="Person">One of the person's identifiers, as it was given.</param>
/// <param name="Properties">What else is known of it: a JSON object, empty where nothing is.</param>
public sealed record Interaction(
    string MessageId, string Kind, Identifier Person, string? Direction, string? Outcome, string? Subject, string? Text, string? By, Instant? At, double? DurationSeconds,
    ReadOnlyMemory<byte> Properties)
{
    private const int LongestName = 200;
    private const int LongestValue = 1000;
    private const int LongestSubject = 1000;
    private const int LongestText = 20_000;
    private const double MostSeconds = 30 * 86_400;

    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // Those of this record stand there too.
    private static readonly string[] Own = ["direction", "outcome", "subject", "text", "by", "durationSeconds"];

    /// <param name="json">A JSON object.</param>
    /// <param name="messageId">For an interaction that has none.</param>
    /// <exception cref="ProblemException">invalid-field, naming every field that cannot be taken.</exception>
    public static Interaction Read(JsonElement json, IdentityRules rules, Func<string> messageId)
    {
        var fields = new JsonFields(json);
        var id = fields.Text("messageId", CollectLimits.MessageIdLength);
        var kind = fields.Text("kind", LongestName, required: true) ?? "";
        if (kind.Length > 0 && !InteractionKinds.Noted.Contains(kind))
            fields.Refuse("kind", "none of " + string.Join(", ", InteractionKinds.Noted));
        var person = ReadPerson(fields, rules);
        var direction = fields.Text("direction", LongestName);
        if (direction is not (null or "inbound" or "outbound"))
            fields.Refuse("direction", "none of inbound, outbound");
        var outcome = fields.Text("outcome", LongestName);
        var subject = fields.Text("subject", LongestSubject);
        var text = fields.Text("text", LongestText);
        var by = fields.Text("by", LongestName);
        var seconds = fields.Number("durationSeconds", above: -1, MostSeconds);
        if (seconds < 0)
            fields.Refuse("durationSeconds", "negative");
        var at = Time(fields);
        var properties = Others(fields);
        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        return new Interaction(string.IsNullOrEmpty(id) ? messageId() : id, kind, person, direction, outcome, subject, text, by, at, seconds, properties);
    }

    /// <summary>The event that it is, as a batch of one.</summary>
    public byte[] ToBatch()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, Options))
        {
            json.WriteStartObject();
            json.WriteStartArray("batch"u8);
            json.WriteStartObject();
            json.WriteString("type"u8, "track"u8);
            json.WriteString("event"u8, InteractionKinds.EventName(Kind));
            json.WriteString("messageId"u8, MessageId);
            if (At is { } at)
                json.WriteString("timestamp"u8, at.ToString());
            if (Person.Type == IdentityRules.UserId)
                json.WriteString("userId"u8, Person.Value);
            else if (Person.Type == IdentityRules.AnonymousId)
                json.WriteString("anonymousId"u8, Person.Value);
            WriteProperties(json);
            WriteContext(json);
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private void WriteProperties(Utf8JsonWriter json)
    {
        json.WriteStartObject("properties"u8);
        foreach (var (name, value) in ((string, string?)[])[("direction", Direction), ("outcome", Outcome), ("subject", Subject), ("text", Text), ("by", By)])
        {
            if (value is not null)
                json.WriteString(name, value);
        }

        if (DurationSeconds is { } seconds)
            json.WriteNumber("durationSeconds"u8, seconds);
        if (!Properties.IsEmpty)
        {
            using var others = JsonDocument.Parse(Properties);
            foreach (var member in others.RootElement.EnumerateObject())
            {
                json.WritePropertyName(member.Name);
                json.WriteRawValue(member.Value.GetRawText());
            }
        }

        json.WriteEndObject();
    }

    private void WriteContext(Utf8JsonWriter json)
    {
        json.WriteStartObject("context"u8);
        json.WriteStartObject("interaction"u8);
        json.WriteString("kind"u8, Kind);
        json.WriteEndObject();
        if (Person.Type is not (IdentityRules.UserId or IdentityRules.AnonymousId))
        {
            json.WriteStartArray("externalIds"u8);
            json.WriteStartObject();
            json.WriteString("id"u8, Person.Value);
            json.WriteString("type"u8, Person.Type);
            json.WriteString("collection"u8, "users"u8);
            json.WriteString("encoding"u8, "none"u8);
            json.WriteEndObject();
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static Identifier ReadPerson(JsonFields fields, IdentityRules rules)
    {
        if (fields.Object("person") is not { } person)
        {
            fields.Refuse("person", "missing: {\"type\",\"value\"} of one of the person's identifiers");
            return new Identifier("", "");
        }

        var type = person.Text("type", LongestName, required: true);
        var value = person.Text("value", LongestValue, required: true);
        person.RefuseOthers();
        if (type is not null && rules.Find(type) is null)
            person.Refuse("type", "no identifier type; there are " + string.Join(", ", rules.Types.Select(known => known.Name)));
        else if (type is not null && value is not null && rules.Find(type)!.Normalise(value) is null)
            person.Refuse("value", $"names nobody: no usable {type}");
        return new Identifier(type ?? "", value ?? "");
    }

    private static Instant? Time(JsonFields fields)
    {
        if (fields.Text("at", LongestName) is not { } text)
            return null;
        if (IsoTime.TryParse(Encoding.UTF8.GetBytes(text), out var time))
            return time;
        fields.Refuse("at", "not an ISO 8601 time such as 2026-01-02T03:04:05Z");
        return null;
    }

    private static ReadOnlyMemory<byte> Others(JsonFields fields)
    {
        if (fields.Any("properties") is not { } given)
            return default;
        if (given.ValueKind != JsonValueKind.Object)
        {
            fields.Refuse("properties", "not-an-object");
            return default;
        }

        foreach (var name in Own)
        {
            if (given.TryGetProperty(name, out _))
                fields.Refuse("properties." + name, "a member of the interaction itself");
        }

        return Encoding.UTF8.GetBytes(given.GetRawText());
    }
}
