using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Azure;
using Azure.Data.Tables;
using Azure.Data.Tables.Models;
using Cdp.Storage;

namespace CdpFunctions.Storage;

/// <summary>
/// Rows as table entities, their data in binary properties <c>D0</c>, <c>D1</c>, ... A single write is a plain operation, several
/// are an entity group transaction.
/// </summary>
/// <remarks>
/// The client repeats a call that timed out. Where the first try had taken effect, the repetition meets its own work: an insert
/// is refused as <see cref="Refusal.Exists"/>, a replacement or deletion as <see cref="Refusal.Changed"/>. So a refusal can mean
/// that the write is there already; callers treat it as somebody else's write, read again and find it.
/// </remarks>
public sealed class TableRowStore : IRowStore
{
    /// <summary>A binary property holds at most 64 KiB.</summary>
    private const int PropertyBytes = 64 * 1024;

    private static readonly string[] Properties =
        [.. Enumerable.Range(0, (StorageLimits.RowBytes + PropertyBytes - 1) / PropertyBytes).Select(static i => $"D{i}")];

    private readonly TableClient[] tables;

    public TableRowStore(TableServiceClient service)
    {
        tables = [.. Enum.GetValues<TableName>().Select(table => service.GetTableClient(StorageNames.Of(table)))];
    }

    public async Task<Row?> GetAsync(TableName table, string partition, string key, CancellationToken cancellation)
    {
        var found = await tables[(int)table].GetEntityIfExistsAsync<TableEntity>(partition, key, cancellationToken: cancellation);
        return found.HasValue ? Read(found.Value!) : null;
    }

    public async IAsyncEnumerable<Row> RangeAsync(
        TableName table,
        string partition,
        string from,
        string to,
        int pageSize,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        var filter = TableClient.CreateQueryFilter($"PartitionKey eq {partition} and RowKey ge {from} and RowKey lt {to}");
        await foreach (var entity in tables[(int)table].QueryAsync<TableEntity>(filter, pageSize, cancellationToken: cancellation))
            yield return Read(entity);
    }

    public Task<CommitResult> CommitAsync(TableName table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellation) =>
        writes.Count == 1
            ? WriteAsync(tables[(int)table], partition, writes[0], cancellation)
            : TransactAsync(tables[(int)table], partition, writes, cancellation);

    private static async Task<CommitResult> WriteAsync(TableClient client, string partition, RowWrite write, CancellationToken cancellation)
    {
        try
        {
            var response = write.Kind switch
            {
                RowWriteKind.Insert => await client.AddEntityAsync(Entity(partition, write), cancellation),
                RowWriteKind.Replace => await client.UpdateEntityAsync(Entity(partition, write), new ETag(write.Version!), TableUpdateMode.Replace, cancellation),
                RowWriteKind.Upsert => await client.UpsertEntityAsync(Entity(partition, write), TableUpdateMode.Replace, cancellation),
                _ => await client.DeleteEntityAsync(partition, write.Key, ETagOf(write), cancellation),
            };
            // The client returns the answer to the deletion of a row that is gone instead of throwing it.
            if (response.Status == 404)
                throw new RequestFailedException(response);
            return CommitResult.Done([write.Kind == RowWriteKind.Delete ? null : Version(response)]);
        }
        catch (RequestFailedException refused) when (RefusalOf(refused) is not Refusal.None and var refusal)
        {
            return CommitResult.Refused(refusal, 0);
        }
    }

    private static async Task<CommitResult> TransactAsync(TableClient client, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellation)
    {
        var actions = new TableTransactionAction[writes.Count];
        for (var i = 0; i < actions.Length; i++)
        {
            actions[i] = writes[i].Kind switch
            {
                RowWriteKind.Insert => new(TableTransactionActionType.Add, Entity(partition, writes[i])),
                RowWriteKind.Replace => new(TableTransactionActionType.UpdateReplace, Entity(partition, writes[i]), new ETag(writes[i].Version!)),
                RowWriteKind.Upsert => new(TableTransactionActionType.UpsertReplace, Entity(partition, writes[i])),
                _ => new(TableTransactionActionType.Delete, new TableEntity(partition, writes[i].Key), ETagOf(writes[i])),
            };
        }

        try
        {
            var responses = (await client.SubmitTransactionAsync(actions, cancellation)).Value;
            var versions = new string?[actions.Length];
            for (var i = 0; i < versions.Length; i++)
                versions[i] = writes[i].Kind == RowWriteKind.Delete ? null : Version(responses[i]);
            return CommitResult.Done(versions);
        }
        catch (TableTransactionFailedException refused) when (RefusalOf(refused) is not Refusal.None && refused.FailedTransactionActionIndex is not null)
        {
            return CommitResult.Refused(RefusalOf(refused), refused.FailedTransactionActionIndex.Value);
        }
    }

    private static Refusal RefusalOf(RequestFailedException refused)
    {
        if (refused.ErrorCode == TableErrorCode.EntityAlreadyExists)
            return Refusal.Exists;
        return refused.ErrorCode == TableErrorCode.UpdateConditionNotSatisfied || refused.ErrorCode == TableErrorCode.ResourceNotFound
            ? Refusal.Changed
            : Refusal.None;
    }

    private static ETag ETagOf(RowWrite write) => write.Version is null ? ETag.All : new ETag(write.Version);

    private static string Version(Response response) =>
        response.Headers.ETag?.ToString() ?? throw new InvalidOperationException("The table service answered a write without an ETag.");

    private static TableEntity Entity(string partition, RowWrite write)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(write.Data.Length, StorageLimits.RowBytes);
        var entity = new TableEntity(partition, write.Key);
        var rest = write.Data;
        for (var i = 0; !rest.IsEmpty; i++)
        {
            var part = rest[..Math.Min(rest.Length, PropertyBytes)];
            entity.Add(Properties[i], Bytes(part));
            rest = rest[part.Length..];
        }

        return entity;
    }

    /// <summary>An entity takes arrays only; one that is all data anyway is not copied.</summary>
    private static byte[] Bytes(ReadOnlyMemory<byte> part) =>
        MemoryMarshal.TryGetArray(part, out var segment) && segment.Count == segment.Array!.Length ? segment.Array : part.ToArray();

    private static Row Read(TableEntity entity)
    {
        ReadOnlyMemory<byte> data = entity.GetBinary(Properties[0]);
        if (data.Length == PropertyBytes && entity.ContainsKey(Properties[1]))
        {
            var joined = new MemoryStream();
            foreach (var property in Properties)
            {
                if (entity.GetBinary(property) is not { } part)
                    break;
                joined.Write(part);
            }

            data = joined.GetBuffer().AsMemory(0, (int)joined.Length);
        }

        return new Row(entity.PartitionKey, entity.RowKey, entity.ETag.ToString(), data);
    }
}
