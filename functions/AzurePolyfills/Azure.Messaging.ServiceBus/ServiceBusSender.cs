namespace Azure.Messaging.ServiceBus;

public class ServiceBusSender : IAsyncDisposable
{
    private readonly ServiceBusConnection connection;

    internal ServiceBusSender(ServiceBusConnection connection, string entityPath)
    {
        this.connection = connection;
        EntityPath = entityPath;
    }

    protected ServiceBusSender() => (connection, EntityPath) = (null!, "");

    public virtual string EntityPath { get; }

    public virtual string FullyQualifiedNamespace => connection.Namespace;

    public virtual Task SendMessageAsync(ServiceBusMessage message, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(message);
        return connection.SendAsync(EntityPath, message, cancellationToken);
    }

    public virtual Task SendMessagesAsync(IEnumerable<ServiceBusMessage> messages, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var listed = messages.ToList();
        return listed.Count switch
        {
            0 => Task.CompletedTask,
            1 => connection.SendAsync(EntityPath, listed[0], cancellationToken),
            _ => connection.SendAsync(EntityPath, listed, cancellationToken),
        };
    }

    public virtual Task SendMessagesAsync(ServiceBusMessageBatch messageBatch, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messageBatch);
        return SendMessagesAsync(messageBatch.Messages, cancellationToken);
    }

    public virtual ValueTask<ServiceBusMessageBatch> CreateMessageBatchAsync(CancellationToken cancellationToken = default) => new(new ServiceBusMessageBatch());

    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return default;
    }
}

public sealed class ServiceBusMessageBatch : IDisposable
{
    // What the standard tier takes at once: https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas
    private const long MostBytes = 256 * 1024;

    internal ServiceBusMessageBatch()
    {
    }

    public long MaxSizeInBytes { get; } = MostBytes;

    public long SizeInBytes { get; private set; }

    public int Count => Messages.Count;

    internal List<ServiceBusMessage> Messages { get; } = [];

    public bool TryAddMessage(ServiceBusMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        var size = ServiceBusConnection.BatchEntry(message).LongLength + 1;
        if (SizeInBytes + size > MaxSizeInBytes)
            return false;
        Messages.Add(message);
        SizeInBytes += size;
        return true;
    }

    public void Dispose() => Messages.Clear();
}
