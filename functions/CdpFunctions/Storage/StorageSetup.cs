using Cdp.Storage;

namespace CdpFunctions.Storage;

public static class StorageSetup
{
    /// <summary>Creates what is missing of tables, queues and containers; changes nothing that is there.</summary>
    public static Task CreateAllAsync(StorageClients clients, CancellationToken cancellation)
    {
        var creations = new List<Task>();
        foreach (var table in Enum.GetValues<TableName>())
            creations.Add(clients.Tables.GetTableClient(StorageNames.Of(table)).CreateIfNotExistsAsync(cancellation));
        foreach (var queue in Enum.GetValues<QueueName>())
            creations.Add(clients.Queues.GetQueueClient(StorageNames.Of(queue)).CreateIfNotExistsAsync(cancellationToken: cancellation));
        foreach (var container in Enum.GetValues<ContainerName>())
            creations.Add(clients.Blobs.GetBlobContainerClient(StorageNames.Of(container)).CreateIfNotExistsAsync(cancellationToken: cancellation));
        return Task.WhenAll(creations);
    }
}
