using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Cdp.Segments.Matching;
using Cdp.Storage;

namespace Cdp.Segments.Features;

/// <summary>Writes states. Whole numbers are of variable length, signed ones in zigzag form.</summary>
internal sealed class StateWriter
{
    private byte[] buffer = new byte[256];

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => buffer.AsSpan(0, Length);

    public void Clear() => Length = 0;

    public void Byte(byte value)
    {
        Ensure(1);
        buffer[Length++] = value;
    }

    public void Flag(bool value) => Byte(value ? (byte)1 : (byte)0);

    public void Count(int value) => Unsigned((uint)value);

    public void Long(long value) => Unsigned((ulong)((value << 1) ^ (value >> 63)));

    /// <summary>Nothing, or a time.</summary>
    public void Time(long? value)
    {
        Flag(value is not null);
        if (value is { } time)
            Long(time);
    }

    public void Text(string value)
    {
        // UTF-16, where a lone surrogate has no UTF-8.
        var size = Encoding.UTF8.GetByteCount(value);
        var exact = !value.AsSpan().ContainsAnyInRange('\ud800', '\udfff') || Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(value)) == value;
        Unsigned(((ulong)(exact ? size : value.Length * 2) << 1) | (exact ? 0UL : 1UL));
        if (exact)
        {
            Ensure(size);
            Length += Encoding.UTF8.GetBytes(value, buffer.AsSpan(Length));
            return;
        }

        foreach (var c in value)
        {
            Byte((byte)c);
            Byte((byte)(c >> 8));
        }
    }

    public void Bytes(ReadOnlySpan<byte> value)
    {
        Ensure(value.Length);
        value.CopyTo(buffer.AsSpan(Length));
        Length += value.Length;
    }

    public void Id(ulong value)
    {
        Ensure(8);
        BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(Length), value);
        Length += 8;
    }

    public void Hash(Hash128 value)
    {
        Ensure(16);
        value.Write(buffer.AsSpan(Length));
        Length += 16;
    }

    public void Decimal(decimal value)
    {
        Span<int> bits = stackalloc int[4];
        decimal.GetBits(Shortest(value), bits);
        // Scale and sign first, then only as much of the 96 bits as there is.
        var low = (uint)bits[0] | ((ulong)(uint)bits[1] << 32);
        var high = (uint)bits[2];
        Byte((byte)(((bits[3] >> 16) & 0x1f) | (bits[3] < 0 ? 0x80 : 0) | (high != 0 ? 0x40 : 0)));
        Unsigned(low);
        if (high != 0)
            Unsigned(high);
    }

    public void Scalar(JsonScalar value)
    {
        Byte((byte)value.Kind);
        if (value.Kind == ScalarKind.Number)
            Decimal(value.Number);
        else if (value.Kind == ScalarKind.Text)
            Text(value.Text!);
    }

    public void Key(EventKey key)
    {
        Long(key.Time);
        Text(key.MessageId);
        Text(key.SourceId);
    }

    public void Unsigned(ulong value)
    {
        Ensure(10);
        while (value >= 0x80)
        {
            buffer[Length++] = (byte)(value | 0x80);
            value >>= 7;
        }

        buffer[Length++] = (byte)value;
    }

    /// <summary>Equal numbers are written alike, whatever zeros they came with.</summary>
    private static decimal Shortest(decimal value) => value.Scale == 0 ? value : value / 1.0000000000000000000000000000m;

    private void Ensure(int more)
    {
        if (Length + more > buffer.Length)
            Array.Resize(ref buffer, Math.Max(Length + more, buffer.Length * 2));
    }
}
