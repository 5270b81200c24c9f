using System.Collections.Immutable;
using System.IO.Compression;
using System.Security.Cryptography;

namespace Cdp.Exports;

/// <summary>A part while it is written. It is whole in memory before any of it is stored, so no part is ever half there.</summary>
internal sealed class ExportPartFile : IDisposable
{
    private readonly MemoryStream stored = new();
    private readonly RowFormat rows;

    public ExportPartFile(string format, string compression, ImmutableArray<string> names)
    {
        // The compressed stream is closed on completion, and what it wrote to must stay readable.
        Stream stream = compression == ExportFormats.Gzip ? new GZipStream(stored, CompressionLevel.Fastest, leaveOpen: true) : stored;
        rows = RowFormat.Create(format, new BufferedStream(stream), names);
    }

    public long Rows { get; private set; }

    /// <summary>What has got through so far; the rest is in buffers of a few KiB.</summary>
    public long Bytes => stored.Length;

    public void Write(ExportValues values, string? change)
    {
        rows.Write(values, change);
        Rows++;
    }

    /// <summary>Completes the file.</summary>
    public (ReadOnlyMemory<byte> Data, string Sha256) Complete()
    {
        rows.Dispose();
        // A closed MemoryStream still gives its array.
        var data = stored.ToArray();
        return (data, Convert.ToHexStringLower(SHA256.HashData(data)));
    }

    public void Dispose()
    {
        rows.Dispose();
        stored.Dispose();
    }
}
