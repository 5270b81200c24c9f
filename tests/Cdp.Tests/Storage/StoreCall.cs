namespace Cdp.Tests.Storage;

public enum StoreOperation
{
    GetRow,

    /// <summary>One page of a range.</summary>
    ReadPage,
    Commit,
    SendMessage,
    ReadBacklog,
    PutBlob,
    GetBlob,
    DeleteBlob,
    AppendBlob,
    ListBlobs,
}

/// <summary>One call of a port, as the hooks of <see cref="FakeStore"/> see it.</summary>
/// <param name="Number">Counts from 1 over all ports of the store.</param>
/// <param name="Place">The name of the table, queue or container.</param>
/// <param name="Partition">Of rows; empty for queues and blobs.</param>
/// <param name="Keys">The row keys written or read, both ends of a range, the blob's name; empty for queues.</param>
public sealed record StoreCall(int Number, StoreOperation Operation, string Place, string Partition, IReadOnlyList<string> Keys)
{
    public override string ToString() => $"#{Number} {Operation} {Place} {Partition} [{string.Join(", ", Keys)}]";
}

/// <summary>What a hook throws to stand for the end of the process at that point.</summary>
public sealed class SimulatedCrashException(StoreCall call) : Exception($"Crashed at {call}.");
