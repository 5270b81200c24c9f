namespace Cdp.Storage;

/// <summary>
/// Limits of the platform that shape the design, each with its source. The numbers are the smaller of Azure's and Azurite's.
/// https://learn.microsoft.com/azure/storage/tables/scalability-targets
/// </summary>
public static class StorageLimits
{
    /// <summary>Azure takes 1 KiB a key; Azurite 512 characters.</summary>
    public const int RowKeyLength = 512;

    /// <summary>Entities in one entity group transaction.</summary>
    public const int TransactionRows = 100;

    /// <summary>
    /// A transaction's payload is limited to 4 MiB of JSON, in which binary stands as base64 (four thirds) beside the keys.
    /// </summary>
    public const int TransactionBytes = 2_900 * 1024;

    /// <summary>
    /// An entity is limited to 1 MiB with all names and values. In a transaction Azurite counts its JSON, where binary is a third
    /// longer; this leaves room for the keys.
    /// </summary>
    public const int RowBytes = 750 * 1024;

    /// <summary>A queue message's text is limited to 64 KiB; the rest is room for growth of the envelope.</summary>
    public const int QueueMessageChars = 48 * 1024;

    /// <summary>Blocks in one append blob.</summary>
    public const int AppendBlobBlocks = 50_000;

    /// <summary>Bytes in one append: 4 MiB (100 MiB from service version 2022-11-02; Azurite takes 4).</summary>
    public const int AppendBlockBytes = 4 * 1024 * 1024;
}
