using Cdp.Ids;
using Cdp.Problems;
using Cdp.Storage;

namespace Cdp.Collect;

/// <summary>
/// Group commit to the queue <c>events</c>: concurrent requests share a message. While one is under way the next fills; when none
/// is, a request goes at once. A request's task completes when all its events are durably queued, and fails if, and only if, a
/// message with one of them failed.
/// </summary>
/// <remarks>
/// Order of writes: for a large message the blob in <c>overflow</c>, then the message. A crash between the two leaves a blob
/// nobody points to, and no request was answered. A send that throws may have stored the message all the same: the client sends
/// again, and its messageIds make that harmless.
/// </remarks>
public sealed class EventQueueWriter(IMessageQueue queue, IBlobStore blobs, IdGenerator ids)
{
    /// <summary>Event text in one message. Compressed it mostly fits into the queue, and a poisoned message does not hold much else.</summary>
    public const int MessageBytes = 128 * 1024;

    /// <summary>Events in one message: what a worker takes on at once.</summary>
    public const int MessageEvents = 500;

    /// <summary>Messages under way at the same time, when more than one is full.</summary>
    private const int MostSending = 4;

    /// <summary>Waiting event text beyond which new requests are refused instead of filling the memory.</summary>
    private const int MostWaitingBytes = 32 * 1024 * 1024;

    private readonly Lock gate = new();
    private readonly Queue<Group> full = new();
    private Group? filling;
    private int sending;
    private long waitingBytes;

    /// <summary>Queues events. The buffer is free again when this returns; the task says when they are durable.</summary>
    /// <param name="lines">Events as lines of <see cref="EventMessageCodec"/>.</param>
    /// <exception cref="ProblemException">storage-unavailable: too much is waiting already.</exception>
    internal Task WriteAsync(ReadOnlySpan<byte> lines)
    {
        if (lines.IsEmpty)
            return Task.CompletedTask;
        var request = new Request();
        Group? first;
        lock (gate)
        {
            if (waitingBytes + lines.Length > MostWaitingBytes)
                throw new ProblemException(new Problem(ProblemType.StorageUnavailable, "The queue takes events more slowly than they come in.", RetryAfterSeconds: 1));
            waitingBytes += lines.Length;
            Fill(lines, request);
            first = Next();
        }

        if (first is not null)
            Start(first);
        return request.Task;
    }

    /// <summary>Queues events that are in stored form already, such as those of a failure that is tried again.</summary>
    public async Task WriteAsync(IReadOnlyList<CollectedEvent> events)
    {
        using var lines = new ByteBuilder(4096);
        foreach (var collected in events)
        {
            lines.Append(collected.Historical ? EventMessageCodec.HistoricalLine : EventMessageCodec.Line);
            lines.Append(collected.Json.Span);
            lines.Append((byte)'\n');
        }

        await WriteAsync(lines.Written);
    }

    private void Fill(ReadOnlySpan<byte> lines, Request request)
    {
        while (!lines.IsEmpty)
        {
            filling ??= new Group();
            var taken = filling.Take(lines, request);
            if (taken == 0)
            {
                full.Enqueue(filling);
                filling = null;
                continue;
            }

            lines = lines[taken..];
        }
    }

    /// <summary>The next message to send now, if any; counted as under way. Called under the lock.</summary>
    private Group? Next()
    {
        if (sending < MostSending && full.TryDequeue(out var group))
        {
            sending++;
            return group;
        }

        if (sending > 0 || filling is null)
            return null;
        sending++;
        group = filling;
        filling = null;
        return group;
    }

    private void Start(Group first)
    {
        for (var group = first; group is not null; group = NextUnderLock())
            _ = SendAsync(group);
    }

    private Group? NextUnderLock()
    {
        lock (gate)
            return Next();
    }

    private async Task SendAsync(Group group)
    {
        Exception? failure = null;
        try
        {
            await SendAsync(group.Lines);
        }
#pragma warning disable CA1031 // Whatever it was, it is thrown again in the requests it concerns.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            failure = exception;
        }

        Group? next;
        lock (gate)
        {
            sending--;
            waitingBytes -= group.Lines.Length;
            next = Next();
        }

        group.Complete(failure);
        if (next is not null)
            Start(next);
    }

    private async Task SendAsync(ByteBuilder lines)
    {
        using var gzip = EventMessageCodec.Compress(lines.Written);
        var message = await EventMessageCodec.PlaceAsync(gzip, blobs, () => ids.Next(""), CancellationToken.None);
        // Not cancelled with any one request: the others' events are in it too.
        await queue.SendAsync(QueueName.Events, message, null, CancellationToken.None);
    }

    /// <summary>The events of one message, and the requests they are of.</summary>
    private sealed class Group
    {
        private readonly List<Request> requests = [];
        private int events;

        public ByteBuilder Lines { get; } = new(8 * 1024);

        /// <summary>
        /// Takes as many whole lines as there is room for, at least one if it is empty. A request that fits into a message of its own is not split:
        /// its events are mostly of the same few people, and two messages about the same people get into each other's way.
        /// </summary>
        /// <returns>The bytes taken.</returns>
        public int Take(ReadOnlySpan<byte> lines, Request request)
        {
            if (events > 0 && lines.Length <= MessageBytes && Lines.Length + lines.Length > MessageBytes)
                return 0;
            var taken = 0;
            while (taken < lines.Length && events < MessageEvents)
            {
                var length = lines[taken..].IndexOf((byte)'\n') + 1;
                if (events > 0 && Lines.Length + taken + length > MessageBytes)
                    break;
                taken += length;
                events++;
            }

            if (taken == 0)
                return 0;
            Lines.Append(lines[..taken]);
            request.Expect();
            requests.Add(request);
            return taken;
        }

        public void Complete(Exception? failure)
        {
            Lines.Dispose();
            foreach (var request in requests)
                request.Arrived(failure);
        }
    }

    /// <summary>A request that waits for one message, or for several that hold its events.</summary>
    /// <remarks>
    /// Its continuation, which writes the answer, runs where the message's answer arrived: for all requests of a group in a row. To hand each
    /// to a thread of its own costs more than the answer itself.
    /// </remarks>
    private sealed class Request : TaskCompletionSource
    {
        private int expected;
        private Exception? failed;

        // Under the writer's lock, before any of the messages can be sent.
        public void Expect() => expected++;

        public void Arrived(Exception? failure)
        {
            if (failure is not null)
                Interlocked.CompareExchange(ref failed, failure, null);
            if (Interlocked.Decrement(ref expected) > 0)
                return;
            if (failed is null)
                TrySetResult();
            else
                TrySetException(failed);
        }
    }
}
