using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Data.Tables;
using Azure.Identity;
using Azure.Storage.Blobs;
using Azure.Storage.Queues;
using Microsoft.Extensions.Configuration;

namespace CdpFunctions.Storage;

/// <summary>The clients of the storage account that the Functions host itself uses too.</summary>
public sealed record StorageClients(TableServiceClient Tables, QueueServiceClient Queues, BlobServiceClient Blobs)
{
    public const string Setting = "AzureWebJobsStorage";

    private static readonly TimeSpan QueuePatience = TimeSpan.FromSeconds(5);

    // Large enough for the largest transaction and append; the SDK's own is 100 s.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>The storage is an emulator on this machine.</summary>
    public bool IsEmulator => Tables.Uri.IsLoopback;

    /// <summary>
    /// Reads <c>AzureWebJobsStorage</c> as the host does: a connection string, or for a managed identity <c>:accountName</c>, or
    /// <c>:tableServiceUri</c>, <c>:queueServiceUri</c> and <c>:blobServiceUri</c>; <c>:clientId</c> names a user-assigned identity.
    /// https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
    /// </summary>
    /// <param name="policy">Sees every call once, retries not counted.</param>
    /// <exception cref="SettingException">None of the settings is there, or the connection string is malformed.</exception>
    public static StorageClients Create(IConfiguration configuration, HttpPipelinePolicy? policy = null)
    {
        var tables = new TableClientOptions();
        var queues = new QueueClientOptions { MessageEncoding = QueueMessageEncoding.None };
        var blobs = new BlobClientOptions();
        // A collector's answer waits for the queue: one that hangs is given up while the client still waits, and the client sends again.
        queues.Retry.NetworkTimeout = QueuePatience;
        queues.Retry.MaxRetries = 2;
        tables.Retry.NetworkTimeout = blobs.Retry.NetworkTimeout = Patience;
        if (policy is not null)
        {
            tables.AddPolicy(policy, HttpPipelinePosition.PerCall);
            queues.AddPolicy(policy, HttpPipelinePosition.PerCall);
            blobs.AddPolicy(policy, HttpPipelinePosition.PerCall);
        }

        if (configuration[Setting] is { Length: > 0 } connection)
        {
            try
            {
                return new StorageClients(new(connection, tables), new(connection, queues), new(connection, blobs));
            }
            catch (Exception malformed) when (malformed is FormatException or InvalidOperationException)
            {
                // The connection string holds a key: say where it is wrong, not what it says.
                throw new SettingException($"The setting {Setting} is not a storage connection string: {malformed.Message}", malformed);
            }
        }

        var section = configuration.GetSection(Setting);
        var table = Endpoint(section, "table");
        var queue = Endpoint(section, "queue");
        var blob = Endpoint(section, "blob");
        if (table is null || queue is null || blob is null)
        {
            throw new SettingException(
                $"No storage is configured: set {Setting} to a connection string, or {Setting}__accountName to an account that the app's managed identity may use.");
        }

        var credential = new DefaultAzureCredential(new DefaultAzureCredentialOptions { ManagedIdentityClientId = section["clientId"] });
        return new StorageClients(new(table, credential, tables), new(queue, credential, queues), new(blob, credential, blobs));
    }

    private static Uri? Endpoint(IConfigurationSection section, string service)
    {
        if (section[service + "ServiceUri"] is { Length: > 0 } stated)
        {
            return Uri.TryCreate(stated, UriKind.Absolute, out var uri)
                ? uri
                : throw new SettingException($"The setting {Setting}__{service}ServiceUri is not an absolute URI.");
        }

        return section["accountName"] is { Length: > 0 } account ? new Uri($"https://{account}.{service}.core.windows.net") : null;
    }
}
