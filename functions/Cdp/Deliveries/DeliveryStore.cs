using System.Runtime.CompilerServices;
using System.Text.Json;
using Cdp.Events;
using Cdp.Storage;

namespace Cdp.Deliveries;

/// <summary>
/// Table <c>deliveries</c>, a partition for each destination:
/// <list type="bullet">
/// <item><c>d|{reverse time}|{delivery}</c> a delivery, the newest first</item>
/// <item><c>q|{delivery}</c> it is pending, the oldest first: exactly those whose row says so</item>
/// <item><c>s|{profile}</c> hashes of the properties that a state destination was sent last</item>
/// <item><c>h</c> its health</item>
/// </list>
/// </summary>
/// <remarks>A partition takes 2,000 operations a second, and a delivery costs about five: some 400 deliveries a second for a destination.</remarks>
public sealed class DeliveryStore(IRowStore rows)
{
    /// <summary>Counting stops there.</summary>
    public const int MostCounted = 10_000;

    private const string HealthKey = "h";
    private const long LastTime = 999_999_999_999_999;
    private const int PageSize = 100;

    // A delivery, its mark, and what was sent: three rows each.
    private const int MostInTransaction = StorageLimits.TransactionRows / 3;

    public static string Key(string id) => $"d|{LastTime - Delivery.TimeOf(id).Milliseconds:D15}|{id}";

    /// <summary>False where it is there already: it was planned before.</summary>
    public async Task<bool> AddAsync(Delivery delivery, CancellationToken cancellation)
    {
        var row = RowWrite.Insert(Key(delivery.Id), delivery.ToJson());
        IReadOnlyList<RowWrite> writes = delivery.IsPending ? [row, RowWrite.Upsert(PendingKey(delivery.Id), default)] : [row];
        return (await rows.CommitAsync(TableName.Deliveries, delivery.DestinationId, writes, cancellation)).Committed;
    }

    public async Task<Delivery?> FindAsync(string destination, string id, CancellationToken cancellation) =>
        await rows.GetAsync(TableName.Deliveries, destination, Key(id), cancellation) is { } row ? Delivery.Read(row) : null;

    /// <summary>The newest first, behind a delivery (null: from the newest on).</summary>
    public async IAsyncEnumerable<Delivery> ListAsync(string destination, Instant? from, Instant? to, string? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        // Times run backwards in keys: "to" is exclusive, "from" inclusive.
        var first = after is not null ? Key(after) + "!" : to is { } newest ? $"d|{LastTime - newest.Milliseconds + 1:D15}|" : "d|";
        var end = from is { } oldest ? $"d|{LastTime - oldest.Milliseconds:D15}}}" : "d}";
        if (string.CompareOrdinal(first, end) >= 0)
            yield break;
        await foreach (var row in rows.RangeAsync(TableName.Deliveries, destination, first, end, PageSize, cancellation))
            yield return Delivery.Read(row);
    }

    /// <summary>Ids of those that are pending, the oldest first.</summary>
    public async IAsyncEnumerable<string> PendingAsync(string destination, int pageSize, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (var row in rows.RangeAsync(TableName.Deliveries, destination, "q|", "q}", pageSize, cancellation))
            yield return row.Key[2..];
    }

    /// <summary>Up to <see cref="MostCounted"/>.</summary>
    public async Task<int> CountPendingAsync(string destination, CancellationToken cancellation)
    {
        var count = 0;
        await foreach (var _ in PendingAsync(destination, 1000, cancellation))
        {
            if (++count == MostCounted)
                break;
        }

        return count;
    }

