namespace Cdp.Storage;

/// <summary>
/// Partitioned, ordered rows with optimistic concurrency and transactions within one partition: what Azure Table storage
/// offers, and no more. Everything that has to be exact under concurrency and crashes is written against this contract,
/// so the same code runs on Azure, on Azurite and on the fake that injects faults. One contract suite holds for all.
/// </summary>
/// <remarks>
/// Calls either complete or throw. A throw says nothing about whether a write took effect: callers must be able to
/// repeat. Row keys order ordinally and must not contain <c>/ \ # ?</c> or control characters
/// (<see cref="RowKeys"/> encodes); at most <see cref="StorageLimits.RowKeyLength"/> characters.
/// </remarks>
public interface IRowStore
{
    /// <summary>Reads one row; null where there is none.</summary>
    Task<Row?> GetAsync(TableName table, string partition, string key, CancellationToken cancellation);

    /// <summary>
    /// Rows of one partition with <c>from &lt;= key &lt; to</c> in key order, read page by page as they are consumed, so it is no
    /// snapshot: rows written meanwhile may or may not be seen.
    /// </summary>
    /// <param name="pageSize">Rows asked for at a time, 1 to 1000: a hint against reading more than is needed.</param>
    IAsyncEnumerable<Row> RangeAsync(TableName table, string partition, string from, string to, int pageSize, CancellationToken cancellation);

    /// <summary>
    /// Applies all writes to one partition, or none. At most <see cref="StorageLimits.TransactionRows"/> writes to different keys,
    /// and <see cref="StorageLimits.TransactionBytes"/> of data in total.
    /// </summary>
    /// <returns>Committed with the new version of each row (null for deletes), or which write was refused and why.</returns>
    Task<CommitResult> CommitAsync(TableName table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellation);
}

/// <summary>The tables of the app. <c>profiles</c> holds everything of a profile; the others are described beside their owners.</summary>
public enum TableName
{
    Profiles,
    Identities,
    Config,
    Failures,
    Stats,

    /// <summary>Names of events and properties that were seen, and what contradicted tracking plans.</summary>
    Catalog,

    /// <summary>What is sent to destinations, and what became of it.</summary>
    Deliveries,

    /// <summary>What triggers decided, and what people were sent.</summary>
    Triggers,
}

/// <summary>A stored row. <paramref name="Version"/> is the store's ETag and changes with every write.</summary>
public sealed record Row(string Partition, string Key, string Version, ReadOnlyMemory<byte> Data);

/// <summary>One write of a transaction.</summary>
public readonly record struct RowWrite(RowWriteKind Kind, string Key, ReadOnlyMemory<byte> Data, string? Version)
{
    /// <summary>Refused as <see cref="Refusal.Exists"/> where the row is already there.</summary>
    public static RowWrite Insert(string key, ReadOnlyMemory<byte> data) => new(RowWriteKind.Insert, key, data, null);

    /// <summary>Refused as <see cref="Refusal.Changed"/> where the row has another version or is gone.</summary>
    public static RowWrite Replace(string key, ReadOnlyMemory<byte> data, string version) => new(RowWriteKind.Replace, key, data, version);

    /// <summary>Inserts or replaces, whatever is there.</summary>
    public static RowWrite Upsert(string key, ReadOnlyMemory<byte> data) => new(RowWriteKind.Upsert, key, data, null);

    /// <summary>
    /// Deletes. Refused as <see cref="Refusal.Changed"/> where the row is gone or, with a version, has another one. (A single
    /// delete, alone in its transaction and without a version, of a row that is gone is refused just the same.)
    /// </summary>
    public static RowWrite Delete(string key, string? version = null) => new(RowWriteKind.Delete, key, default, version);
}

public enum RowWriteKind
{
    Insert,
    Replace,
    Upsert,
    Delete,
}

/// <summary>Why a write was refused.</summary>
public enum Refusal
{
    None,

    /// <summary>An insert found the row already there.</summary>
    Exists,

    /// <summary>The row has another version than the one named, or is gone.</summary>
    Changed,
}

/// <summary>
/// The outcome of a transaction. A refused one changed nothing. <paramref name="RefusedIndex"/> is the first refused write in
/// order; others may be refusable too.
/// </summary>
public sealed record CommitResult(Refusal Refusal, int RefusedIndex, IReadOnlyList<string?> Versions)
{
    public bool Committed => Refusal == Refusal.None;

    public static CommitResult Done(IReadOnlyList<string?> versions) => new(Refusal.None, -1, versions);

    public static CommitResult Refused(Refusal refusal, int index) => new(refusal, index, []);
}
