using System.Security.Cryptography;

namespace Cdp.Sources;

/// <summary>The form of source ids, and new write keys.</summary>
public static class SourceIds
{
    private const int Longest = 63;

    private const string Base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    private const int KeyCharacters = 32;

    // Names that paths use for something else.
    private static readonly string[] Reserved = ["preview", "schema", "overlap", "lookup"];

    /// <summary><c>^[a-z0-9][a-z0-9-]{0,62}$</c>, and none of preview, schema, overlap, lookup.</summary>
    public static bool IsValid(string id)
    {
        if (id.Length is 0 or > Longest || id[0] == '-' || Array.IndexOf(Reserved, id) >= 0)
            return false;
        foreach (var c in id)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '-')
                return false;
        }

        return true;
    }

    /// <summary><c>wk_</c> and 32 random characters of base62: 190 bits.</summary>
    public static string NewWriteKey() => "wk_" + RandomNumberGenerator.GetString(Base62, KeyCharacters);
}
