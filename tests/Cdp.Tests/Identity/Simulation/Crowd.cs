using System.Collections.Concurrent;
using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Identity.Simulation;

/// <summary>Workers with caches of their own that collect and process at once, on all processors, and give way to each other at every storage call.</summary>
internal sealed class Crowd(World world, int seed)
{
    private const int Workers = 8;

    // As on the real queue, which is then poisoned.
    private const int MostDeliveries = 20;

    // Deliveries that stand for the delay before a retry.
    private const int RetryAfter = 200;

    private const int MostBatch = 40;

    // Calls of the others, roughly.
    private const uint LongPause = 300;

    private readonly ConcurrentQueue<(FakeMessage Message, int Due)> failed = new();
    private int collecting;
    private int deliveries;
    private int retries;

    public int Deliveries => deliveries;

    public int Retries => retries;

    /// <summary>Sends events in this order and works until nothing is left.</summary>
    public async Task RunAsync(List<SimulatedEvent> events)
    {
        var bodies = new ConcurrentQueue<string>(Batches(events));
        collecting = Workers;
        world.Store.Before = GiveWayAsync;
        await Task.WhenAll(Enumerable.Range(1, Workers).Select(i => Task.Run(() => WorkAsync(world.NewWorker(), new Random(seed + i), bodies))));
        world.Store.Before = null;
        await world.DrainAsync();
        Assert.Empty(world.Errors);
    }

    /// <summary>All events in any order, a tenth of them twice.</summary>
    /// <param name="peopleAtOnce">
    /// How many people come at the same time, one such group after the other. Few of them get all the workers to deal with the same people at once.
    /// </param>
    public static List<SimulatedEvent> Shuffled(IReadOnlyList<SimulatedEvent> events, int peopleAtOnce, Random random) =>
        [.. events.Concat(events.Where(_ => random.Next(10) == 0)).OrderBy(e => e.Person / peopleAtOnce).ThenBy(_ => random.Next())];

    private IEnumerable<string> Batches(List<SimulatedEvent> events)
    {
        var random = new Random(seed);
        for (int i = 0, size; i < events.Count; i += size)
        {
            size = Math.Min(random.Next(1, MostBatch + 1), events.Count - i);
            yield return $$"""{"batch":[{{string.Join(',', events.GetRange(i, size).Select(e => e.Json))}}]}""";
        }
    }

    /// <summary>Up to three times, by the call's number; now and then for so long that the others are done with whatever it was about.</summary>
    private async Task GiveWayAsync(StoreCall call)
    {
        var hash = (uint)(call.Number + seed) * 2654435761u;
        for (var times = hash % 97 == 0 ? LongPause : hash >> 30; times > 0; times--)
            await Task.Yield();
    }

    private async Task WorkAsync(Worker worker, Random random, ConcurrentQueue<string> bodies)
    {
        while (bodies.TryDequeue(out var body))
        {
            world.Time.Advance(TimeSpan.FromMilliseconds(random.Next(10)));
            await worker.CollectAsync(body);
            // What is collected is processed at once, while the others still collect.
            if (random.Next(2) == 0 && Next(random) is { } message)
                await DeliverAsync(worker, message);
        }

        Interlocked.Decrement(ref collecting);
        while (!IsDone())
        {
            if (Next(random) is { } message)
                await DeliverAsync(worker, message);
            else
                await Task.Yield();
        }
    }

    private bool IsDone() =>
        Volatile.Read(ref collecting) == 0 && world.Store.Messages(QueueName.Events).Count == 0 && world.Store.Messages(QueueName.Merges).Count == 0;

    private FakeMessage? Next(Random random)
    {
        var (one, other) = random.Next(2) == 0 ? (QueueName.Events, QueueName.Merges) : (QueueName.Merges, QueueName.Events);
        var next = world.Store.Receive(one) ?? world.Store.Receive(other);
        if ((next is null || (failed.TryPeek(out var oldest) && oldest.Due < Volatile.Read(ref deliveries))) && failed.TryDequeue(out var retry))
            world.Store.Release(retry.Message);
        return next;
    }

    private async Task DeliverAsync(Worker worker, FakeMessage message)
    {
        world.Time.Advance(TimeSpan.FromMilliseconds(1));
        var delivery = Interlocked.Increment(ref deliveries);
        try
        {
            await worker.ProcessAsync(message);
            world.Store.Delete(message);
        }
        catch (Exception error) when (error is ConflictException or AggregateException)
        {
            Assert.True(message.DequeueCount < MostDeliveries, $"seed {seed}: a message would be poisoned: {error}");
            Interlocked.Increment(ref retries);
            failed.Enqueue((message, delivery + RetryAfter));
        }
    }
}
