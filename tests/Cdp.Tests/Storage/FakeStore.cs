using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using Cdp.Storage;

namespace Cdp.Tests.Storage;

/// <summary>
/// The storage ports in memory, held to the same contract suites as the real ones, with hooks before and after every call. A hook
/// may throw (a crash: before the call nothing has happened, after it everything has) or do other work (another worker's call in
/// between), and sees its own calls too. Calls are atomic; hooks run outside them.
/// </summary>
public sealed class FakeStore(TimeProvider? time = null) : IRowStore, IMessageQueue, IBlobStore
{
    private static readonly SearchValues<char> ForbiddenInKeys = SearchValues.Create(
        "/\\#?" + string.Concat(Enumerable.Range(0, 0x20).Concat(Enumerable.Range(0x7f, 0x21)).Select(static c => (char)c)));

    private static readonly IComparer<StoredRow> ByKey = Comparer<StoredRow>.Create(static (a, b) => string.CompareOrdinal(a.Key, b.Key));

    private readonly Lock gate = new();
    private readonly Dictionary<(TableName Table, string Partition), SortedSet<StoredRow>> partitions = [];
    private readonly Dictionary<QueueName, MessageQueue> queues = [];
    private readonly Dictionary<ContainerName, SortedDictionary<string, StoredBlob>> containers = [];
    private readonly TimeProvider time = time ?? TimeProvider.System;
    private int calls;
    private long version;
    private int messages;

    /// <summary>Awaited before each call takes effect.</summary>
    public Func<StoreCall, Task>? Before { get; set; }

    /// <summary>Awaited after each call took effect, before its caller gets the answer.</summary>
    public Func<StoreCall, Task>? After { get; set; }

    /// <summary>
    /// Told each transaction that took effect, under the lock and so in their true order, which <see cref="After"/> does not know. It must not call the store.
    /// </summary>
    public Action<TableName, IReadOnlyList<RowWrite>>? Committed { get; set; }

    /// <summary>Calls so far.</summary>
    public int Calls => Volatile.Read(ref calls);

    /// <summary>All rows, ordered by table, partition and key; versions, which differ from run to run, left out.</summary>
    public IReadOnlyList<FakeRow> Snapshot()
    {
        lock (gate)
        {
            return
            [
                .. from partition in partitions
                   from row in partition.Value
                   select new FakeRow(partition.Key.Table, partition.Key.Partition, row.Key, row.Data) into row
                   orderby row.Table, row.Partition, row.Key
                   select row,
            ];
        }
    }

    /// <summary>How many rows there are, and the bytes of their keys and data.</summary>
    public (int Rows, long Bytes) Size()
    {
        lock (gate)
        {
            var (count, bytes) = (0, 0L);
            foreach (var rows in partitions.Values)
            {
                count += rows.Count;
                foreach (var row in rows)
                    bytes += (sizeof(char) * row.Key.Length) + row.Data.Length;
            }

            return (count, bytes);
        }
    }

    /// <summary>The messages of a queue in the order they were sent, those being worked on included.</summary>
    public IReadOnlyList<FakeMessage> Messages(QueueName queue)
    {
        lock (gate)
            return [.. Queue(queue).All.Values];
    }

    /// <summary>Takes the oldest visible message, which becomes invisible; null where none is. Delays do not hide a message.</summary>
    public FakeMessage? Receive(QueueName queue)
    {
        lock (gate)
        {
            if (Queue(queue).Visible is not { Count: > 0 } visible)
                return null;
            var message = Queue(queue).All[visible.Min];
            visible.Remove(message.Number);
            message.DequeueCount++;
            return message;
        }
    }

    /// <summary>The message is done with. Nothing happens where it is gone.</summary>
    public void Delete(FakeMessage message)
    {
        lock (gate)
        {
            Queue(message.Queue).All.Remove(message.Number);
            Queue(message.Queue).Visible.Remove(message.Number);
        }
    }

    /// <summary>The message becomes visible again, as after its visibility time-out; also for a second worker while the first still works on it.</summary>
    public void Release(FakeMessage message)
    {
        lock (gate)
        {
            if (Queue(message.Queue).All.ContainsKey(message.Number))
                Queue(message.Queue).Visible.Add(message.Number);
        }
    }

    public IReadOnlyDictionary<string, byte[]> Blobs(ContainerName container)
    {
        lock (gate)
            return Container(container).ToDictionary(static blob => blob.Key, static blob => blob.Value.Data.ToArray(), StringComparer.Ordinal);
    }

    public Task<Row?> GetAsync(TableName table, string partition, string key, CancellationToken cancellation) =>
        CallAsync(
            StoreOperation.GetRow,
            table.ToString(),
            partition,
            [key],
            () => Rows(table, partition).TryGetValue(new StoredRow(key), out var row) ? row.ToRow(partition) : null,
            cancellation);

