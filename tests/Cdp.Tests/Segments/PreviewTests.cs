using System.Text;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Segments;
using Cdp.Segments.Definitions;
using Cdp.Segments.Language;
using Cdp.Segments.Reading;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Segments;

/// <summary>Previews of everybody as jobs, and overlaps, on the fake store.</summary>
public sealed class PreviewTests
{
    private const string Buyers = """{"event":"Order Completed"}""";

    private static string Order(string id, string user) => $$"""{"type":"track","event":"Order Completed","messageId":"{{id}}","userId":"{{user}}"}""";

    [Fact]
    public async Task MoreThanTheLimit_IsCountedByAJob_InManyMessages()
    {
        const int Profiles = 24_000;
        var world = await SegmentWorld.CreateAsync(1, ("buyers", Buyers));
        await AddProfilesAsync(world, Profiles);
        Assert.Null(await Preview(world, PreviewLimits.Default).PreviewAsync(Parse(Buyers), null, CancellationToken.None));
        var sample = await Preview(world, PreviewLimits.Default).PreviewAsync(Parse(Buyers), 2000, CancellationToken.None);
        Assert.False(sample!.IsExact);

        var job = await Jobs(world).StartAsync(Buyers, CancellationToken.None);
        Assert.Equal((PreviewState.Queued, (long?)null), (job.State, job.Of));
        // So that one message is good for about five hundred calls.
        world.Store.Before = _ =>
        {
            world.Time.Advance(TimeSpan.FromMilliseconds(60));
            return Task.CompletedTask;
        };
        var (messages, seen) = (0, 0L);
        while (world.Store.Receive(QueueName.Segments) is { } message)
        {
            messages++;
            await world.DeliverAsync(message);
            job = (await Jobs(world).GetAsync(job.Id, CancellationToken.None))!;
            Assert.True(job.Scanned > seen);
            seen = job.Scanned;
            Assert.InRange(job.Of!.Value, Profiles * 0.9, Profiles * 1.1);
        }

        Assert.InRange(messages, 2, 20);
        Assert.Equal((PreviewState.Done, Profiles, Profiles / 3, SegmentPreview.MostExamples), (job.State, (int)job.Scanned, (int)job.Members, job.Examples.Count));
    }

    [Fact]
    public async Task FewEnough_AreCountedAtOnce_AsTheJobCountsThem()
    {
        var world = await SegmentWorld.CreateAsync(1);
        await world.SettleAsync([.. Enumerable.Range(0, 50).Select(u => u % 5 == 0 ? Order($"o{u}", $"u{u}") : $$"""{"type":"page","messageId":"p{{u}}","userId":"u{{u}}"}""")]);
        var result = await Preview(world, new PreviewLimits(2000)).PreviewAsync(Parse(Buyers), null, CancellationToken.None);
        Assert.Equal((true, 10L, 50L), (result!.IsExact, result.Size, result.Scanned));
        Assert.Null(await Preview(world, new PreviewLimits(20)).PreviewAsync(Parse(Buyers), null, CancellationToken.None));
        var job = await Jobs(world).StartAsync(Buyers, CancellationToken.None);
        await RunAsync(world);
        Assert.Equal("Done 10 of 50", await StateAsync(world, job.Id));
    }

