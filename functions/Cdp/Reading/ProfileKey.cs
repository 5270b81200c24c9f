using System.Buffers.Text;
using System.Text;
using Cdp.Identity;
using Cdp.Problems;
using Cdp.Profiles;

namespace Cdp.Reading;

/// <summary>
/// How a request names a profile: by its id, or by one of its identifiers as <c>{type}:{value}</c>, split at the first colon, or
/// <c>{type}:~{base64url of the value's UTF-8}</c>, the only form for values with a slash or a leading <c>~</c>.
/// </summary>
public readonly record struct ProfileKey
{
    private const char Encoded = '~';

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private ProfileKey(ProfileId? id, Identifier? identifier)
    {
        Id = id;
        Identifier = identifier;
    }

    public ProfileId? Id { get; }

    /// <summary>Normalised by the rules of its type.</summary>
    public Identifier? Identifier { get; }

    /// <exception cref="ProblemException">invalid-key, or profile-not-found for a value that can be nobody's.</exception>
    public static ProfileKey Parse(string text, IdentityRules rules)
    {
        if (ProfileId.TryParse(text, out var id))
            return new ProfileKey(id, null);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0)
            throw Malformed("A profile is named by its id (prf_...) or as {type}:{value}, such as email:ann@shop.example.");
        var value = text[(colon + 1)..];
        return Of(text[..colon], value.StartsWith(Encoded) ? Decode(value.AsSpan(1)) : value, rules);
    }

    /// <exception cref="ProblemException">invalid-key, or profile-not-found for a value that can be nobody's.</exception>
    public static ProfileKey Of(string typeName, string value, IdentityRules rules)
    {
        if (rules.Find(typeName) is not { } type)
            throw Malformed($"There is no identifier type of this name. There are {string.Join(", ", rules.Types.Select(t => t.Name))}.");
        if (string.IsNullOrWhiteSpace(value))
            throw Malformed("The identifier has no value.");
        return type.Normalise(value) is { } normalised
            ? new ProfileKey(null, new Identifier(type.Name, normalised))
            : throw NotFound();
    }

    /// <summary>The same text for every spelling of the same key.</summary>
    public override string ToString() => Id?.Value ?? Identifier?.ToString() ?? "";

    // The detail does not repeat the value: it may be personal data, and details are logged.
    internal static ProblemException NotFound() => new(ProblemType.ProfileNotFound, "No profile has this id or identifier.");

    private static ProblemException Malformed(string detail) => new(ProblemType.InvalidKey, detail);

    private static string Decode(ReadOnlySpan<char> base64Url)
    {
        try
        {
            return Strict.GetString(Base64Url.DecodeFromChars(base64Url));
        }
        catch (Exception exception) when (exception is FormatException or DecoderFallbackException)
        {
            throw Malformed("What follows ~ is not the base64url form of a text in UTF-8.");
        }
    }
}