    public async IAsyncEnumerable<Row> RangeAsync(
        TableName table,
        string partition,
        string from,
        string to,
        int pageSize,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pageSize, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pageSize, 1000);
        string? next = from;
        while (next is not null)
        {
            var start = next;
            var page = await CallAsync(StoreOperation.ReadPage, table.ToString(), partition, [start, to], () => Page(table, partition, start, to, pageSize + 1), cancellation);
            next = page.Count > pageSize ? page[pageSize].Key : null;
            foreach (var row in page.Take(pageSize))
                yield return row;
        }
    }

    public Task<CommitResult> CommitAsync(TableName table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellation)
    {
        Check(partition, writes);
        return CallAsync(
            StoreOperation.Commit,
            table.ToString(),
            partition,
            [.. writes.Select(static write => write.Key)],
            () => Commit(table, Rows(table, partition), writes),
            cancellation);
    }

    public Task SendAsync(QueueName queue, string body, TimeSpan? delay, CancellationToken cancellation)
    {
        if (Encoding.UTF8.GetByteCount(body) > 64 * 1024)
            throw new ArgumentException("A message is at most 64 KiB.", nameof(body));
        if (delay is { } stated && (stated < TimeSpan.Zero || stated > TimeSpan.FromDays(7)))
            throw new ArgumentOutOfRangeException(nameof(delay));
        return CallAsync(
            StoreOperation.SendMessage,
            queue.ToString(),
            "",
            [],
            () =>
            {
                var message = new FakeMessage(queue, ++messages, body, delay, time.GetUtcNow());
                Queue(queue).All.Add(message.Number, message);
                Queue(queue).Visible.Add(message.Number);
                return message;
            },
            cancellation);
    }

    public Task<QueueBacklog> BacklogAsync(QueueName queue, CancellationToken cancellation) =>
        CallAsync(
            StoreOperation.ReadBacklog,
            queue.ToString(),
            "",
            [],
            () => new QueueBacklog(
                Queue(queue).All.Count, Queue(queue).Visible is { Count: > 0 } visible ? Queue(queue).All[visible.Min].InsertedOn : null),
            cancellation);

    public Task PutAsync(ContainerName container, string name, ReadOnlyMemory<byte> data, CancellationToken cancellation) =>
        CallAsync(StoreOperation.PutBlob, container.ToString(), "", [name], () => Container(container)[name] = new StoredBlob(false, [.. data.Span]) { Version = NewVersion() }, cancellation);

    public Task<ReadOnlyMemory<byte>?> GetAsync(ContainerName container, string name, CancellationToken cancellation) =>
        CallAsync(
            StoreOperation.GetBlob,
            container.ToString(),
            "",
            [name],
            () => Container(container).TryGetValue(name, out var blob) ? blob.Data.ToArray() : (ReadOnlyMemory<byte>?)null,
            cancellation);

    public Task<BlobPiece?> ReadAsync(ContainerName container, string name, long from, int count, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return CallAsync(
            StoreOperation.GetBlob,
            container.ToString(),
            "",
            [name],
            () => Container(container).TryGetValue(name, out var blob)
                ? new BlobPiece(
                    blob.Data.Slice((int)Math.Min(from, blob.Data.Count), (int)Math.Min(count, Math.Max(blob.Data.Count - from, 0))).ToArray(), blob.Data.Count, blob.Version)
                : null,
            cancellation);
    }

    public Task DeleteAsync(ContainerName container, string name, CancellationToken cancellation) =>
        CallAsync(StoreOperation.DeleteBlob, container.ToString(), "", [name], () => Container(container).Remove(name), cancellation);

    public Task<bool> AppendAsync(ContainerName container, string name, long position, ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfZero(data.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(data.Length, StorageLimits.AppendBlockBytes);
        return CallAsync(StoreOperation.AppendBlob, container.ToString(), "", [name], () => Append(Container(container), name, position, data.Span), cancellation);
    }

    public async IAsyncEnumerable<string> ListAsync(ContainerName container, string prefix, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var names = await CallAsync(
            StoreOperation.ListBlobs,
            container.ToString(),
            "",
            [prefix],
            () => Container(container).Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).ToList(),
            cancellation);
        foreach (var name in names)
            yield return name;
    }

    private async Task<T> CallAsync<T>(StoreOperation operation, string place, string partition, IReadOnlyList<string> keys, Func<T> apply, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var call = new StoreCall(Interlocked.Increment(ref calls), operation, place, partition, keys);
        if (Before is { } before)
            await before(call);
        T result;
        lock (gate)
            result = apply();
        if (After is { } after)
            await after(call);
        return result;
    }

    private CommitResult Commit(TableName table, SortedSet<StoredRow> rows, IReadOnlyList<RowWrite> writes)
    {
        for (var i = 0; i < writes.Count; i++)
        {
            rows.TryGetValue(new StoredRow(writes[i].Key), out var existing);
            var refusal = writes[i].Kind switch
            {
                RowWriteKind.Insert => existing is null ? Refusal.None : Refusal.Exists,
                RowWriteKind.Upsert => Refusal.None,
                _ when existing is null => Refusal.Changed,
                _ when writes[i].Version is { } expected && !string.Equals(expected, existing.Version, StringComparison.Ordinal) => Refusal.Changed,
                _ => Refusal.None,
            };
            if (refusal != Refusal.None)
                return CommitResult.Refused(refusal, i);
        }

        var versions = new string?[writes.Count];
        var written = new RowWrite[writes.Count];
        for (var i = 0; i < writes.Count; i++)
        {
            // Copied: the caller may use its buffer again.
            var data = writes[i].Data.ToArray();
            written[i] = writes[i] with { Data = data };
            rows.Remove(new StoredRow(writes[i].Key));
            if (writes[i].Kind == RowWriteKind.Delete)
                continue;
            versions[i] = $"W/\"{++version}\"";
            rows.Add(new StoredRow(writes[i].Key, versions[i]!, data));
        }

        Committed?.Invoke(table, written);
        return CommitResult.Done(versions);
    }

    private List<Row> Page(TableName table, string partition, string from, string to, int count)
    {
        var rows = Rows(table, partition);
        if (string.CompareOrdinal(from, to) >= 0)
            return [];
        return
        [
            .. rows.GetViewBetween(new StoredRow(from), new StoredRow(to))
                .TakeWhile(row => string.CompareOrdinal(row.Key, to) < 0)
                .Take(count)
                .Select(row => row.ToRow(partition)),
        ];
    }

    private bool Append(SortedDictionary<string, StoredBlob> blobs, string name, long position, ReadOnlySpan<byte> data)
    {
        if (!blobs.TryGetValue(name, out var blob))
        {
            if (position != 0)
                return false;
            blobs.Add(name, blob = new StoredBlob(true, []));
        }

        if (!blob.IsLog || blob.Data.Count != position)
            return false;
        blob.Data.AddRange(data);
        blob.Version = NewVersion();
        return true;
    }

    private static void Check(string partition, IReadOnlyList<RowWrite> writes)
    {
        ArgumentOutOfRangeException.ThrowIfZero(writes.Count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(writes.Count, StorageLimits.TransactionRows);
        CheckKey(partition);
        var keys = new HashSet<string>(StringComparer.Ordinal);
        long bytes = 0;
        foreach (var write in writes)
        {
            CheckKey(write.Key);
            if (!keys.Add(write.Key))
                throw new ArgumentException($"The transaction writes {write.Key} twice.", nameof(writes));
            if (write.Kind == RowWriteKind.Replace && write.Version is null)
                throw new ArgumentException($"The replacement of {write.Key} names no version.", nameof(writes));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(write.Data.Length, StorageLimits.RowBytes);
            bytes += write.Data.Length;
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, StorageLimits.TransactionBytes);
    }

    private static void CheckKey(string key)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(key.Length, StorageLimits.RowKeyLength);
        if (key.AsSpan().ContainsAny(ForbiddenInKeys))
            throw new ArgumentException($"The key {key} has a character that keys must not have.", nameof(key));
    }

    private SortedSet<StoredRow> Rows(TableName table, string partition)
    {
        if (!partitions.TryGetValue((table, partition), out var rows))
            partitions.Add((table, partition), rows = new SortedSet<StoredRow>(ByKey));
        return rows;
    }

    private MessageQueue Queue(QueueName queue)
    {
        if (!queues.TryGetValue(queue, out var messages))
            queues.Add(queue, messages = new MessageQueue());
        return messages;
    }

    private SortedDictionary<string, StoredBlob> Container(ContainerName container)
    {
        if (!containers.TryGetValue(container, out var blobs))
            containers.Add(container, blobs = new SortedDictionary<string, StoredBlob>(StringComparer.Ordinal));
        return blobs;
    }

    private sealed record StoredRow(string Key, string Version = "", byte[]? Content = null)
    {
        public byte[] Data => Content ?? [];

        public Row ToRow(string partition) => new(partition, Key, Version, Data);
    }

    /// <summary>Messages by number, and the numbers of those that wait: a queue of thousands is worked off in no more than their logarithm each.</summary>
    private sealed class MessageQueue
    {
        public SortedDictionary<int, FakeMessage> All { get; } = [];

        public SortedSet<int> Visible { get; } = [];
    }

    private string NewVersion() => $"\"{++version}\"";

    private sealed record StoredBlob(bool IsLog, List<byte> Data)
    {
        public string Version { get; set; } = "";
    }
}

/// <summary>A row in a snapshot; equal where all of it is equal.</summary>
public sealed record FakeRow(TableName Table, string Partition, string Key, byte[] Data)
{
    public bool Equals(FakeRow? other) =>
        other is not null && Table == other.Table && string.Equals(Partition, other.Partition, StringComparison.Ordinal)
        && string.Equals(Key, other.Key, StringComparison.Ordinal) && Data.AsSpan().SequenceEqual(other.Data);

    public override int GetHashCode() => HashCode.Combine(Table, Partition, Key, Data.Length);

    public override string ToString() => $"{Table} {Partition} {Key} ({Data.Length} bytes)";
}

/// <summary>A message in a <see cref="FakeStore"/>.</summary>
/// <param name="Delay">As it was sent, for the test to look at.</param>
public sealed record FakeMessage(QueueName Queue, int Number, string Body, TimeSpan? Delay, DateTimeOffset InsertedOn)
{
    /// <summary>How often it was received, this time included.</summary>
    public int DequeueCount { get; set; }
}
