using Cdp.Storage;

namespace CdpFunctions.Storage;

/// <summary>What tables, queues and containers are called in the storage account. The queue triggers name their queues as constants.</summary>
public static class StorageNames
{
    public static string Of(TableName table) => table switch
    {
        TableName.Profiles => "profiles",
        TableName.Identities => "identities",
        TableName.Config => "config",
        TableName.Failures => "failures",
        TableName.Stats => "stats",
        TableName.Catalog => "catalog",
        TableName.Deliveries => "deliveries",
        _ => throw new ArgumentOutOfRangeException(nameof(table)),
    };

    public static string Of(QueueName queue) => queue switch
    {
        QueueName.Events => "events",
        QueueName.Merges => "merges",
        QueueName.EventsPoison => "events-poison",
        QueueName.MergesPoison => "merges-poison",
        QueueName.Segments => "segments",
        QueueName.SegmentsPoison => "segments-poison",
        QueueName.Deliveries => "deliveries",
        QueueName.DeliveriesPoison => "deliveries-poison",
        QueueName.Exports => "exports",
        QueueName.ExportsPoison => "exports-poison",
        QueueName.Imports => "imports",
        QueueName.ImportsPoison => "imports-poison",
        _ => throw new ArgumentOutOfRangeException(nameof(queue)),
    };

    public static string Of(ContainerName container) => container switch
    {
        ContainerName.Raw => "raw",
        ContainerName.Overflow => "overflow",
        ContainerName.Exports => "exports",
        ContainerName.Feeds => "feeds",
        ContainerName.Imports => "imports",
        _ => throw new ArgumentOutOfRangeException(nameof(container)),
    };
}
