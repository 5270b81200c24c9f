using System.Security.Cryptography;
using System.Text;

namespace Cdp.Storage;

/// <summary>
/// The first 128 bits of SHA-256. Cryptographic, because write keys are public: with a weaker hash anybody could make two
/// messages collide and have one of them taken for a duplicate.
/// </summary>
public readonly record struct Hash128(ulong High, ulong Low)
{
    public static Hash128 Of(ReadOnlySpan<byte> data)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(data, hash);
        return Read(hash);
    }

    /// <summary>Of several texts, each with its length, so that ("a","bc") and ("ab","c") differ.</summary>
    public static Hash128 Of(string first, string second)
    {
        var size = 8 + Encoding.UTF8.GetMaxByteCount(first.Length) + Encoding.UTF8.GetMaxByteCount(second.Length);
        var buffer = size <= 1024 ? stackalloc byte[size] : new byte[size];
        var length = Encoding.UTF8.GetBytes(first, buffer[4..]);
        BitConverter.TryWriteBytes(buffer, length);
        var end = 4 + length;
        end += Encoding.UTF8.GetBytes(second, buffer[end..]);
        return Of(buffer[..end]);
    }

    public static Hash128 Read(ReadOnlySpan<byte> bytes) =>
        new(System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(bytes),
            System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]));

    public void Write(Span<byte> bytes)
    {
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes, High);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], Low);
    }

    /// <summary>32 lower-case hexadecimal digits.</summary>
    public override string ToString() => High.ToString("x16") + Low.ToString("x16");
}