    /// <summary>Writes deliveries as they are now, each on condition of the version it was read in. Returns those that were written, with their new versions.</summary>
    /// <param name="sent">Of state destinations, by delivery: what was sent, and the version of the row that it replaces.</param>
    public async Task<IReadOnlyList<Delivery>> SaveAsync(IReadOnlyList<Delivery> deliveries, IReadOnlyDictionary<string, SentRow>? sent, CancellationToken cancellation)
    {
        var saved = new List<Delivery>(deliveries.Count);
        for (var start = 0; start < deliveries.Count; start += MostInTransaction)
        {
            var rest = deliveries.Skip(start).Take(MostInTransaction).ToList();
            while (rest.Count > 0)
            {
                var writes = new List<RowWrite>(rest.Count * 3);
                var owners = new List<int>(writes.Capacity);
                for (var i = 0; i < rest.Count; i++)
                {
                    Add(RowWrite.Replace(Key(rest[i].Id), rest[i].ToJson(), rest[i].Version!), i);
                    if (!rest[i].IsPending)
                        Add(RowWrite.Delete(PendingKey(rest[i].Id)), i);
                    if (sent?.GetValueOrDefault(rest[i].Id) is { } row)
                        Add(row.Version is null ? RowWrite.Insert(row.Key, row.Data) : RowWrite.Replace(row.Key, row.Data, row.Version), i);
                }

                var result = await rows.CommitAsync(TableName.Deliveries, rest[0].DestinationId, writes, cancellation);
                if (result.Committed)
                {
                    for (var i = 0; i < writes.Count; i++)
                    {
                        if (writes[i].Key.StartsWith("d|", StringComparison.Ordinal))
                            saved.Add(rest[owners[i]] with { Version = result.Versions[i] });
                    }

                    break;
                }

                // That one is in other hands; the others are not held up by it.
                rest.RemoveAt(owners[result.RefusedIndex]);

                void Add(RowWrite write, int owner)
                {
                    writes.Add(write);
                    owners.Add(owner);
                }
            }
        }

        return saved;
    }

    /// <summary>Brings one back that is done with; null where it was changed meanwhile.</summary>
    public async Task<Delivery?> RequeueAsync(Delivery delivery, CancellationToken cancellation)
    {
        var result = await rows.CommitAsync(
            TableName.Deliveries, delivery.DestinationId,
            [RowWrite.Replace(Key(delivery.Id), delivery.ToJson(), delivery.Version!), RowWrite.Upsert(PendingKey(delivery.Id), default)], cancellation);
        return result.Committed ? delivery with { Version = result.Versions[0] } : null;
    }

    public async Task<DestinationHealth> HealthAsync(string destination, CancellationToken cancellation) =>
        await rows.GetAsync(TableName.Deliveries, destination, HealthKey, cancellation) is { } row
        && JsonSerializer.Deserialize(row.Data.Span, DeliveryJson.Default.DestinationHealth) is { } health
            ? health
            : new DestinationHealth(null, null);

    /// <summary>The last to write is believed: it is a coarse picture, and nothing is decided by it.</summary>
    public Task WriteHealthAsync(string destination, DestinationHealth health, CancellationToken cancellation) =>
        rows.CommitAsync(
            TableName.Deliveries, destination, [RowWrite.Upsert(HealthKey, JsonSerializer.SerializeToUtf8Bytes(health, DeliveryJson.Default.DestinationHealth))], cancellation);

    public async Task<SentRow> SentAsync(string destination, string profile, CancellationToken cancellation)
    {
        var key = "s|" + profile;
        return await rows.GetAsync(TableName.Deliveries, destination, key, cancellation) is { } row ? new SentRow(key, row.Data, row.Version) : new SentRow(key, default, null);
    }

    /// <summary>Removes what is done with and older; with <paramref name="everything"/> all that there is. False where there is more than was removed now.</summary>
    public async Task<bool> PurgeAsync(string destination, Instant before, bool everything, int most, CancellationToken cancellation)
    {
        var (from, to) = everything ? ("", "~") : ($"d|{LastTime - before.Milliseconds + 1:D15}|", "d}");
        var keys = new List<RowWrite>(StorageLimits.TransactionRows);
        var removed = 0;
        await foreach (var row in rows.RangeAsync(TableName.Deliveries, destination, from, to, PageSize, cancellation))
        {
            if (!everything && Delivery.Read(row).IsPending)
                continue;
            keys.Add(RowWrite.Delete(row.Key, row.Version));
            if (keys.Count < StorageLimits.TransactionRows)
                continue;
            await RemoveAsync(destination, keys, cancellation);
            removed += keys.Count;
            keys.Clear();
            if (removed >= most)
                return false;
        }

        await RemoveAsync(destination, keys, cancellation);
        return true;
    }

    private static string PendingKey(string id) => "q|" + id;

    private async Task RemoveAsync(string destination, List<RowWrite> writes, CancellationToken cancellation)
    {
        while (writes.Count > 0)
        {
            var result = await rows.CommitAsync(TableName.Deliveries, destination, writes, cancellation);
            if (result.Committed)
                return;
            // Changed or gone meanwhile: the next run sees to it.
            writes.RemoveAt(result.RefusedIndex);
        }
    }
}

/// <summary>What a state destination was sent last about a profile: a hash of each property's value. Replaced on condition of the version.</summary>
public sealed record SentRow(string Key, ReadOnlyMemory<byte> Data, string? Version);
