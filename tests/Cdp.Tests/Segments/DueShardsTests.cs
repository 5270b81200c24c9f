using Cdp.Events;
using Cdp.Ids;
using Cdp.Profiles;
using Cdp.Segments;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;
using Xunit.Abstractions;

namespace Cdp.Tests.Segments;

/// <summary>Whatever is due is given to the queue within a minute, though few shards are read.</summary>
public sealed class DueShardsTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Rows are written at random times, due at random times, by writers that are at times minutes late; two timers, at times both, at times none for a while; their
    /// process at times dies at any call.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public async Task WhateverIsWrittenWhenever_IsGivenToTheQueueInItsMinute(int seed)
    {
        var world = await SegmentWorld.CreateAsync(seed, ("cart", """{"event":"Product Added"}"""));
        var random = new Random(seed);
        var ids = new IdGenerator(world.Time, random.NextBytes);
        var (timer, other) = (world.NewWorker(), world.NewWorker());
        var writers = Enumerable.Range(0, 3).Select(_ => new DueNotingRowStore(world.Store, new DueShards(world.Store, world.Time))).ToArray();
        var waiting = new Dictionary<string, (string Shard, Instant From)>(StringComparer.Ordinal);
        var given = 0;
        for (var minute = 0; minute < 400; minute++)
        {
            for (var i = random.Next(4); i > 0; i--)
                await WriteAsync();
            await TickAsync();
            world.Time.Advance(Minute);
        }

        output.WriteLine($"seed {seed}: {given} given, {waiting.Count} not due yet");
        Assert.True(given > 300, $"only {given} were given");

        async Task WriteAsync()
        {
            var profile = ProfileId.New(ids);
            var ahead = random.Next(5) switch
            {
                0 => TimeSpan.FromMinutes(-random.Next(100)),
                1 => TimeSpan.FromSeconds(random.Next(120)),
                2 => TimeSpan.FromMinutes(61),
                3 => DueShards.Horizon + TimeSpan.FromSeconds(random.Next(-90, 90)),
                _ => TimeSpan.FromSeconds(random.Next(20_000)),
            };
            var due = Instant.Now(world.Time).Plus(ahead);
            // The writer is late: timers run between its note and its commit.
            var late = random.Next(6) == 0 ? random.Next(1, 5) : 0;
            world.Store.Before = async call =>
            {
                if (call.Operation != StoreOperation.Commit || call.Partition != profile.Shard)
                    return;
                world.Store.Before = null;
                for (; late > 0; late--)
                {
                    world.Time.Advance(Minute);
                    await TickAsync();
                }
            };
            var key = ProfileRows.Due(profile, due);
            var written = await writers[random.Next(writers.Length)].CommitAsync(TableName.Profiles, profile.Shard, [RowWrite.Insert(key, default)], CancellationToken.None);
            Assert.True(written.Committed);
            world.Store.Before = null;
            var now = Instant.Now(world.Time);
            waiting[key] = (profile.Shard, due > now ? due : now);
        }

        async Task TickAsync()
        {
            var shards = new HashSet<string>(StringComparer.Ordinal);
            if (random.Next(4) == 0)
                await DieAsync();
            await Task.WhenAll(random.Next(3) == 0 ? [timer.ScheduleAsync(), other.ScheduleAsync()] : [timer.ScheduleAsync()]);
            while (world.Store.Receive(QueueName.Segments) is { } message)
            {
                world.Store.Delete(message);
                var task = SegmentTask.Parse(message.Body);
                if (task.Work == SegmentWork.Due)
                    shards.Add(ProfileId.ShardName(task.Shard));
            }

            var now = Instant.Now(world.Time);
            foreach (var (key, (shard, from)) in waiting.ToArray())
            {
                if (from > now)
                    continue;
                Assert.True(shards.Contains(shard), $"seed {seed}: {key} of shard {shard}, there since {from}, was not given at {now}");
                waiting.Remove(key);
                given++;
                await world.Store.CommitAsync(TableName.Profiles, shard, [RowWrite.Delete(key)], CancellationToken.None);
            }
        }

        async Task DieAsync()
        {
            var (outer, calls, at) = (world.Store.Before, 0, random.Next(1, 20));
            world.Store.Before = call => ++calls == at ? throw new SimulatedCrashException(call) : Task.CompletedTask;
            try
            {
                await other.ScheduleAsync();
            }
            catch (Exception error) when (error is SimulatedCrashException or ConflictException)
            {
                other = world.NewWorker();
            }

            world.Store.Before = outer;
        }
    }

    [Fact]
    public async Task NobodyHasLookedForLong_AllShardsAreLookedAt()
    {
        var world = await SegmentWorld.CreateAsync(1, ("cart", """{"event":"Product Added"}"""));
        var profile = ProfileId.New(new IdGenerator(world.Time));
        // As an earlier version of the app left it: without a note.
        await world.Store.CommitAsync(
            TableName.Profiles, profile.Shard, [RowWrite.Insert(ProfileRows.Due(profile, Instant.Now(world.Time).Plus(TimeSpan.FromHours(5))), default)], CancellationToken.None);
        await world.Worker.ScheduleAsync();
        Assert.Empty(Due(world));
        world.Time.Advance(TimeSpan.FromHours(6));
        await world.Worker.ScheduleAsync();
        Assert.Equal([profile.Shard], Due(world));
    }

    [Fact]
    public async Task AMinuteInWhichNothingIsDue_CostsFewReads()
    {
        var world = await SegmentWorld.CreateAsync(1, ("cart", """{"event":"Product Added"}"""));
        await world.Worker.ScheduleAsync();
        world.Time.Advance(Minute);
        var before = world.Store.Calls;
        await world.Worker.ScheduleAsync();
        Assert.InRange(world.Store.Calls - before, 1, 20);
    }

    /// <summary>What could not be brought up to date, or waits for the queue of events, is tried in the next minute again.</summary>
    [Fact]
    public async Task WhatStaysDue_IsGivenAgainInTheNextMinute()
    {
        var world = await SegmentWorld.CreateAsync(1, ("cart", """{"sequence":[{"event":"Product Added"},{"not":{"event":"Order Completed"}}],"within":"1h"}"""));
        await world.Worker.ScheduleAsync();
        await world.SettleAsync("""{"type":"track","event":"Product Added","messageId":"a","userId":"u1"}""");
        for (var minute = 0; minute < 70; minute++)
        {
            world.Time.Advance(Minute);
            await world.Worker.ScheduleAsync();
            // Something has waited in the queue of events for an hour: nothing is found absent.
            if (minute == 0)
                await world.Store.SendAsync(QueueName.Events, "waits", null, CancellationToken.None);
            while (world.Store.Receive(QueueName.Segments) is { } message)
            {
                await world.Worker.ProcessAsync(message);
                world.Store.Delete(message);
            }
        }

        Assert.Empty(world.SegmentsOf("user_id", "u1"));
        world.Store.Delete(world.Store.Receive(QueueName.Events)!);
        world.Time.Advance(Minute);
        await world.Worker.ScheduleAsync();
        var next = world.Store.Receive(QueueName.Segments);
        Assert.NotNull(next);
        await world.Worker.ProcessAsync(next);
        Assert.Equal("cart", world.SegmentsOf("user_id", "u1"));
    }

    private static List<string> Due(World world)
    {
        var shards = new List<string>();
        while (world.Store.Receive(QueueName.Segments) is { } message)
        {
            world.Store.Delete(message);
            if (SegmentTask.Parse(message.Body) is { Work: SegmentWork.Due } task)
                shards.Add(ProfileId.ShardName(task.Shard));
        }

        return shards;
    }
}
