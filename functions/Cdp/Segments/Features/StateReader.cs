using System.Buffers.Binary;
using System.Text;
using Cdp.Segments.Matching;
using Cdp.Storage;

namespace Cdp.Segments.Features;

/// <summary>Reads what <see cref="StateWriter"/> wrote. Every defect is an <see cref="InvalidDataException"/>.</summary>
internal ref struct StateReader(ReadOnlySpan<byte> data)
{
    private readonly ReadOnlySpan<byte> data = data;

    public int Position { get; private set; }

    public readonly bool More => Position < data.Length;

    public byte Byte() => Position < data.Length ? data[Position++] : throw Truncated();

    public bool Flag() => Byte() != 0;

    /// <summary>A number of things of at least a byte each.</summary>
    public int Count()
    {
        var value = Unsigned();
        return value <= (ulong)(data.Length - Position) ? (int)value : throw Truncated();
    }

    public long Long()
    {
        var value = Unsigned();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    public long? Time() => Flag() ? Long() : null;

    public string Text()
    {
        var head = Unsigned();
        var bytes = Bytes(head >> 1);
        if ((head & 1) == 0)
            return Encoding.UTF8.GetString(bytes);
        var text = new char[bytes.Length / 2];
        for (var i = 0; i < text.Length; i++)
            text[i] = (char)(bytes[2 * i] | (bytes[(2 * i) + 1] << 8));
        return new string(text);
    }

    public ReadOnlySpan<byte> Bytes(ulong size)
    {
        if (size > (ulong)(data.Length - Position))
            throw Truncated();
        var bytes = data.Slice(Position, (int)size);
        Position += (int)size;
        return bytes;
    }

    public ulong Id() => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8));

    public Hash128 Hash() => Hash128.Read(Bytes(16));

    public decimal Decimal()
    {
        var head = Byte();
        var low = Unsigned();
        var high = (head & 0x40) != 0 ? (uint)Unsigned() : 0;
        var scale = head & 0x1f;
        return scale <= 28 ? new decimal((int)(uint)low, (int)(uint)(low >> 32), (int)high, (head & 0x80) != 0, (byte)scale) : throw Truncated();
    }

    public JsonScalar Scalar() => (ScalarKind)Byte() switch
    {
        ScalarKind.Absent => default,
        ScalarKind.False => JsonScalar.Of(false),
        ScalarKind.True => JsonScalar.Of(true),
        ScalarKind.Number => JsonScalar.Of(Decimal()),
        ScalarKind.Text => JsonScalar.Of(Text()),
        ScalarKind.Composite => JsonScalar.Composite,
        _ => throw Truncated(),
    };

    public EventKey Key() => new(Long(), Text(), Text());

    public ulong Unsigned()
    {
        ulong value = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            var b = Byte();
            value |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80)
                return value;
        }

        throw Truncated();
    }

    public static InvalidDataException Truncated() => new("The segment state of a profile is damaged.");
}
