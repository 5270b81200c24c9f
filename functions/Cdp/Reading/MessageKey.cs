using System.Buffers.Text;
using System.Text;
using Cdp.Collect;
using Cdp.Problems;
using Cdp.Sources;

namespace Cdp.Reading;

/// <summary>How a path names a message: its id URL-encoded, or <c>~{base64url of its UTF-8}</c>.</summary>
public static class MessageKey
{
    private const string EncodedSlash = "%2F";

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>
    /// The messages a path may mean, the likeliest first. Web servers decode everything in a path but the slash, so <c>a/b</c> arrives as
    /// <c>a%2Fb</c>, and so does an id that has <c>%2F</c> in it; base64url means one id only.
    /// </summary>
    /// <exception cref="ProblemException">invalid-key</exception>
    public static IReadOnlyList<string> Parse(string sourceId, string text)
    {
        if (!SourceIds.IsValid(sourceId))
            throw new ProblemException(ProblemType.InvalidKey, "The path has no source id where one is expected.");
        var ids = new List<string> { text };
        if (text.StartsWith('~') && Decode(text.AsSpan(1)) is { } decoded)
            ids.Insert(0, decoded);
        else if (text.Contains(EncodedSlash, StringComparison.OrdinalIgnoreCase))
            ids.Insert(0, text.Replace(EncodedSlash, "/", StringComparison.OrdinalIgnoreCase));
        ids.RemoveAll(id => id.Length is 0 or > CollectLimits.MessageIdLength);
        return ids.Count > 0 ? ids : throw new ProblemException(ProblemType.InvalidKey, $"A messageId has 1 to {CollectLimits.MessageIdLength} characters.");
    }

    private static string? Decode(ReadOnlySpan<char> base64Url)
    {
        try
        {
            return Strict.GetString(Base64Url.DecodeFromChars(base64Url));
        }
        catch (Exception exception) when (exception is FormatException or DecoderFallbackException)
        {
            // An id that happens to begin so.
            return null;
        }
    }
}
