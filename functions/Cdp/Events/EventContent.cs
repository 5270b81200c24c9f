using System.Text.Json;

namespace Cdp.Events;

/// <summary>
/// A 64-bit hash of what the sender said in an event, so that a repetition under the same messageId is told from another message.
/// Independent of member order and white space. Left out is what a retry changes or the server adds: <c>sentAt, receivedAt,
/// timestamp</c> (<c>originalTimestamp</c> keeps the sender's time), <c>_metadata</c>, <c>context.ip</c> and <c>context.userAgent</c>; and
/// <c>userId</c>, because analytics.js adds the one of a login that came between a message and its repetition.
/// </summary>
/// <remarks>Not cryptographic: it only ever compares messages whose ids and source are the same.</remarks>
public static class EventContent
{
    /// <summary>64 levels are taken from senders; the reader needs one more to say so.</summary>
    public const int ReaderDepth = 72;

    private const ulong Offset = 14695981039346656037;
    private const ulong Prime = 1099511628211;
    private const ulong Empty = 17;

    public static ulong Hash(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = ReaderDepth });
        reader.Read();
        return HashObject(ref reader, Level.Event);
    }

    private enum Level
    {
        Event,
        Context,
        Inner,
    }

    private static ulong HashObject(ref Utf8JsonReader reader, Level level)
    {
        var sum = Empty;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (level != Level.Inner && IsVolatile(ref reader, level))
            {
                reader.Read();
                reader.Skip();
                continue;
            }

            var inner = level == Level.Event && reader.ValueTextEquals("context"u8) ? Level.Context : Level.Inner;
            var name = HashBytes(reader.ValueSpan, Offset);
            reader.Read();
            var value = HashValue(ref reader, inner);
            // A context without anything else is what the server makes to put the address into.
            if (inner == Level.Context && value == Empty)
                continue;
            // A sum over the members makes their order irrelevant; Mix keeps (a:1,b:2) apart from (a:2,b:1).
            sum += Mix(name ^ Mix(value));
        }

        return sum;
    }

    private static ulong HashValue(ref Utf8JsonReader reader, Level level)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                return HashObject(ref reader, level);
            case JsonTokenType.StartArray:
                ulong hash = 31;
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                    hash = Mix((hash * Prime) + HashValue(ref reader, Level.Inner));
                return hash;
            default:
                return HashBytes(reader.ValueSpan, Offset + (ulong)reader.TokenType);
        }
    }

    private static bool IsVolatile(ref Utf8JsonReader reader, Level level) => level == Level.Event
        ? reader.ValueTextEquals("sentAt"u8) || reader.ValueTextEquals("receivedAt"u8) || reader.ValueTextEquals("timestamp"u8) || reader.ValueTextEquals("_metadata"u8)
            || reader.ValueTextEquals("userId"u8)
        : reader.ValueTextEquals("ip"u8) || reader.ValueTextEquals("userAgent"u8);

    private static ulong HashBytes(ReadOnlySpan<byte> bytes, ulong hash)
    {
        foreach (var b in bytes)
            hash = (hash ^ b) * Prime;
        return Mix(hash);
    }

    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
        value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
        return value ^ (value >> 31);
    }
}
