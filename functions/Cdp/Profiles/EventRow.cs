using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Cdp.Events;

namespace Cdp.Profiles;

/// <summary>
/// An event on a timeline, as stored: format, flags, the profile that first owned it (where that is another one), what changed by it, then the JSON text,
/// Brotli-compressed where that pays.
/// </summary>
/// <param name="FirstProfile">
/// The profile the event was committed to first, or an unmerge has given it to since; it differs from the present one after a merge.
/// </param>
/// <param name="Version">
/// The version of the present owner's document that the event was committed with; 0 where a merge or an unmerge has brought it. It tells an unmerge
/// which events the document has counted since the unmerge began.
/// </param>
/// <param name="Changes">The segments that the profile entered or left by the event; null for none.</param>
public sealed record EventRow(Event Event, ProfileId FirstProfile, long Version = 0, IReadOnlyList<SegmentChange>? Changes = null)
{
    private const byte Format = 1;
    private const byte Historical = 1;
    private const byte Moved = 2;
    private const byte Compressed = 4;
    private const byte Versioned = 8;
    private const byte Changing = 16;

    // The count of changes is one byte; a transaction has no room for as many.
    private const int MostChanges = byte.MaxValue;
    private const int WorthCompressing = 200;
    private const int MostPlainBytes = 4 * 1024 * 1024;

    public byte[] Encode(ProfileId owner)
    {
        var json = Event.Json.Span;
        var moved = FirstProfile != owner;
        var afterFirst = 2 + (moved ? FirstProfile.Value.Length : 0);
        var afterVersion = afterFirst + (Version > 0 ? sizeof(long) : 0);
        var head = afterVersion + ChangesLength;
        var buffer = ArrayPool<byte>.Shared.Rent(head + 4 + json.Length);
        try
        {
            var flags = (byte)((Event.Historical ? Historical : 0) | (moved ? Moved : 0) | (Version > 0 ? Versioned : 0) | (head > afterVersion ? Changing : 0));
            buffer[0] = Format;
            if (moved)
                Encoding.ASCII.GetBytes(FirstProfile.Value, buffer.AsSpan(2));
            if (Version > 0)
                BinaryPrimitives.WriteInt64LittleEndian(buffer.AsSpan(afterFirst), Version);
            if (head > afterVersion)
                WriteChanges(buffer.AsSpan(afterVersion));
            var size = head;
            if (json.Length >= WorthCompressing
                && BrotliEncoder.TryCompress(json, buffer.AsSpan(head + 4, json.Length), out var compressed, quality: 1, window: 16))
            {
                flags |= Compressed;
                BinaryPrimitives.WriteInt32LittleEndian(buffer.AsSpan(head), json.Length);
                size += 4 + compressed;
            }
            else
            {
                json.CopyTo(buffer.AsSpan(head));
                size += json.Length;
            }

            buffer[1] = flags;
            return buffer.AsSpan(0, size).ToArray();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public static EventRow Decode(ProfileId owner, ReadOnlyMemory<byte> data)
    {
        if (data.Length < 2 || data.Span[0] != Format)
            throw new InvalidDataException("An event row has an unknown format.");
        var flags = data.Span[1];
        var rest = data[2..];
        var first = owner;
        if ((flags & Moved) != 0)
        {
            var length = ProfileId.Prefix.Length + Ids.IdGenerator.UlidLength;
            first = new ProfileId(Encoding.ASCII.GetString(rest.Span[..length]));
            rest = rest[length..];
        }

        var version = 0L;
        if ((flags & Versioned) != 0)
        {
            version = BinaryPrimitives.ReadInt64LittleEndian(rest.Span);
            rest = rest[sizeof(long)..];
        }

        var changes = (flags & Changing) != 0 ? ReadChanges(ref rest) : null;
        if ((flags & Compressed) != 0)
        {
            var size = BinaryPrimitives.ReadInt32LittleEndian(rest.Span);
            if (size is < 0 or > MostPlainBytes)
                throw new InvalidDataException($"An event row claims to have {size} bytes.");
            var plain = new byte[size];
            if (!BrotliDecoder.TryDecompress(rest.Span[4..], plain, out var written) || written != size)
                throw new InvalidDataException("An event row cannot be decompressed.");
            rest = plain;
        }

        return new EventRow(Event.Parse(rest, (flags & Historical) != 0), first, version, changes);
    }

    /// <summary>A byte for the count; for each change one that says which, one for the length of the id, and the id, which is ASCII.</summary>
    private int ChangesLength
    {
        get
        {
            if (Changes is not { Count: > 0 and <= MostChanges })
                return 0;
            var length = 1;
            foreach (var change in Changes)
                length += 2 + change.SegmentId.Length;
            return length;
        }
    }

    private void WriteChanges(Span<byte> destination)
    {
        destination[0] = (byte)Changes!.Count;
        destination = destination[1..];
        foreach (var (segment, entered) in Changes)
        {
            destination[0] = entered ? (byte)1 : (byte)0;
            destination[1] = (byte)segment.Length;
            Encoding.ASCII.GetBytes(segment, destination[2..]);
            destination = destination[(2 + segment.Length)..];
        }
    }

    private static SegmentChange[] ReadChanges(ref ReadOnlyMemory<byte> rest)
    {
        var changes = new SegmentChange[rest.Span[0]];
        rest = rest[1..];
        for (var i = 0; i < changes.Length; i++)
        {
            var length = rest.Span[1];
            changes[i] = new SegmentChange(Encoding.ASCII.GetString(rest.Span.Slice(2, length)), rest.Span[0] != 0);
            rest = rest[(2 + length)..];
        }

        return changes;
    }
}
