using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Cdp.Events;
using Cdp.Ids;
using Cdp.Storage;

namespace Cdp.Collect;

/// <summary>What the server knows of a request and writes into each of its events.</summary>
/// <param name="Address">The client's IP address; null or empty where it is unknown.</param>
/// <param name="UserAgent">The User-Agent header.</param>
/// <param name="StableIds">Events without a messageId get one that is made from their text.</param>
public readonly record struct ServerFacts(string SourceId, Instant ReceivedAt, string? Address, string? UserAgent, bool Historical, bool StableIds = false);

/// <summary>
/// Puts stored events together, each a line of <see cref="EventMessageCodec"/>. In front stands what the server writes:
/// <c>type, messageId, sourceId, timestamp, originalTimestamp, receivedAt</c>; then the sender's members in their order, byte by
/// byte, except that a line break between two tokens becomes a space.
/// </summary>
internal sealed class EventComposer(BodyScan scan, in ServerFacts facts, IdGenerator ids)
{
    private readonly ServerFacts facts = facts;
    private readonly byte[] source = Encoding.ASCII.GetBytes(facts.SourceId);
    private readonly byte[]? address = Member("\"ip\":", facts.Address);
    private readonly byte[]? userAgent = Member("\"userAgent\":", facts.UserAgent is { Length: > CollectLimits.UserAgentLength } agent
        ? agent[..CollectLimits.UserAgentLength]
        : facts.UserAgent);

    /// <returns>Where the event's JSON starts in the output; it ends before the line break.</returns>
    public int Append(ReadOnlySpan<byte> body, in Draft draft, ByteBuilder output)
    {
        var line = output.Length;
        output.Append(facts.Historical ? EventMessageCodec.HistoricalLine : EventMessageCodec.Line);
        AppendServers(body, draft, output);
        for (var i = 0; i < draft.MemberCount; i++)
        {
            output.Append((byte)',');
            AppendMember(body, draft, scan.Member(draft.FirstMember + i), output);
        }

        if (draft.SentAtText.IsEmpty && scan.BatchSentAt is not null)
        {
            output.Append(",\"sentAt\":"u8);
            output.Append(scan.BatchSentAtText.Of(body));
        }

        if (draft.Context.IsEmpty && (address is not null || userAgent is not null || !scan.BatchContext.IsEmpty))
        {
            output.Append(",\"context\":"u8);
            AppendContext(body, draft with { ContextIsEmpty = true }, output);
        }

        if (draft.Integrations.IsEmpty && !draft.HasOtherIntegrations && !scan.BatchIntegrations.IsEmpty)
        {
            output.Append(",\"integrations\":"u8);
            output.Append(scan.BatchIntegrations.Of(body));
        }

        output.Append((byte)'}');
        var written = output.From(line);
        written.Replace((byte)'\n', (byte)' ');
        written.Replace((byte)'\r', (byte)' ');
        output.Append((byte)'\n');
        return line + 1;
    }

    private static byte[]? Member(string name, string? value)
    {
        if (string.IsNullOrEmpty(value))
            return null;
        // Escapes quotes, backslashes, control characters and what is no valid UTF-16.
        return Encoding.UTF8.GetBytes(name + '"' + JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(value) + '"');
    }

    private void AppendServers(ReadOnlySpan<byte> body, in Draft draft, ByteBuilder output)
    {
        output.Append("{\"type\":\""u8);
        output.Append(TypeName(draft.Type));
        output.Append("\",\"messageId\":"u8);
        if (draft.MessageId.IsEmpty && facts.StableIds)
            AppendStableMessageId(draft.Text.Of(body), output);
        else if (draft.MessageId.IsEmpty)
            AppendNewMessageId(output);
        else
            output.Append(draft.MessageId.Of(body));
        output.Append(",\"sourceId\":\""u8);
        output.Append(source);
        output.Append("\",\"timestamp\":\""u8);
        AppendTime(output, Corrected(draft));
        if (!draft.ClientTimeText.IsEmpty)
        {
            output.Append("\",\"originalTimestamp\":"u8);
            output.Append(draft.ClientTimeText.Of(body));
            output.Append(",\"receivedAt\":\""u8);
        }
        else
        {
            output.Append("\",\"receivedAt\":\""u8);
        }

        AppendTime(output, facts.ReceivedAt);
        output.Append((byte)'"');
    }

    /// <summary>
    /// When it happened by the server's clock: the sender's time, corrected by what the sender's clock showed when it sent; never later than it
    /// was received, nor before 1970.
    /// </summary>
    private Instant Corrected(in Draft draft)
    {
        if (draft.ClientTimeText.IsEmpty)
            return facts.ReceivedAt;
        var time = draft.ClientTime;
        if ((draft.SentAt ?? (IsAbsent(draft.SentAtText) ? scan.BatchSentAt : null)) is { } sentAt)
            time = new Instant(facts.ReceivedAt.Milliseconds - (sentAt.Milliseconds - time.Milliseconds));
        return time > facts.ReceivedAt || time.Milliseconds < 0 ? facts.ReceivedAt : time;

        // A null is absent, and without a value there is no SentAt either.
        static bool IsAbsent(Slice text) => text.IsEmpty || text.Length == 4;
    }