    [Fact]
    public async Task CrashBeforeOrAfterAnyCall_CountsNobodyTwiceOrNever()
    {
        var (expected, calls) = await CrashAsync(0, after: false);
        Assert.Equal("Done 10 of 30", expected);
        for (var call = 1; call <= calls; call += 5)
        {
            foreach (var after in new[] { false, true })
                Assert.Equal($"{call} {after} {expected}", $"{call} {after} {(await CrashAsync(call, after)).State}");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task TwoDeliveriesAtOnce_CountNobodyTwice(int seed)
    {
        var world = await SegmentWorld.CreateAsync(seed);
        await AddProfilesAsync(world, 300);
        var job = await Jobs(world).StartAsync(Buyers, CancellationToken.None);
        var message = world.Store.Receive(QueueName.Segments)!;
        var random = new Random(seed);
        world.Store.Before = async _ =>
        {
            bool pause;
            lock (random)
                pause = random.Next(3) == 0;
            if (pause)
                await Task.Yield();
        };
        var other = world.NewWorker();
        await Task.WhenAll(Task.Run(() => world.Worker.ProcessAsync(message)), Task.Run(() => other.ProcessAsync(message)));
        world.Store.Delete(message);
        await RunAsync(world);
        Assert.Equal("Done 100 of 300", await StateAsync(world, job.Id));
    }

    [Fact]
    public async Task DefinitionsItUses_ChangedMeanwhile_BeginItAnew_AndDeletedOnesEndIt()
    {
        var world = await SegmentWorld.CreateAsync(1, ("buyers", Buyers));
        await AddProfilesAsync(world, 30);
        var job = await Jobs(world).StartAsync("""{"not":{"segment":"buyers"}}""", CancellationToken.None);
        await HalfAsync(world);
        await world.DefineAsync("buyers", """{"event":"Never"}""");
        world.Time.Advance(TimeSpan.FromSeconds(15));
        await RunAsync(world);
        Assert.Equal("Done 30 of 30", await StateAsync(world, job.Id));

        job = await Jobs(world).StartAsync("""{"not":{"segment":"buyers"}}""", CancellationToken.None);
        await HalfAsync(world);
        await world.RemoveAsync("buyers");
        world.Time.Advance(TimeSpan.FromSeconds(15));
        await RunAsync(world);
        var failed = (await Jobs(world).GetAsync(job.Id, CancellationToken.None))!;
        Assert.Equal(PreviewState.Failed, failed.State);
        Assert.Contains("buyers", failed.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Jobs_AreFew_AndRemovedAfterADay()
    {
        var world = await SegmentWorld.CreateAsync(1);
        var first = await Jobs(world).StartAsync(Buyers, CancellationToken.None);
        for (var i = 1; i < PreviewJobs.MostActive; i++)
            await Jobs(world).StartAsync(Buyers, CancellationToken.None);
        var refused = await Assert.ThrowsAsync<ProblemException>(() => Jobs(world).StartAsync(Buyers, CancellationToken.None));
        Assert.Equal(ProblemType.RateLimited, refused.Problem.Type);
        await Jobs(world).FailAsync(first.Id, CancellationToken.None);
        Assert.Equal("Failed 0 of 0", await StateAsync(world, first.Id));
        await Jobs(world).StartAsync(Buyers, CancellationToken.None);
        await RunAsync(world);
        Assert.Equal("Failed 0 of 0", await StateAsync(world, first.Id));

        await Jobs(world).SweepAsync(CancellationToken.None);
        Assert.NotNull(await Jobs(world).GetAsync(first.Id, CancellationToken.None));
        world.Time.Advance(PreviewJobs.KeptFor + TimeSpan.FromMinutes(1));
        await world.Worker.ScheduleAsync();
        Assert.Null(await Jobs(world).GetAsync(first.Id, CancellationToken.None));
        Assert.DoesNotContain(world.Store.Snapshot(), row => row.Partition == "segment-previews");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Overlap_OfRowsAndOfTimelines_IsWhatTheDocumentsSay(int seed)
    {
        var world = await SegmentWorld.CreateAsync(
            seed, ("one", Buyers), ("two", """{"event":"Order Completed","count":{"gte":2}}"""), ("viewer", """{"event":"$page"}"""), ("none", """{"event":"Never"}"""));
        var random = new Random(seed);
        await world.SettleAsync([.. Enumerable.Range(0, 60).SelectMany(u => Enumerable.Range(0, random.Next(4)).Select(o => Order($"o{u}-{o}", $"u{u}"))
            .Concat(random.Next(2) == 0 ? [$$"""{"type":"page","messageId":"p{{u}}","userId":"u{{u}}"}"""] : []))]);
        var set = await new DefinitionStore(world.Store, world.Time).LoadAsync(CancellationToken.None);
        string[] ids = ["viewer", "one", "two", "none"];
        var documents = world.Live();
        long Count(Func<int, bool> holds) => documents.Count(p => holds(ids.Select((id, i) => p.Memberships.Exists(m => m.SegmentId == id) ? 1 << i : 0).Sum()));

        var definitions = new DefinitionsRegistry(new DefinitionStore(world.Store, world.Time), world.Time);
        var overlap = new SegmentOverlap(world.Store, definitions, PreviewLimits.Default, world.Time);
        var saved = await overlap.CountAsync([.. ids.Select(id => set.ById[id])], null, CancellationToken.None);
        // The same of which the last is not saved.
        var mixed = await overlap.CountAsync([.. ids[..3].Select(id => set.ById[id])], Parse("""{"event":"Never"}"""), CancellationToken.None);
        var unsaved = await overlap.CountAsync([set.ById["viewer"], set.ById["one"]], Parse("""{"event":"Order Completed","count":{"gte":2}}"""), CancellationToken.None);
        foreach (var result in new[] { saved, mixed })
        {
            Assert.True(result.IsExact);
            for (var s = 1; s < 16; s++)
                Assert.Equal((s, Count(m => (m & s) == s), Count(m => (m & s) != 0)), (s, result.InAll(s), result.InAny(s)));
            for (var i = 0; i < 4; i++)
                Assert.Equal(Count(m => m == 1 << i), result.Only(i));
        }

        Assert.True(saved.InAll(3) > 0);
        Assert.Equal((Count(m => (m & 7) == 7), documents.Count), (unsaved.InAll(7), (int)unsaved.Scanned!));
        Assert.Equal(TimelineId, unsaved.Segments[2]);
    }

    private const string TimelineId = "preview";

    [Fact]
    public async Task Overlap_OfManyMembers_HoldsNoMoreThanPages()
    {
        const int Members = 200_000;
        var world = await SegmentWorld.CreateAsync(1, ("a", Buyers), ("b", """{"event":"Never"}"""));
        var ids = new IdGenerator(world.Time);
        foreach (var shard in Enumerable.Range(0, Members).Select(i => (Id: new ProfileId(ids.Next("prf_")), I: i)).GroupBy(p => p.Id.Shard))
        {
            foreach (var chunk in shard.Chunk(50))
            {
                await world.Store.CommitAsync(
                    TableName.Profiles, shard.Key,
                    [.. chunk.Where(p => p.I % 2 == 0).Select(p => RowWrite.Insert(ProfileRows.Member("a", p.Id), default)), .. chunk.Where(p => p.I % 3 == 0).Select(p => RowWrite.Insert(ProfileRows.Member("b", p.Id), default)), RowWrite.Insert("x|" + chunk[0].Id.Value, default)],
                    CancellationToken.None);
            }
        }

        var (open, most) = (0, 0);
        world.Store.Before = call =>
        {
            if (call.Operation == StoreOperation.ReadPage)
                most = Math.Max(most, Interlocked.Increment(ref open));
            return Task.CompletedTask;
        };
        world.Store.After = call =>
        {
            if (call.Operation == StoreOperation.ReadPage)
                Interlocked.Decrement(ref open);
            return Task.CompletedTask;
        };
        var set = await new DefinitionStore(world.Store, world.Time).LoadAsync(CancellationToken.None);
        var definitions = new DefinitionsRegistry(new DefinitionStore(world.Store, world.Time), world.Time);
        var result = await new SegmentOverlap(world.Store, definitions, PreviewLimits.Default, world.Time).CountAsync([set.ById["a"], set.ById["b"]], null, CancellationToken.None);
        Assert.Equal((100_000L, 66_667L, 33_334L), (result.InAll(1), result.InAll(2), result.InAll(3)));
        Assert.InRange(most, 1, 16);
    }

    private static SegmentPreview Preview(World world, PreviewLimits limits) =>
        new(world.Store, new DefinitionsRegistry(new DefinitionStore(world.Store, world.Time), world.Time), limits, world.Time);

    private static PreviewJobs Jobs(World world) => new(
        world.Store, world.Store, new DefinitionsRegistry(new DefinitionStore(world.Store, world.Time), world.Time), new IdGenerator(world.Time), world.Time);

    private static Condition Parse(string where) => SegmentDefinition.ParseWhere(Encoding.UTF8.GetBytes(where)).Definition!;

    private static async Task<string> StateAsync(World world, string id) =>
        await Jobs(world).GetAsync(id, CancellationToken.None) is { } job ? $"{job.State} {job.Members} of {job.Scanned}" : "none";

    private static async Task RunAsync(World world)
    {
        while (world.Store.Receive(QueueName.Segments) is { } message)
            await world.DeliverAsync(message);
    }

    /// <summary>One message that gets through some of the shards.</summary>
    private static async Task HalfAsync(World world)
    {
        var calls = 0;
        world.Store.Before = _ =>
        {
            if (++calls == 200)
                world.Time.Advance(SegmentProcessor.Allowed);
            return Task.CompletedTask;
        };
        await world.DeliverAsync(world.Store.Receive(QueueName.Segments)!);
        world.Store.Before = null;
        Assert.Single(world.Store.Messages(QueueName.Segments));
    }

    /// <summary>Straight into the store, as commits would have left them: every third has ordered.</summary>
    private static async Task AddProfilesAsync(World world, int count)
    {
        var (ids, at) = (new IdGenerator(world.Time), Instant.Now(world.Time));
        for (var i = 0; i < count; i++)
        {
            var document = new Profile(new ProfileId(ids.Next("prf_")));
            var e = Event.Parse(Encoding.UTF8.GetBytes(
                $$"""{"type":"track","messageId":"m{{i}}","sourceId":"web","timestamp":"{{at}}","originalTimestamp":"{{at}}","receivedAt":"{{at}}","userId":"n{{i}}","event":"{{(i % 3 == 0 ? "Order Completed" : "Product Viewed")}}"}"""));
            document.Apply(e, [new Identifier("user_id", $"n{i}")]);
            document.Version = 1;
            RowWrite[] writes = [ProfileStore.Write(document, null, out _), RowWrite.Insert(ProfileRows.Event(document.Id, e.Timestamp, e.MessageKey), new EventRow(e, document.Id, 1).Encode(document.Id))];
            Assert.True((await world.Store.CommitAsync(TableName.Profiles, document.Id.Shard, writes, CancellationToken.None)).Committed);
        }
    }

    private static async Task<(string State, int Calls)> CrashAsync(int crashAt, bool after)
    {
        var world = await SegmentWorld.CreateAsync(1);
        await AddProfilesAsync(world, 30);
        var job = await Jobs(world).StartAsync(Buyers, CancellationToken.None);
        var (first, left) = (world.Store.Calls, crashAt);
        Task Hook(StoreCall call, bool isAfter)
        {
            // A message is good for some of the shards.
            world.Time.Advance(TimeSpan.FromMilliseconds(50));
            return left > 0 && isAfter == after && --left == 0 ? throw new SimulatedCrashException(call) : Task.CompletedTask;
        }

        world.Store.Before = call => Hook(call, false);
        world.Store.After = call => Hook(call, true);
        await RunAsync(world);
        world.Store.Before = world.Store.After = null;
        return (await StateAsync(world, job.Id), world.Store.Calls - first);
    }
}
