using Cdp.Events;
using Cdp.Profiles;
using Cdp.Segments.Backfill;
using Cdp.Segments.Definitions;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Segments;

/// <summary>New, changed and deleted definitions over profiles that are there, and what is due, through timer and queue, on the fake store.</summary>
public sealed class BackfillTests
{
    private const string One = """{"event":"Order Completed"}""";
    private const string Two = """{"event":"Order Completed","count":{"gte":2}}""";

    private static string Order(string id, string user) => $$"""{"type":"track","event":"Order Completed","messageId":"{{id}}","userId":"{{user}}"}""";

    /// <summary>Profiles u0 to u39, with 0 to 3 orders each.</summary>
    private static async Task<World> PopulatedAsync(params (string Id, string Where)[] segments)
    {
        var world = await SegmentWorld.CreateAsync(1, segments);
        await world.SettleAsync([.. Enumerable.Range(0, 40).SelectMany(u => Enumerable.Range(0, u % 4).Select(o => Order($"o{u}-{o}", $"u{u}")).Append(
            $$"""{"type":"page","messageId":"p{{u}}","userId":"u{{u}}"}"""))]);
        return world;
    }

    [Fact]
    public async Task NewChangedAndDeletedDefinition_ReachEveryProfile()
    {
        var world = await PopulatedAsync();
        await world.DefineAsync("buyer", One);
        Assert.Empty(world.Rows("s|"));
        await RunAsync(world);
        Assert.Equal(30, world.Rows("s|").Count);
        Assert.True((await ProgressAsync(world, "buyer")).IsLive);

        // Until the new meaning has come to a profile, it is a member by the old one.
        await world.DefineAsync("buyer", Two);
        Assert.False((await ProgressAsync(world, "buyer")).IsLive);
        await world.SettleAsync("""{"type":"page","messageId":"px","userId":"u1"}""");
        Assert.Equal(30, world.Rows("s|").Count);
        await RunAsync(world);
        Assert.Equal(20, world.Rows("s|").Count);
        await world.CheckAsync();

        // One of the same id that is made anew has nothing of the one that was deleted.
        await world.RemoveAsync("buyer");
        await world.DefineAsync("buyer", """{"event":"Never"}""");
        await RunAsync(world);
        Assert.Empty(world.Rows("s|"));
        await world.CheckAsync();
    }

    [Fact]
    public async Task EventsThatComeMeanwhile_FromAWorkerWithOldDefinitionsToo_LeaveNoProfileWrong()
    {
        var world = await PopulatedAsync(("one", One));
        await RunAsync(world);
        var old = world.NewWorker();
        // It has the definitions of now, and keeps them for ten seconds.
        await SendAsync(world, old, Order("first", "u0"));
        await world.DefineAsync("two", Two);
        world.Time.Advance(TimeSpan.FromSeconds(2));
        world.ReplaceWorker();
        for (var i = 0; i < 20; i++)
        {
            // New profiles and old ones, by both workers in turns.
            await SendAsync(world, i % 2 == 0 ? old : world.Worker, Order($"x{i}", $"n{i % 5}"));
            await SendAsync(world, i % 2 == 0 ? world.Worker : old, Order($"y{i}", $"u{i}"));
        }

        await RunAsync(world);
        await world.CheckAsync();
        Assert.Equal("one two", world.SegmentsOf("user_id", "n1"));
    }

    [Fact]
    public async Task CrashBeforeOrAfterAnyCall_AndADoubleDelivery_EndTheSame()
    {
        var (expected, calls) = await CrashAsync(0, after: false);
        // Most calls are the same in each shard: those where there is something to do are among these.
        for (var call = 1; call <= calls; call += 7)
        {
            foreach (var after in new[] { false, true })
                Assert.Equal($"{call} {after} {expected}", $"{call} {after} {(await CrashAsync(call, after)).State}");
        }
    }

    [Fact]
    public async Task TwoTimersAtOnce_AndTwoWorkersOnTheSameShard_DoTheWorkOnce()
    {
        var world = await PopulatedAsync();
        await world.DefineAsync("buyer", One);
        world.Time.Advance(SegmentBackfill.Settle);
        var other = world.NewWorker();
        await Task.WhenAll(world.Worker.ScheduleAsync(), other.ScheduleAsync());
        var messages = new List<FakeMessage>();
        while (world.Store.Receive(QueueName.Segments) is { } message)
            messages.Add(message);
        Assert.True(messages.Count > BackfillProgress.Lanes);
        await Task.WhenAll(messages.Select((message, i) => Task.Run(() => (i % 2 == 0 ? world.Worker : other).ProcessAsync(message))));
        foreach (var message in messages)
            world.Store.Delete(message);
        await RunAsync(world);
        Assert.Equal(30, world.Rows("s|").Count);
        await world.CheckAsync();
    }

    /// <summary>However many messages and workers there are: as many shards as there are lanes, and in each one call at a time.</summary>
    [Fact]
    public async Task Backfill_IsThrottled_ToALaneOfCallsEach()
    {
        var world = await PopulatedAsync();
        await world.DefineAsync("buyer", One);
        world.Time.Advance(SegmentBackfill.Settle);
        await world.Worker.ScheduleAsync();
        var messages = new List<FakeMessage>();
        while (world.Store.Receive(QueueName.Segments) is { } message)
            messages.Add(message);
        Assert.Equal(BackfillProgress.Lanes, messages.Count);

        var (open, most) = (0, 0);
        world.Store.Before = async _ =>
        {
            var now = Interlocked.Increment(ref open);
            lock (messages)
                most = Math.Max(most, now);
            await Task.Yield();
        };
        world.Store.After = _ =>
        {
            Interlocked.Decrement(ref open);
            return Task.CompletedTask;
        };
        await Task.WhenAll(messages.Select(message => Task.Run(() => world.NewWorker().ProcessAsync(message))));
        world.Store.Before = world.Store.After = null;
        foreach (var message in messages)
            world.Store.Delete(message);
        Assert.InRange(most, 1, BackfillProgress.Lanes);
        await RunAsync(world);
        await world.CheckAsync();
    }