    private void AppendMember(ReadOnlySpan<byte> body, in Draft draft, Slice member, ByteBuilder output)
    {
        // A member ends where its value does.
        if (!draft.Context.IsEmpty && member.End == draft.Context.End)
        {
            output.Append(body[member.Start..draft.Context.Start]);
            AppendContext(body, draft, output);
        }
        else if (!draft.Integrations.IsEmpty && member.End == draft.Integrations.End && !scan.BatchIntegrations.IsEmpty)
        {
            output.Append(body[member.Start..draft.Integrations.Start]);
            Merge(body, draft.Integrations, scan.BatchIntegrations, output, closed: true);
        }
        else if (draft.SentAt is null && !draft.SentAtText.IsEmpty && member.End == draft.SentAtText.End && scan.BatchSentAt is not null)
        {
            output.Append("\"sentAt\":"u8);
            output.Append(scan.BatchSentAtText.Of(body));
        }
        else
        {
            output.Append(member.Of(body));
        }
    }

    private void AppendContext(ReadOnlySpan<byte> body, in Draft draft, ByteBuilder output)
    {
        var hasAddress = draft.ContextHasAddress;
        var hasUserAgent = draft.ContextHasUserAgent;
        bool empty;
        if (!scan.BatchContext.IsEmpty)
        {
            (empty, hasAddress, hasUserAgent) = Merge(body, draft.Context, scan.BatchContext, output, closed: false);
        }
        else if ((hasAddress || address is null) && (hasUserAgent || userAgent is null))
        {
            output.Append(draft.Context.Of(body));
            return;
        }
        else
        {
            empty = draft.ContextIsEmpty;
            if (empty)
                output.Append((byte)'{');
            else
                output.Append(body[draft.Context.Start..(draft.Context.End - 1)]);
        }

        if (!hasAddress && address is not null)
        {
            Separate(output, ref empty);
            output.Append(address);
        }

        if (!hasUserAgent && userAgent is not null)
        {
            Separate(output, ref empty);
            output.Append(userAgent);
        }

        output.Append((byte)'}');
    }

    /// <summary>Writes the members of both objects, of those in both only the first one's; without the closing brace unless asked.</summary>
    /// <param name="first">An object, null, or nothing.</param>
    private (bool Empty, bool HasAddress, bool HasUserAgent) Merge(ReadOnlySpan<byte> body, Slice first, Slice second, ByteBuilder output, bool closed)
    {
        scan.Names.Clear();
        var self = scan.Names.OpenObject();
        output.Append((byte)'{');
        var empty = true;
        AppendNew(body, first, self, output, ref empty);
        AppendNew(body, second, self, output, ref empty);
        if (closed)
            output.Append((byte)'}');
        return (empty, !scan.Names.TryAdd(body, self, "ip"u8, -1), !scan.Names.TryAdd(body, self, "userAgent"u8, -1));
    }

    private void AppendNew(ReadOnlySpan<byte> body, Slice text, int self, ByteBuilder output, ref bool empty)
    {
        if (text.IsEmpty)
            return;
        var reader = new Utf8JsonReader(text.Of(body), new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var start = text.Start + (int)reader.TokenStartIndex;
            var isNew = reader.ValueIsEscaped
                ? scan.Names.TryAdd(body, self, Encoding.UTF8.GetBytes(reader.GetString()!), -1)
                : scan.Names.TryAdd(body, self, reader.ValueSpan, start + 1);
            reader.Read();
            reader.Skip();
            if (!isNew)
                continue;
            Separate(output, ref empty);
            output.Append(body[start..(text.Start + (int)reader.BytesConsumed)]);
        }
    }

    private static void Separate(ByteBuilder output, ref bool empty)
    {
        if (!empty)
            output.Append((byte)',');
        empty = false;
    }

    private void AppendNewMessageId(ByteBuilder output)
    {
        output.Append((byte)'"');
        output.Advance(Encoding.ASCII.GetBytes(ids.Next(""), output.GetSpan(IdGenerator.UlidLength)));
        output.Append((byte)'"');
    }

    private static void AppendStableMessageId(ReadOnlySpan<byte> text, ByteBuilder output)
    {
        output.Append("\"h_"u8);
        var hash = Hash128.Of(text).ToString();
        output.Advance(Encoding.ASCII.GetBytes(hash, output.GetSpan(hash.Length)));
        output.Append((byte)'"');
    }

    private static void AppendTime(ByteBuilder output, Instant time)
    {
        time.Write(output.GetSpan(Instant.TextLength)[..Instant.TextLength]);
        output.Advance(Instant.TextLength);
    }

    private static ReadOnlySpan<byte> TypeName(EventType type) => type switch
    {
        EventType.Track => "track"u8,
        EventType.Identify => "identify"u8,
        EventType.Page => "page"u8,
        EventType.Screen => "screen"u8,
        EventType.Group => "group"u8,
        EventType.Alias => "alias"u8,
        _ => "merge"u8,
    };
}
