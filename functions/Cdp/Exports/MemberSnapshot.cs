using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;
using Cdp.Storage;

namespace Cdp.Exports;

/// <summary>
/// Who was in an export and with which values, for the next delta: per member its key (ASCII) and the hash of its row, in their order. In blobs
/// <c>_members/{segment}/{export}/{claim}-{n}</c>; no segment's id starts with an underscore.
/// </summary>
internal sealed class MemberSnapshot
{
    private const int EntryBytes = MemberKey.Length + sizeof(ulong);

    private readonly ArrayBufferWriter<byte> data = new();

    public int Count => data.WrittenCount / EntryBytes;

    public ReadOnlyMemory<byte> Data => data.WrittenMemory;

    public static string Folder(string segmentId, string exportId) => $"_members/{segmentId}/{exportId}/";

    public void Add(string key, ulong hash)
    {
        var entry = data.GetSpan(EntryBytes);
        Encoding.ASCII.GetBytes(key, entry);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[MemberKey.Length..], hash);
        data.Advance(EntryBytes);
    }

    /// <summary>The members behind <paramref name="after"/>; one blob at a time is in memory.</summary>
    public static async IAsyncEnumerable<(string Key, ulong Hash)> ReadAsync(
        IBlobStore blobs, ExportDocument export, string? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        foreach (var chunk in export.Members)
        {
            if (string.CompareOrdinal(chunk.Last, after) <= 0)
                continue;
            var entries = await blobs.GetAsync(ContainerName.Exports, chunk.Name, cancellation)
                ?? throw new SnapshotGoneException($"What export {export.Id} held is gone: {chunk.Name}.");
            for (; !entries.IsEmpty; entries = entries[EntryBytes..])
            {
                var key = Encoding.ASCII.GetString(entries.Span[..MemberKey.Length]);
                if (string.CompareOrdinal(key, after) > 0)
                    yield return (key, BinaryPrimitives.ReadUInt64LittleEndian(entries.Span[MemberKey.Length..]));
            }
        }
    }
}

/// <summary>What a delta is against is not there any more.</summary>
internal sealed class SnapshotGoneException(string message) : Exception(message);
