using Azure.Core;

namespace Azure.Storage.Queues;

public class QueueServiceClient
{
    private readonly StoragePipeline pipeline;
    private readonly QueueClientOptions options;

    public QueueServiceClient(string connectionString)
        : this(connectionString, null)
    {
    }

    public QueueServiceClient(string connectionString, QueueClientOptions? options)
    {
        ArgumentNullException.ThrowIfNull(connectionString);
        this.options = options ?? new QueueClientOptions();
        var account = StorageAccount.Parse(connectionString);
        pipeline = StoragePipeline.WithKey(account, account.Queue!, this.options, this.options.VersionString);
    }

    public QueueServiceClient(Uri serviceUri, TokenCredential credential, QueueClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(serviceUri);
        ArgumentNullException.ThrowIfNull(credential);
        this.options = options ?? new QueueClientOptions();
        pipeline = StoragePipeline.WithToken(serviceUri, credential, this.options, this.options.VersionString);
    }

    protected QueueServiceClient() => (pipeline, options) = (null!, null!);

    public virtual string AccountName => pipeline.AccountName;

    public virtual Uri Uri => pipeline.Endpoint;

    public virtual QueueClient GetQueueClient(string queueName)
    {
        ArgumentNullException.ThrowIfNull(queueName);
        return new QueueClient(pipeline, pipeline.Locate(queueName), queueName, options.MessageEncoding);
    }
}
