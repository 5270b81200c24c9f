using Azure.Core;

namespace Azure.Messaging.ServiceBus;

public class ServiceBusClient : IAsyncDisposable
{
    private readonly ServiceBusConnection connection;

    public ServiceBusClient(string connectionString)
        : this(connectionString, new ServiceBusClientOptions())
    {
    }

    /// <exception cref="FormatException">The text is no connection string with a shared access key.</exception>
    public ServiceBusClient(string connectionString, ServiceBusClientOptions? options)
    {
        ArgumentNullException.ThrowIfNull(connectionString);
        connection = ServiceBusConnection.WithKey(connectionString, options ?? new ServiceBusClientOptions());
    }

    public ServiceBusClient(string fullyQualifiedNamespace, TokenCredential credential)
        : this(fullyQualifiedNamespace, credential, new ServiceBusClientOptions())
    {
    }

    public ServiceBusClient(string fullyQualifiedNamespace, TokenCredential credential, ServiceBusClientOptions? options)
    {
        ArgumentException.ThrowIfNullOrEmpty(fullyQualifiedNamespace);
        ArgumentNullException.ThrowIfNull(credential);
        connection = ServiceBusConnection.WithToken(fullyQualifiedNamespace, credential, options ?? new ServiceBusClientOptions());
    }

    protected ServiceBusClient() => connection = null!;

    public virtual string FullyQualifiedNamespace => connection.Namespace;

    public virtual ServiceBusSender CreateSender(string queueOrTopicName)
    {
        ArgumentException.ThrowIfNullOrEmpty(queueOrTopicName);
        return new ServiceBusSender(connection, queueOrTopicName);
    }

    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return default;
    }
}
