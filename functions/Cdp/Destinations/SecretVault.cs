using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Cdp.Events;
using Cdp.Storage;

namespace Cdp.Destinations;

/// <summary>The settings that secrets of destinations may refer to, and the key that the others are encrypted with.</summary>
public interface ISecretSettings
{
    /// <summary>A setting below <c>Cdp:Secrets</c>, and no other; null where there is none.</summary>
    string? Find(string name);

    /// <summary>32 bytes; null where none is configured.</summary>
    byte[]? Key { get; }
}

/// <summary>
/// Keeps secrets of destinations. Best is a reference to a setting: <c>{"setting":"CRM_TOKEN"}</c> is read from <c>Cdp__Secrets__CRM_TOKEN</c>, in Azure a Key
/// Vault reference; then the app stores nothing. A value that is given in a call is stored under AES-256-GCM.
/// </summary>
/// <remarks>
/// The key is the setting <c>Cdp__SecretsKey</c>. Without one a key is made in table <c>config</c>, partition <c>keys</c>, row <c>secrets</c>: this keeps values out
/// of exports and support cases that show a destination's row, but not from who can read the whole table. The id of the destination and the secret's name are
/// authenticated with the value, so that nobody can put it under another destination to have it sent there.
/// </remarks>
public sealed class SecretVault(IRowStore rows, ISecretSettings settings, TimeProvider time)
{
    private const string Partition = "keys";
    private const string RowKey = "secrets";
    private const int KeyBytes = 32;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int FingerprintBytes = 4;
    private const byte Format = 1;

    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

    private byte[]? made;

    /// <summary>A name that may stand in a reference.</summary>
    public static bool IsSettingName(string name) =>
        name.Length is > 0 and <= 100 && !name.AsSpan().ContainsAnyExcept(NameCharacters);

    public StoredSecret Refer(string setting) => new(setting, null, Instant.Now(time));

    public async Task<StoredSecret> SealAsync(string destination, string name, string value, CancellationToken cancellation)
    {
        var key = await KeyAsync(cancellation);
        var plain = Encoding.UTF8.GetBytes(value);
        var data = new byte[1 + FingerprintBytes + NonceBytes + TagBytes + plain.Length];
        data[0] = Format;
        Fingerprint(key).CopyTo(data, 1);
        var nonce = data.AsSpan(1 + FingerprintBytes, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(key, TagBytes);
        aes.Encrypt(
            nonce, plain, data.AsSpan(1 + FingerprintBytes + NonceBytes + TagBytes), data.AsSpan(1 + FingerprintBytes + NonceBytes, TagBytes), Place(destination, name));
        return new StoredSecret(null, data, Instant.Now(time));
    }

    /// <exception cref="SecretException">It refers to a setting that is not there, or was encrypted under another key.</exception>
    public async ValueTask<string> OpenAsync(string destination, string name, StoredSecret secret, CancellationToken cancellation)
    {
        if (secret.Setting is { } setting)
        {
            return settings.Find(setting) is { Length: > 0 } stated
                ? stated
                : throw new SecretException($"The secret '{name}' refers to the setting Cdp__Secrets__{setting}, which is not there.");
        }

        var key = await KeyAsync(cancellation);
        var data = secret.Sealed ?? [];
        if (data.Length < 1 + FingerprintBytes + NonceBytes + TagBytes || data[0] != Format || !Fingerprint(key).AsSpan().SequenceEqual(data.AsSpan(1, FingerprintBytes)))
            throw new SecretException($"The secret '{name}' was encrypted under another key: put it again.");
        var rest = data.AsSpan(1 + FingerprintBytes);
        var plain = new byte[rest.Length - NonceBytes - TagBytes];
        using var aes = new AesGcm(key, TagBytes);
        try
        {
            aes.Decrypt(rest[..NonceBytes], rest[(NonceBytes + TagBytes)..], rest.Slice(NonceBytes, TagBytes), plain, Place(destination, name));
        }
        catch (AuthenticationTagMismatchException)
        {
            throw new SecretException($"The secret '{name}' is not the one that was stored for this destination: put it again.");
        }

        return Encoding.UTF8.GetString(plain);
    }

    private static byte[] Place(string destination, string name) => Encoding.UTF8.GetBytes(destination + "|" + name);

    private static byte[] Fingerprint(byte[] key) => SHA256.HashData(key)[..FingerprintBytes];

    private async ValueTask<byte[]> KeyAsync(CancellationToken cancellation)
    {
        if (settings.Key is { } stated)
            return stated;
        if (made is { } known)
            return known;
        var row = await rows.GetAsync(TableName.Config, Partition, RowKey, cancellation);
        if (row is null)
        {
            // Whoever inserts first has made it; the others read what that one wrote.
            await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Insert(RowKey, RandomNumberGenerator.GetBytes(KeyBytes))], cancellation);
            row = await rows.GetAsync(TableName.Config, Partition, RowKey, cancellation) ?? throw new InvalidDataException("The key of secrets vanished while it was made.");
        }

        return made = row.Data.ToArray();
    }
}

/// <summary>A secret cannot be had; the message says what to do, and nothing of the secret.</summary>
public sealed class SecretException(string message) : Exception(message);
