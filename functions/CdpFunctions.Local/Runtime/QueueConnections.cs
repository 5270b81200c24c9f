using Azure.Identity;
using Azure.Storage.Queues;
using Microsoft.Extensions.Configuration;

namespace CdpFunctions.Local.Runtime;

/// <summary>
/// The queue service behind a trigger's <c>Connection</c>: a setting with a connection string, or a section with <c>queueServiceUri</c> or
/// <c>accountName</c>, which is reached with the developer's own identity. The prefix <c>AzureWebJobs</c> is tried first, as in the host.
/// </summary>
internal sealed class QueueConnections(IConfiguration configuration, QueueClientOptions options)
{
    private const string Prefix = "AzureWebJobs";
    private readonly Dictionary<string, QueueServiceClient> _services = new(StringComparer.OrdinalIgnoreCase);

    /// <exception cref="LocalHostException">The setting is missing or malformed.</exception>
    public QueueServiceClient Get(string? connection, string function)
    {
        var name = SettingExpression.Resolve(connection ?? LocalSettings.StorageSetting, configuration, function);
        if (!_services.TryGetValue(name, out var service)) _services.Add(name, service = Connect(name, function));
        return service;
    }

    private QueueServiceClient Connect(string name, string function)
    {
        var section = configuration.GetSection(Prefix + name) is { } prefixed && prefixed.Exists() ? prefixed : configuration.GetSection(name);
        try
        {
            if (section.Value is { Length: > 0 } connectionString) return new QueueServiceClient(connectionString, options);
            if ((section["queueServiceUri"] ?? AccountUri(section["accountName"])) is { } uri)
                return new QueueServiceClient(new Uri(uri), new DefaultAzureCredential(), options);
        }
        catch (Exception error) when (error is FormatException or ArgumentException)
        {
            throw new LocalHostException($"The setting '{name}' is not a storage connection string: set it to {LocalSettings.DevelopmentStorage}, or to the one the portal shows.", error);
        }
        throw new LocalHostException($"The function {function} needs the storage connection '{name}': add it to the Values of local.settings.json or to the environment.");
    }

    private static string? AccountUri(string? account) => account is null ? null : $"https://{account}.queue.core.windows.net";
}
