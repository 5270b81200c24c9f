using System.Buffers;
using System.Buffers.Text;
using System.IO.Compression;
using System.Text;
using Cdp.Storage;

namespace Cdp.Collect;

/// <summary>An event out of a queue message.</summary>
/// <param name="Json">One line, the stored form; see <see cref="Events.Event"/>.</param>
/// <param name="Historical">Came in through an import.</param>
public sealed record CollectedEvent(ReadOnlyMemory<byte> Json, bool Historical);

/// <summary>
/// The message body on the queue <c>events</c>. A batch of events is lines, each <c>e</c> (or <c>h</c> for a historical event), the
/// event's JSON, a line feed; compressed by gzip. The message is <c>1:</c> and the gzip as base64, or, where that is longer than
/// <see cref="StorageLimits.QueueMessageChars"/>, <c>1@</c> and the name of the blob in <see cref="ContainerName.Overflow"/> that
/// holds the gzip. The digit is the version.
/// </summary>
public static class EventMessageCodec
{
    /// <summary>More than any writer puts into a message; a message that inflates beyond it is not one of ours.</summary>
    public const int MostRawBytes = 1024 * 1024;

    internal const byte Line = (byte)'e';
    internal const byte HistoricalLine = (byte)'h';

    private const string Inline = "1:";
    private const string Pointer = "1@";

    /// <summary>The message for events that fit into the queue; see <see cref="EncodeAsync"/> for any.</summary>
    /// <exception cref="ArgumentException">The events are too many for one message.</exception>
    public static string Encode(IReadOnlyList<CollectedEvent> events)
    {
        using var gzip = Compress(events);
        return TryInline(gzip.Written) ?? throw new ArgumentException("The events do not fit into one queue message.", nameof(events));
    }

    /// <summary>The message for events, which may be put into a blob first.</summary>
    /// <param name="blobName">A name nobody else uses, should it be needed.</param>
    public static async Task<string> EncodeAsync(IReadOnlyList<CollectedEvent> events, IBlobStore blobs, string blobName, CancellationToken cancellation)
    {
        using var gzip = Compress(events);
        return await PlaceAsync(gzip, blobs, () => blobName, cancellation);
    }

    /// <summary>The blob the message points to, to be deleted once its events are processed; null where it holds them itself.</summary>
    public static string? OverflowBlob(string message) =>
        message.StartsWith(Pointer, StringComparison.Ordinal) ? message[Pointer.Length..] : null;

    /// <summary>
    /// The events of a message. None where its blob is gone: the blob is deleted only after its events were processed, so this is
    /// a second delivery.
    /// </summary>
    /// <exception cref="FormatException">The message is not of this format.</exception>
    public static async Task<IReadOnlyList<CollectedEvent>> DecodeAsync(string message, IBlobStore blobs, CancellationToken cancellation)
    {
        if (OverflowBlob(message) is { } name)
            return await blobs.GetAsync(ContainerName.Overflow, name, cancellation) is { } data ? Decode(data) : [];
        if (!message.StartsWith(Inline, StringComparison.Ordinal))
            throw new FormatException("The message is no batch of events: it starts with neither 1: nor 1@.");
        return Decode(Convert.FromBase64String(message[Inline.Length..]));
    }

    /// <param name="newName">Makes the blob's name, where one is needed.</param>
    internal static async Task<string> PlaceAsync(ByteBuilder gzip, IBlobStore blobs, Func<string> newName, CancellationToken cancellation)
    {
        if (TryInline(gzip.Written) is { } message)
            return message;
        var name = newName();
        await blobs.PutAsync(ContainerName.Overflow, name, gzip.WrittenMemory, cancellation);
        return Pointer + name;
    }

    internal static ByteBuilder Compress(ReadOnlySpan<byte> lines)
    {
        var gzip = new ByteBuilder(Math.Max(lines.Length / 3, 512));
        using var target = new Sink(gzip);
        using (var stream = new GZipStream(target, CompressionLevel.Fastest))
            stream.Write(lines);
        return gzip;
    }

    private static ByteBuilder Compress(IReadOnlyList<CollectedEvent> events)
    {
        using var lines = new ByteBuilder(4096);
        foreach (var collected in events)
        {
            if (collected.Json.Span.ContainsAny((byte)'\n', (byte)'\r'))
                throw new ArgumentException("An event is one line.", nameof(events));
            lines.Append(collected.Historical ? HistoricalLine : Line);
            lines.Append(collected.Json.Span);
            lines.Append((byte)'\n');
        }

        return lines.Length <= MostRawBytes ? Compress(lines.Written) : throw new ArgumentException("The events are too many for one message.", nameof(events));
    }

    private static string? TryInline(ReadOnlySpan<byte> gzip)
    {
        var length = Inline.Length + Base64.GetMaxEncodedToUtf8Length(gzip.Length);
        if (length > StorageLimits.QueueMessageChars)
            return null;
        return string.Create(length, gzip, static (text, bytes) =>
        {
            Inline.CopyTo(text);
            Convert.TryToBase64Chars(bytes, text[Inline.Length..], out _);
        });
    }

    private static List<CollectedEvent> Decode(ReadOnlyMemory<byte> gzip)
    {
        ReadOnlyMemory<byte> lines = Inflate(gzip);
        var events = new List<CollectedEvent>();
        while (!lines.IsEmpty)
        {
            var end = lines.Span.IndexOf((byte)'\n');
            if (end < 2 || lines.Span[0] is not (Line or HistoricalLine))
                throw new FormatException("The message has a line that is no event.");
            events.Add(new CollectedEvent(lines[1..end], lines.Span[0] == HistoricalLine));
            lines = lines[(end + 1)..];
        }

        return events;
    }

    private static byte[] Inflate(ReadOnlyMemory<byte> gzip)
    {
        using var inflated = new ByteBuilder(gzip.Length * 4);
        using var source = new MemoryStream(gzip.ToArray(), writable: false);
        using var stream = new GZipStream(source, CompressionMode.Decompress);
        try
        {
            int read;
            while ((read = stream.Read(inflated.GetSpan(4096))) > 0)
            {
                inflated.Advance(read);
                if (inflated.Length > MostRawBytes)
                    throw new FormatException($"The message inflates to more than {MostRawBytes} bytes.");
            }
        }
        catch (InvalidDataException exception)
        {
            throw new FormatException("The message is not gzip.", exception);
        }

        return inflated.Written.ToArray();
    }

    /// <summary>Lets a compressor write into a pooled buffer.</summary>
    private sealed class Sink(ByteBuilder target) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => target.Length;

        public override long Position { get => target.Length; set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer) => target.Append(buffer);

        public override void Write(byte[] buffer, int offset, int count) => target.Append(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
