using Cdp.Storage;

namespace CdpFunctions.Storage;

/// <summary>What tables, queues and containers are called in the storage account.</summary>
/// <param name="Prefix">
/// Lower-case letters and digits, starting with a letter, put before every name so that several apps (or tests) can share an
/// account; empty in production, where the queue triggers name their queues as constants.
/// </param>
public sealed record StorageNames(string Prefix = "")
{
    public string Of(TableName table) => Prefix + table switch
    {
        TableName.Profiles => "profiles",
        TableName.Identities => "identities",
        TableName.Config => "config",
        TableName.Failures => "failures",
        TableName.Audit => "audit",
        TableName.Stats => "stats",
        _ => throw new ArgumentOutOfRangeException(nameof(table)),
    };

    public string Of(QueueName queue) => Dashed(queue switch
    {
        QueueName.Events => "events",
        QueueName.Merges => "merges",
        QueueName.EventsPoison => "events-poison",
        QueueName.MergesPoison => "merges-poison",
        _ => throw new ArgumentOutOfRangeException(nameof(queue)),
    });

    public string Of(ContainerName container) => Dashed(container switch
    {
        ContainerName.Raw => "raw",
        ContainerName.Overflow => "overflow",
        _ => throw new ArgumentOutOfRangeException(nameof(container)),
    });

    private string Dashed(string name) => Prefix.Length == 0 ? name : $"{Prefix}-{name}";
}
