using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Cdp.Segments.Matching;

/// <summary>Texts of JSON, code unit by code unit: senders' lone surrogates are kept, where the framework's reader throws.</summary>
internal static class JsonText
{
    /// <summary>The string or name the reader stands on.</summary>
    public static string Read(ref Utf8JsonReader reader) =>
        reader.ValueIsEscaped ? Unescape(reader.ValueSpan) : Encoding.UTF8.GetString(reader.ValueSpan);

    private static string Unescape(ReadOnlySpan<byte> text)
    {
        var characters = ArrayPool<char>.Shared.Rent(text.Length);
        try
        {
            var length = 0;
            while (!text.IsEmpty)
            {
                var plain = text.IndexOf((byte)'\\');
                if (plain < 0)
                    plain = text.Length;
                length += Encoding.UTF8.GetChars(text[..plain], characters.AsSpan(length));
                text = text[plain..];
                if (text.IsEmpty)
                    break;
                if (text[1] == 'u')
                {
                    characters[length++] = (char)ushort.Parse(text[2..6], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                    text = text[6..];
                }
                else
                {
                    characters[length++] = text[1] switch
                    {
                        (byte)'n' => '\n',
                        (byte)'r' => '\r',
                        (byte)'t' => '\t',
                        (byte)'b' => '\b',
                        (byte)'f' => '\f',
                        var other => (char)other,
                    };
                    text = text[2..];
                }
            }

            return new string(characters, 0, length);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(characters);
        }
    }
}
