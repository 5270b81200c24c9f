using System.Security.Cryptography;
using System.Text;

namespace Azure.Storage;

/// <summary>
/// What a connection string says, by the rules of
/// https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string.
/// </summary>
internal sealed class StorageAccount
{
    private const string EmulatorName = "devstoreaccount1";

    // The emulator's key is the same everywhere and public.
    private const string EmulatorKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    private readonly byte[] key;

    private StorageAccount(string name, byte[] key, Uri? table, Uri? queue, Uri? blob)
    {
        Name = name;
        this.key = key;
        Table = table;
        Queue = queue;
        Blob = blob;
    }

    public string Name { get; }

    public Uri? Table { get; }

    public Uri? Queue { get; }

    public Uri? Blob { get; }

    /// <exception cref="FormatException">The text is no connection string with an account key.</exception>
    public static StorageAccount Parse(string connectionString)
    {
        var settings = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var part in connectionString.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var split = part.IndexOf('=', StringComparison.Ordinal);
            if (split <= 0 || !settings.TryAdd(part[..split], part[(split + 1)..]))
                throw new FormatException("Settings must be of the form \"name=value\".");
        }

        if (string.Equals(settings.GetValueOrDefault("UseDevelopmentStorage"), "true", StringComparison.OrdinalIgnoreCase))
        {
            var proxy = new Uri(settings.GetValueOrDefault("DevelopmentStorageProxyUri") ?? "http://127.0.0.1");
            Uri Local(int port) => new($"{proxy.Scheme}://{proxy.Host}:{port}/{EmulatorName}");
            return new StorageAccount(EmulatorName, Convert.FromBase64String(EmulatorKey), Local(10002), Local(10001), Local(10000));
        }

        if (!settings.TryGetValue("AccountName", out var name) || !settings.TryGetValue("AccountKey", out var key))
            throw new FormatException("No valid combination of account information found.");
        var protocol = settings.GetValueOrDefault("DefaultEndpointsProtocol") ?? "https";
        var suffix = settings.GetValueOrDefault("EndpointSuffix") ?? "core.windows.net";
        Uri Endpoint(string setting, string service) =>
            settings.TryGetValue(setting, out var stated) ? new Uri(stated) : new Uri($"{protocol}://{name}.{service}.{suffix}");
        return new StorageAccount(
            name,
            Convert.FromBase64String(key),
            Endpoint("TableEndpoint", "table"),
            Endpoint("QueueEndpoint", "queue"),
            Endpoint("BlobEndpoint", "blob"));
    }

    /// <summary>The base64 of the HMAC-SHA256 of a text under the account's key.</summary>
    public string Sign(string text)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        var size = Encoding.UTF8.GetMaxByteCount(text.Length);
        var buffer = size <= 2048 ? stackalloc byte[size] : new byte[size];
        HMACSHA256.HashData(key, buffer[..Encoding.UTF8.GetBytes(text, buffer)], hash);
        return Convert.ToBase64String(hash);
    }
}
