using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Problems;
using Cdp.Storage;

namespace Cdp.Reading;

/// <summary>
/// Cursors of lists: base64url of JSON (version, position, hash of what the list was asked for), a dot, and base64url of a MAC over it.
/// The position is a time and ids or an id, never a row key, so it outlives merges and changes of the storage's layout.
/// </summary>
/// <remarks>
/// The MAC keeps positions out of the contract: nobody can come to depend on making them. Its key is the
/// <see cref="StoredKey"/> <c>cursors</c>.
/// </remarks>
public sealed class Cursors(IRowStore rows)
{
    private const string Key = "cursors";
    private const int MacBytes = 16;
    private const int Version = 1;

    // A messageId of 100 characters in UTF-8, escaped, with all that belongs to it, stays far below.
    private const int Longest = 4096;

    private readonly StoredKey secret = new(rows, Key);

    /// <summary>Names what a list was asked for; a cursor is good for this only.</summary>
    /// <param name="parts">The list's name and each filter, in one spelling.</param>
    public static string Scope(params IEnumerable<string> parts) =>
        Hash128.Of(JsonSerializer.SerializeToUtf8Bytes(parts.ToArray(), CursorJson.Default.StringArray)).ToString();

    public async Task<string> WriteAsync(string scope, IReadOnlyList<string> position, CancellationToken cancellation)
    {
        var payload = JsonSerializer.SerializeToUtf8Bytes(new CursorPayload(Version, [.. position], scope), CursorJson.Default.CursorPayload);
        var mac = Mac(await secret.GetAsync(cancellation), payload);
        return Encode(payload, mac);
    }

    /// <summary>The position in a cursor of this list; null where there is no cursor.</summary>
    /// <param name="parts">How many parts a position of this list has.</param>
    /// <exception cref="ProblemException">invalid-cursor</exception>
    public async Task<IReadOnlyList<string>?> ReadAsync(string scope, string? cursor, int parts, CancellationToken cancellation)
    {
        if (string.IsNullOrEmpty(cursor))
            return null;
        var payload = Verify(cursor, await secret.GetAsync(cancellation)) ?? throw Invalid("The cursor is malformed. Pass on 'next' as it was answered.");
        if (payload.Version != Version || payload.Scope != scope || payload.Position.Length != parts)
            throw Invalid("The cursor belongs to another list or to other filters. Pass on 'next' with the same path and filters.");
        return payload.Position;
    }

    private static CursorPayload? Verify(string cursor, byte[] secret)
    {
        var dot = cursor.IndexOf('.', StringComparison.Ordinal);
        if (dot < 0 || cursor.Length > Longest)
            return null;
        try
        {
            var payload = Base64Url.DecodeFromChars(cursor.AsSpan(0, dot));
            var mac = Base64Url.DecodeFromChars(cursor.AsSpan(dot + 1));
            // Encoded anew, because the last character of base64url has bits that decoding ignores.
            return CryptographicOperations.FixedTimeEquals(mac, Mac(secret, payload)) && Encode(payload, mac) == cursor
                ? JsonSerializer.Deserialize(payload, CursorJson.Default.CursorPayload)
                : null;
        }
        catch (Exception exception) when (exception is FormatException or JsonException)
        {
            return null;
        }
    }

    private static string Encode(byte[] payload, byte[] mac) => Base64Url.EncodeToString(payload) + "." + Base64Url.EncodeToString(mac);

    private static byte[] Mac(byte[] secret, byte[] payload) => HMACSHA256.HashData(secret, payload)[..MacBytes];

    private static ProblemException Invalid(string detail) => new(ProblemType.InvalidCursor, detail);
}

internal sealed record CursorPayload(
    [property: JsonPropertyName("v")] int Version, [property: JsonPropertyName("p")] string[] Position, [property: JsonPropertyName("h")] string Scope);

[JsonSerializable(typeof(CursorPayload))]
[JsonSerializable(typeof(string[]))]
internal sealed partial class CursorJson : JsonSerializerContext;
