using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Cdp.Storage;

/// <summary>
/// Reversible encoding of any text into a part of a row key. Letters, digits and <c>- . _ @ + :</c> stand for themselves, every
/// other UTF-8 byte is <c>=XX</c>; what would be longer than <see cref="LongestPart"/> becomes <c>~</c> and its SHA-256.
/// </summary>
/// <remarks>
/// Table keys must not contain <c>/ \ # ?</c> and control characters, and <c>%</c> is known to trip clients:
/// https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
/// </remarks>
public static class RowKeys
{
    /// <summary>Separates the parts of a key. Never part of an encoded part.</summary>
    public const char Separator = '|';

    /// <summary>Sorts after <see cref="Separator"/>: <c>prefix + AfterSeparator</c> ends the range of keys below <c>prefix|</c>.</summary>
    public const char AfterSeparator = '}';

    /// <summary>Room for two encoded parts and the rest of a key in <see cref="StorageLimits.RowKeyLength"/>.</summary>
    public const int LongestPart = 200;

    private const string Hex = "0123456789ABCDEF";

    private static readonly SearchValues<char> Plain =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._@+:");

    public static string Encode(string value)
    {
        if (value.Length <= LongestPart && !value.AsSpan().ContainsAnyExcept(Plain))
            return value;
        // Lone surrogates have no UTF-8 form; two such values must not share a key, so UTF-16 is hashed for them.
        var encoding = new UTF8Encoding(false, throwOnInvalidBytes: true);
        byte[] bytes;
        try
        {
            bytes = encoding.GetBytes(value);
        }
        catch (EncoderFallbackException)
        {
            return "~~" + Convert.ToHexString(SHA256.HashData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(value.AsSpan())));
        }

        var text = new StringBuilder(bytes.Length + 16);
        foreach (var b in bytes)
        {
            if (b < 0x80 && Plain.Contains((char)b))
                text.Append((char)b);
            else
                text.Append('=').Append(Hex[b >> 4]).Append(Hex[b & 15]);
            if (text.Length > LongestPart)
                return "~" + Convert.ToHexString(SHA256.HashData(bytes));
        }

        return text.ToString();
    }
}
