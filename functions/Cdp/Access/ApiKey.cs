using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cdp.Access;

/// <summary>What an API key may be used for. The names are on the wire.</summary>
public static class Scope
{
    /// <summary>Profiles, timelines, and what became of messages: personal data.</summary>
    public const string ProfilesRead = "profiles:read";

    public const string StatsRead = "stats:read";

    /// <summary>Calls, mails, meetings and notes of a sales team are taken: whoever has it can write on any timeline.</summary>
    public const string InteractionsWrite = "interactions:write";

    /// <summary>Everything: sources, API keys, failures, and what the other scopes allow.</summary>
    public const string Admin = "admin";

    public static readonly IReadOnlyList<string> All = [ProfilesRead, StatsRead, InteractionsWrite, Admin];
}

/// <summary>A key for the API. The key itself is shown once and never stored; its SHA-256 is.</summary>
/// <param name="Id"><c>key_</c> and a ULID, or a name chosen by who seeds it.</param>
/// <param name="Prefix">The key's first characters, to tell keys apart in a list.</param>
public sealed record ApiKey(string Id, string Name, string Prefix, IReadOnlyList<string> Scopes, DateTimeOffset CreatedAt, byte[] Sha256)
{
    public const string IdPrefix = "key_";

    /// <summary>Longer texts are no keys.</summary>
    public const int Longest = 256;

    private const string Start = "ak_";
    private const string Base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private const int RandomCharacters = 32;
    private const int PrefixLength = 7;

    /// <summary>190 random bits: a fast hash is enough, there is nothing to guess.</summary>
    public static string NewText() => Start + RandomNumberGenerator.GetString(Base62, RandomCharacters);

    public static ApiKey Create(string id, string name, string text, IReadOnlyList<string> scopes, DateTimeOffset createdAt) =>
        new(id, name, text[..Math.Min(text.Length, PrefixLength)], scopes, createdAt, Hash(text));

    public static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));

    public bool Allows(string scope) => Scopes.Contains(scope, StringComparer.Ordinal) || Scopes.Contains(Scope.Admin, StringComparer.Ordinal);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(ApiKey))]
internal sealed partial class ApiKeyJson : JsonSerializerContext;
