using System.Text;
using System.Text.Json;
using Cdp.Storage;

namespace Cdp.Events;

/// <summary>
/// An event as it is queued, stored, archived and read back: one JSON text, everywhere the same. The collector has put
/// <c>type, messageId, sourceId, timestamp, originalTimestamp, receivedAt</c> in front; all else is the sender's, byte by byte.
/// What readers are told besides, <c>firstProfileId</c> and <c>segmentChanges</c>, is no part of it: a sender's members of these names are dropped.
/// </summary>
/// <remarks>
/// The members held here are views of that text, read once. The text has passed the collector's checks (UTF-8, no duplicate
/// names, depth), so <see cref="Parse"/> throws <see cref="FormatException"/> only for texts that never came from a collector.
/// </remarks>
public sealed class Event
{
    // Made when asked for: readers of timelines never do.
    private Hash128? messageKey;
    private ulong? contentHash;

    private Event(ReadOnlyMemory<byte> json, bool historical)
    {
        Json = json;
        Historical = historical;
    }

    /// <summary>The whole event, one line of UTF-8 JSON.</summary>
    public ReadOnlyMemory<byte> Json { get; }

    /// <summary>Came in through an import: changes the profile, triggers nothing.</summary>
    public bool Historical { get; }

    public EventType Type { get; private set; }

    public string MessageId { get; private set; } = "";

    public string SourceId { get; private set; } = "";

    /// <summary>When it happened, corrected for the sender's clock and never later than <see cref="ReceivedAt"/>.</summary>
    public Instant Timestamp { get; private set; }

    public Instant ReceivedAt { get; private set; }

    public string? UserId { get; private set; }

    public string? AnonymousId { get; private set; }

    public string? PreviousId { get; private set; }

    public string? GroupId { get; private set; }

    /// <summary>The name of a track call; null for the others.</summary>
    public string? Name { get; private set; }

    /// <summary>The JSON text of <c>traits</c>; empty where there is no such object.</summary>
    public ReadOnlyMemory<byte> Traits { get; private set; }

    public ReadOnlyMemory<byte> Properties { get; private set; }

    public ReadOnlyMemory<byte> Context { get; private set; }

    /// <summary>The JSON text of <c>mergeProperties</c>, which means something in merge calls only; empty where there is no such list.</summary>
    public ReadOnlyMemory<byte> MergeProperties { get; private set; }

    /// <summary>Names the message within a profile: a messageId counts once per source.</summary>
    public Hash128 MessageKey => messageKey ??= Hash128.Of(SourceId, MessageId);

    /// <summary>
    /// Tells a repetition of a message from another message under the same id; see <see cref="EventContent"/>.
    /// </summary>
    public ulong ContentHash => contentHash ??= EventContent.Hash(Json.Span);

    /// <exception cref="FormatException">The text is not an event of a collector.</exception>
    public static Event Parse(ReadOnlyMemory<byte> json, bool historical = false)
    {
        var parsed = new Event(json, historical);
        try
        {
            parsed.Read();
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new FormatException("The text is not a collected event: " + exception.Message, exception);
        }

        return parsed;
    }

    private void Read()
    {
        var reader = new Utf8JsonReader(Json.Span, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw new FormatException("The text is not a JSON object.");
        var typed = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("type"u8))
            {
                reader.Read();
                typed = EventTypes.TryParse(reader.GetString(), out var type);
                Type = type;
            }
            else if (reader.ValueTextEquals("messageId"u8))
            {
                MessageId = Text(ref reader) ?? "";
            }
            else if (reader.ValueTextEquals("sourceId"u8))
            {
                SourceId = Text(ref reader) ?? "";
            }
            else if (reader.ValueTextEquals("timestamp"u8))
            {
                Timestamp = Time(ref reader);
            }
            else if (reader.ValueTextEquals("receivedAt"u8))
            {
                ReceivedAt = Time(ref reader);
            }
            else if (reader.ValueTextEquals("userId"u8))
            {
                UserId = Text(ref reader);
            }
            else if (reader.ValueTextEquals("anonymousId"u8))
            {
                AnonymousId = Text(ref reader);
            }
            else if (reader.ValueTextEquals("previousId"u8))
            {
                PreviousId = Text(ref reader);
            }
            else if (reader.ValueTextEquals("groupId"u8))
            {
                GroupId = Text(ref reader);
            }
            else if (reader.ValueTextEquals("event"u8))
            {
                Name = Text(ref reader);
            }
            else if (reader.ValueTextEquals("traits"u8))
            {
                Traits = Part(ref reader, JsonTokenType.StartObject);
            }
            else if (reader.ValueTextEquals("properties"u8))
            {
                Properties = Part(ref reader, JsonTokenType.StartObject);
            }
            else if (reader.ValueTextEquals("context"u8))
            {
                Context = Part(ref reader, JsonTokenType.StartObject);
            }
            else if (reader.ValueTextEquals("mergeProperties"u8))
            {
                MergeProperties = Part(ref reader, JsonTokenType.StartArray);
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        if (!typed || MessageId.Length == 0 || SourceId.Length == 0)
            throw new FormatException("The text lacks type, messageId or sourceId.");
        if (Type != EventType.Track)
            Name = null;
    }

    private static string? Text(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String)
            return reader.GetString();
        if (reader.TokenType == JsonTokenType.Number)
            return DecimalText(reader.ValueSpan);
        reader.Skip();
        return null;
    }

    /// <summary>
    /// A number where an id is expected, as its plain decimal text: <c>1e3</c> and <c>1000</c> name the same user. Numbers beyond
    /// <see cref="decimal"/> keep their own spelling.
    /// </summary>
    internal static string DecimalText(ReadOnlySpan<byte> number)
    {
        var text = Encoding.ASCII.GetString(number);
        if (text.AsSpan().IndexOfAny('e', 'E', '.') < 0)
            return text;
        return decimal.TryParse(text, System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out var value)
            ? value.ToString("0.############################", System.Globalization.CultureInfo.InvariantCulture)
            : text;
    }

    private static Instant Time(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.TryGetDateTimeOffset(out var time) ? Instant.Of(time) : throw new FormatException("A time is malformed.");
    }

    /// <summary>The text of a value that begins so; empty for any other.</summary>
    private ReadOnlyMemory<byte> Part(ref Utf8JsonReader reader, JsonTokenType beginning)
    {
        reader.Read();
        var start = (int)reader.TokenStartIndex;
        var isMeant = reader.TokenType == beginning;
        reader.Skip();
        return isMeant ? Json[start..(int)reader.BytesConsumed] : default;
    }
}
