using System.Text.Json;
using Cdp.Events;
using Cdp.Reading;

namespace Cdp.Interactions;

/// <summary>A person's interactions on the wire: what a salesperson looks at, and the event behind it.</summary>
public static class InteractionJson
{
    public static void WritePage(Utf8JsonWriter json, TimelinePage page)
    {
        json.WriteStartObject();
        json.WriteStartArray("data"u8);
        foreach (var row in page.Events)
            Write(json, row.Event);
        json.WriteEndArray();
        if (page.Next is not null)
            json.WriteString("next"u8, page.Next);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, Event e)
    {
        json.WriteStartObject();
        json.WriteString("kind"u8, InteractionKinds.Of(e));
        if (e.Name is not null)
            json.WriteString("event"u8, e.Name);
        json.WriteString("at"u8, e.Timestamp.ToString());
        json.WriteString("messageId"u8, e.MessageId);
        json.WriteString("sourceId"u8, e.SourceId);
        if (!e.Properties.IsEmpty)
        {
            WriteKnown(json, e.Properties.Span);
            // As it is stored: digits of numbers and lone surrogates included.
            json.WritePropertyName("properties"u8);
            json.WriteRawValue(e.Properties.Span, skipInputValidation: true);
        }

        json.WriteEndObject();
    }

    /// <summary>Members that people look for first.</summary>
    private static void WriteKnown(Utf8JsonWriter json, ReadOnlySpan<byte> properties)
    {
        var reader = new Utf8JsonReader(properties, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = Known(ref reader);
            reader.Read();
            if (name is not null && reader.TokenType == JsonTokenType.String)
            {
                json.WritePropertyName(name);
                json.WriteRawValue(properties[(int)reader.TokenStartIndex..(int)reader.BytesConsumed], skipInputValidation: true);
            }

            reader.Skip();
        }
    }

    private static string? Known(ref Utf8JsonReader reader)
    {
        foreach (var name in (ReadOnlySpan<string>)["direction", "outcome", "by", "subject", "text", "stage"])
        {
            if (reader.ValueTextEquals(name))
                return name;
        }

        return null;
    }
}