    /// <summary>Live traffic does not wait for a backfill, even for one that has a page in its hands; and what it does meanwhile is not lost.</summary>
    [Fact]
    public async Task EventsOfAProfile_WhoseBackfillIsUnderWay_DoNotWait_AndItsOldMembershipIsServed()
    {
        var world = await PopulatedAsync(("buyer", One));
        await RunAsync(world);
        await world.DefineAsync("buyer", Two);
        world.Time.Advance(SegmentBackfill.Settle);
        await world.Worker.ScheduleAsync();

        // The backfill has read, and stops before its first write.
        var (stopped, go) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var backfilling = world.NewWorker();
        var live = world.NewWorker();
        world.Store.Before = async call =>
        {
            if (Worker.Current != backfilling.Name || call is not { Operation: StoreOperation.Commit, Place: nameof(TableName.Profiles) })
                return;
            stopped.TrySetResult();
            await go.Task;
        };
        var message = world.Store.Receive(QueueName.Segments)!;
        var work = Task.Run(() => backfilling.ProcessAsync(message));
        await stopped.Task;
        Assert.False(work.IsCompleted);

        for (var u = 0; u < 40; u++)
        {
            // By the old definition until the new one has come to them.
            Assert.Equal(u % 4 > 0 ? "buyer" : "", world.SegmentsOf("user_id", $"u{u}"));
            await SendAsync(world, live, Order($"live{u}", $"u{u}"));
        }

        Assert.Equal(40, world.Rows("e|").Count(r => EventRow.Decode(new ProfileId(r.Key.Split('|')[1]), r.Data).Event.MessageId.StartsWith("live", StringComparison.Ordinal)));
        go.SetResult();
        await work;
        world.Store.Delete(message);
        world.Store.Before = null;
        await RunAsync(world);
        Assert.Equal(30, world.Rows("s|").Count);
        await world.CheckAsync();
    }

    [Fact]
    public async Task Due_ThroughTheQueue_WaitsForABacklogToBeWorkedOff()
    {
        var world = await SegmentWorld.CreateAsync(1, ("cart", """{"sequence":[{"event":"Product Added"},{"not":{"event":"Order Completed"}}],"within":"1h"}"""));
        await world.SettleAsync("""{"type":"track","event":"Product Added","messageId":"a1","userId":"u1"}""");
        world.Time.Advance(TimeSpan.FromMinutes(59));
        // The order is in the queue, and nobody comes to take it.
        await world.SendAsync(WorldExtensions.Batch(Order("o1", "u1")));
        world.Time.Advance(TimeSpan.FromMinutes(3));
        await DueAsync(world);
        Assert.Equal("", world.SegmentsOf("user_id", "u1"));
        await world.DrainAsync();
        await DueAsync(world);
        Assert.Equal("", world.SegmentsOf("user_id", "u1"));
        await world.CheckAsync();
    }

    private static async Task SendAsync(World world, Worker worker, string body)
    {
        await world.SendAsync(WorldExtensions.Batch(body));
        var message = world.Next()!;
        await worker.ProcessAsync(message);
        world.Store.Delete(message);
    }

    private static async Task DueAsync(World world)
    {
        await world.Worker.ScheduleAsync();
        while (world.Store.Receive(QueueName.Segments) is { } message)
            await world.DeliverAsync(message);
    }

    /// <summary>Timer and queue until there is nothing to do any more.</summary>
    private static async Task RunAsync(World world)
    {
        for (var idle = false; !idle;)
        {
            world.Time.Advance(TimeSpan.FromMinutes(2));
            try
            {
                await world.Worker.ScheduleAsync();
            }
            catch (SimulatedCrashException)
            {
                world.ReplaceWorker();
                continue;
            }
            catch (ConflictException)
            {
                // The crash hit the reading of the definitions: who has old ones only does nothing.
                world.ReplaceWorker();
                continue;
            }

            idle = true;
            while (world.Store.Receive(QueueName.Segments) is { } message)
            {
                idle = false;
                await world.DeliverAsync(message);
            }
        }
    }

    private static async Task<SegmentProgress> ProgressAsync(World world, string id)
    {
        var set = await new DefinitionStore(world.Store, world.Time).LoadAsync(CancellationToken.None);
        return await new BackfillProgress(world.Store, world.Time).OfAsync(set.ById[id], set, CancellationToken.None);
    }

    private static async Task<(string State, int Calls)> CrashAsync(int crashAt, bool after)
    {
        var world = await PopulatedAsync();
        await world.DefineAsync("buyer", Two);
        await world.DefineAsync("recent", """{"event":"Order Completed","within":"90d"}""");
        var first = world.Store.Calls;
        var left = crashAt;
        Task Hook(StoreCall call, bool isAfter)
        {
            if (left > 0 && isAfter == after && Interlocked.Decrement(ref left) == 0)
                throw new SimulatedCrashException(call);
            return Task.CompletedTask;
        }

        world.Store.Before = call => Hook(call, false);
        world.Store.After = call => Hook(call, true);
        await RunAsync(world);
        world.Store.Before = world.Store.After = null;
        await world.CheckAsync();
        return (string.Join(' ', world.Rows("s|").Select(r => r.Key.Split('|')[1]).GroupBy(s => s).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => $"{g.Key} {g.Count()}")), world.Store.Calls - first);
    }
}
