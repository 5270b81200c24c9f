using System.Security.Cryptography;

namespace Cdp.Ids;

/// <summary>
/// Makes ids: a prefix and a ULID (48 bits of milliseconds, 80 random bits, Crockford base32, 26 characters), so that ids sort by
/// creation time. https://github.com/ulid/spec
/// </summary>
/// <param name="fill">Fills a buffer with random bytes; injected so that tests can repeat a run.</param>
public sealed class IdGenerator(TimeProvider time, Action<byte[]>? fill = null)
{
    public const int UlidLength = 26;

    private const string Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    private readonly Action<byte[]> fill = fill ?? (static buffer => RandomNumberGenerator.Fill(buffer));

    public string Next(string prefix)
    {
        var random = new byte[10];
        fill(random);
        return string.Create(prefix.Length + UlidLength, (prefix, random, time.GetUtcNow().ToUnixTimeMilliseconds()), static (text, state) =>
        {
            var (prefix, random, milliseconds) = state;
            prefix.CopyTo(text);
            var ulid = text[prefix.Length..];
            for (var i = 9; i >= 0; i--, milliseconds >>= 5)
                ulid[i] = Alphabet[(int)(milliseconds & 31)];
            for (var half = 0; half < 2; half++)
            {
                ulong bits = 0;
                for (var i = 0; i < 5; i++)
                    bits = (bits << 8) | random[(half * 5) + i];
                for (var i = 7; i >= 0; i--, bits >>= 5)
                    ulid[10 + (half * 8) + i] = Alphabet[(int)(bits & 31)];
            }
        });
    }

    /// <summary>Whether the text is <paramref name="prefix"/> and a ULID as this class writes them.</summary>
    public static bool IsId(ReadOnlySpan<char> text, string prefix)
    {
        if (text.Length != prefix.Length + UlidLength || !text.StartsWith(prefix, StringComparison.Ordinal))
            return false;
        foreach (var c in text[prefix.Length..])
        {
            if (!Alphabet.Contains(c, StringComparison.Ordinal))
                return false;
        }

        return true;
    }
}
