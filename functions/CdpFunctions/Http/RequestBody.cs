using System.Buffers;
using System.IO.Compression;
using Cdp.Problems;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>A request's body, decompressed, in a pooled buffer that goes back on <see cref="Dispose"/>.</summary>
public sealed class RequestBody : IDisposable
{
    private const int FirstBuffer = 4096;

    private const int LargestFirstBuffer = 64 * 1024;

    private readonly int limit;
    private byte[] buffer;
    private int length;

    private RequestBody(int limit, int capacity)
    {
        this.limit = limit;
        buffer = ArrayPool<byte>.Shared.Rent(capacity);
    }

    /// <summary>Valid until <see cref="Dispose"/>.</summary>
    public ReadOnlyMemory<byte> Memory => buffer.AsMemory(0, length);

    /// <summary>Reads the whole body; stops as soon as it is larger than the limit, also while decompressing.</summary>
    /// <param name="limit">Bytes, after decompression.</param>
    /// <exception cref="ProblemException">request-too-large, unsupported-encoding (other than gzip and identity), or not-json where gzip is broken.</exception>
    public static async Task<RequestBody> ReadAsync(HttpRequest request, int limit)
    {
        var gzip = IsGzip(request.Headers.ContentEncoding.ToString());
        if (!gzip && request.ContentLength > limit)
            throw TooLarge(limit);
        // One byte more than announced, so that the end is seen without growing; but no large buffer on an announcement alone.
        var expected = gzip ? FirstBuffer : Math.Min(request.ContentLength ?? FirstBuffer, LargestFirstBuffer - 1);
        var body = new RequestBody(limit, (int)expected + 1);
        try
        {
            if (gzip)
                await body.InflateAsync(request);
            else
                await body.FillAsync(request.Body, limit, request.HttpContext.RequestAborted);
            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        var rented = buffer;
        buffer = [];
        length = 0;
        if (rented.Length > 0)
            ArrayPool<byte>.Shared.Return(rented);
    }

    private static bool IsGzip(string encoding)
    {
        if (encoding.Length == 0 || encoding.Equals("identity", StringComparison.OrdinalIgnoreCase))
            return false;
        if (encoding.Equals("gzip", StringComparison.OrdinalIgnoreCase) || encoding.Equals("x-gzip", StringComparison.OrdinalIgnoreCase))
            return true;
        throw new ProblemException(ProblemType.UnsupportedEncoding, $"The content encoding is '{encoding}'; gzip and identity are taken.");
    }

    private static ProblemException TooLarge(int limit) =>
        new(ProblemType.RequestTooLarge, $"The request's body is larger than {limit:N0} bytes. Send fewer events at a time.");

    private async Task InflateAsync(HttpRequest request)
    {
        using var inflated = new GZipStream(new SealedStream(request.Body), CompressionMode.Decompress);
        try
        {
            await FillAsync(inflated, limit + 1, request.HttpContext.RequestAborted);
        }
        catch (InvalidDataException exception)
        {
            throw NotInflatable(exception.Message);
        }

        if (length == 0 || buffer[--length] != SealedStream.Byte)
            throw NotInflatable("it is cut off, or something follows it.");
    }

    private static ProblemException NotInflatable(string why) => new(ProblemType.NotJson, "The body says it is gzip and cannot be inflated: " + why);

    private async Task FillAsync(Stream stream, int most, CancellationToken cancellation)
    {
        while (true)
        {
            if (length == buffer.Length)
                Grow();
            var read = await stream.ReadAsync(buffer.AsMemory(length), cancellation);
            if (read == 0)
                return;
            length += read;
            if (length > most)
                throw TooLarge(limit);
        }
    }

    private void Grow()
    {
        var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }

    /// <summary>
    /// Compressed data with one more member behind it (RFC 1952 allows any number of them). The decompressor takes data that ends early for
    /// complete, and passes over what follows a member and is none: only where the data is whole, the last member's byte comes out at the end.
    /// </summary>
    private sealed class SealedStream(Stream source) : Stream
    {
        /// <summary>Stands in no text of UTF-8.</summary>
        public const byte Byte = 0xFF;

        private static readonly byte[] Seal = Compress();

        // Of the seal, from where the source ended.
        private int sealedBytes;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = sealedBytes > 0 ? 0 : await source.ReadAsync(buffer, cancellationToken);
            if (read > 0)
                return read;
            var rest = Seal.AsMemory(sealedBytes);
            rest = rest[..Math.Min(rest.Length, buffer.Length)];
            rest.CopyTo(buffer);
            sealedBytes += rest.Length;
            return rest.Length;
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        private static byte[] Compress()
        {
            using var compressed = new MemoryStream();
            using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest))
                gzip.WriteByte(Byte);
            return compressed.ToArray();
        }
    }
}
