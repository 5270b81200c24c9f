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
                await body.FillAsync(request.Body, request.HttpContext.RequestAborted);
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
        new(ProblemType.RequestTooLarge, $"The request's body is larger than {limit} bytes. Send fewer events at a time.");

    private async Task InflateAsync(HttpRequest request)
    {
        using var inflated = new GZipStream(request.Body, CompressionMode.Decompress, leaveOpen: true);
        try
        {
            await FillAsync(inflated, request.HttpContext.RequestAborted);
        }
        catch (InvalidDataException exception)
        {
            throw new ProblemException(ProblemType.NotJson, "The body says it is gzip and cannot be inflated: " + exception.Message);
        }
    }

    private async Task FillAsync(Stream stream, CancellationToken cancellation)
    {
        while (true)
        {
            if (length == buffer.Length)
                Grow();
            var read = await stream.ReadAsync(buffer.AsMemory(length), cancellation);
            if (read == 0)
                return;
            length += read;
            if (length > limit)
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
}
