using System.Collections.Concurrent;
using System.Diagnostics;
using Cdp.Storage;

namespace Cdp.Benchmarks;

/// <summary>Notes every transaction that was committed, so that a bare loop can write the same rows in the same transactions.</summary>
internal sealed class RecordingRowStore(IRowStore rows) : IRowStore
{
    public ConcurrentQueue<Transaction> Transactions { get; } = new();

    public Task<Row?> GetAsync(TableName table, string partition, string key, CancellationToken cancellation) => rows.GetAsync(table, partition, key, cancellation);

    public IAsyncEnumerable<Row> RangeAsync(TableName table, string partition, string from, string to, int pageSize, CancellationToken cancellation) =>
        rows.RangeAsync(table, partition, from, to, pageSize, cancellation);

    public async Task<CommitResult> CommitAsync(TableName table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellation)
    {
        var result = await rows.CommitAsync(table, partition, writes, cancellation);
        if (result.Committed && table is TableName.Profiles or TableName.Identities)
            Transactions.Enqueue(new Transaction(table, partition, [.. writes], Stopwatch.GetTimestamp()));
        return result;
    }

    /// <summary>
    /// Writes the transactions to an empty store: those of one document in their order, for each conditions the next one; otherwise this many at once.
    /// </summary>
    public async Task<TimeSpan> ReplayAsync(IRowStore target, int parallel)
    {
        var chains = Transactions.GroupBy(t => t.Writes[0].Key, StringComparer.Ordinal).Select(g => g.ToList()).ToList();
        var clock = Stopwatch.StartNew();
        await Parallel.ForEachAsync(chains, new ParallelOptions { MaxDegreeOfParallelism = parallel }, async (chain, token) =>
        {
            string? version = null;
            foreach (var transaction in chain)
            {
                var writes = transaction.Writes;
                if (writes[0].Kind == RowWriteKind.Replace)
                    writes[0] = RowWrite.Replace(writes[0].Key, writes[0].Data, version!);
                var result = await target.CommitAsync(transaction.Table, transaction.Partition, writes, token);
                if (!result.Committed)
                    throw new InvalidOperationException($"The bare loop was refused: {result.Refusal} at {writes[result.RefusedIndex].Key}");
                version = result.Versions[0];
            }
        });
        return clock.Elapsed;
    }

    internal sealed record Transaction(TableName Table, string Partition, RowWrite[] Writes, long At);
}
