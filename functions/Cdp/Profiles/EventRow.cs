using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Cdp.Events;

namespace Cdp.Profiles;

/// <summary>
/// An event on a timeline, as stored: format, flags, the profile that first owned it (where that is another one), then the JSON text,
/// Brotli-compressed where that pays.
/// </summary>
/// <param name="FirstProfile">
/// The profile the event was committed to first, or an unmerge has given it to since; it differs from the present one after a merge.
/// </param>
/// <param name="Version">
/// The version of the present owner's document that the event was committed with; 0 where a merge or an unmerge has brought it. It tells an unmerge
/// which events the document has counted since the unmerge began.
/// </param>
public sealed record EventRow(Event Event, ProfileId FirstProfile, long Version = 0)
{
    private const byte Format = 1;
    private const byte Historical = 1;
    private const byte Moved = 2;
    private const byte Compressed = 4;
    private const byte Versioned = 8;
    private const int WorthCompressing = 200;
    private const int MostPlainBytes = 4 * 1024 * 1024;

    public byte[] Encode(ProfileId owner)
    {
        var json = Event.Json.Span;
        var moved = FirstProfile != owner;
        var afterFirst = 2 + (moved ? FirstProfile.Value.Length : 0);
        var head = afterFirst + (Version > 0 ? sizeof(long) : 0);
        var buffer = ArrayPool<byte>.Shared.Rent(head + 4 + json.Length);
        try
        {
            var flags = (byte)((Event.Historical ? Historical : 0) | (moved ? Moved : 0) | (Version > 0 ? Versioned : 0));
            buffer[0] = Format;
            if (moved)
                Encoding.ASCII.GetBytes(FirstProfile.Value, buffer.AsSpan(2));
            if (Version > 0)
                BinaryPrimitives.WriteInt64LittleEndian(buffer.AsSpan(afterFirst), Version);
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

        return new EventRow(Event.Parse(rest, (flags & Historical) != 0), first, version);
    }
}
