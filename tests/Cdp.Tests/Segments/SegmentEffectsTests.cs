using Cdp.Deliveries;
using Cdp.Segments;
using Cdp.Segments.Backfill;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Segments;

/// <summary>What leaves when memberships change, whatever changes them, on the fake store.</summary>
public sealed class SegmentEffectsTests
{
    private const string Buyer = """{"event":"Order Completed","count":{"gte":2}}""";
    private const string Cart = """{"sequence":[{"event":"Product Added"},{"not":{"event":"Order Completed"}}],"within":"1h"}""";
    private const string Gold = """{"trait":"plan","eq":"gold"}""";
    private const string Visitor = """{"event":"$page"}""";
    private const string NotBought = """{"all":[{"event":"$page"},{"not":{"event":"Order Completed"}}]}""";

    private static string Order(string id, string who) => $$"""{"type":"track","event":"Order Completed","messageId":"{{id}}",{{who}}}""";

    private static string Page(string id, string who) => $$"""{"type":"page","messageId":"{{id}}",{{who}}}""";

    [Fact]
    public async Task Event_ThatMakesAMember_IsToldWithTheEvent_AndADuplicateTellsNothing()
    {
        var world = await SegmentWorld.CreateAsync(1, ("buyer", Buyer), ("gold", Gold));
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""));
        Assert.Empty(world.Told());
        await world.SettleAsync(Order("o2", "\"userId\":\"u1\""), Order("o2", "\"userId\":\"u1\""));
        await world.SettleAsync(Order("o2", "\"userId\":\"u1\""));
        var profile = world.Live().Single();
        var told = Assert.Single(world.Told());
        Assert.Equal(
            ($"buyer:{profile.Id}:1", ChangeKind.SegmentEntered, profile.Id, profile.Version, "buyer", 1L, "o2", "web", false),
            (told.Id, told.Kind, told.ProfileId, told.ProfileVersion, told.SegmentId, told.DefinitionVersion, told.MessageId, told.SourceId, told.Historical));
        Assert.Equal(profile.LastSeenAt, told.Timestamp);
        Assert.Equal(profile.Memberships[0].Since, told.At);
        Assert.Single(world.Store.Messages(QueueName.Deliveries));
        Assert.Empty(world.Rows("o|"));
    }

    [Fact]
    public async Task Import_IsToldAsHistorical()
    {
        var world = await SegmentWorld.CreateAsync(1, ("buyer", Buyer));
        await world.Worker.CollectAsync(WorldExtensions.Batch(Order("o1", "\"userId\":\"u1\""), Order("o2", "\"userId\":\"u1\"")), historical: true);
        await world.DrainAsync();
        Assert.True(Assert.Single(world.Told()).Historical);
    }

    [Fact]
    public async Task EntryAndExitInOneBatch_AreBothTold()
    {
        var world = await SegmentWorld.CreateAsync(1, ("gold", Gold));
        await world.SettleAsync(
            """{"type":"identify","messageId":"i1","userId":"u1","traits":{"plan":"gold"},"timestamp":"2026-03-01T00:00:01Z"}""",
            """{"type":"identify","messageId":"i2","userId":"u1","traits":{"plan":"free"},"timestamp":"2026-03-01T00:00:02Z"}""");
        Assert.Equal(["entered gold", "exited gold"], world.ToldOf(world.Live().Single().Id));
        world.CheckTold();
    }

    [Fact]
    public async Task Time_IsToldWithoutAnEvent()
    {
        var world = await SegmentWorld.CreateAsync(1, ("cart", Cart), ("recent", """{"event":"Product Added","within":"3h"}"""));
        await world.SettleAsync("""{"type":"track","event":"Product Added","messageId":"a1","userId":"u1"}""");
        world.Time.Advance(TimeSpan.FromMinutes(62));
        await world.UpdateDueAsync();
        world.Time.Advance(TimeSpan.FromHours(3));
        await world.UpdateDueAsync();
        var profile = world.Live().Single();
        Assert.Equal(["entered recent", "entered cart", "exited recent"], world.ToldOf(profile.Id));
        Assert.Equal(["a1", null, null], world.Told().Select(c => c.MessageId));
        Assert.All(world.Told()[1..], c => Assert.Equal((null, null), (c.SourceId, c.Timestamp)));
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""));
        Assert.Equal("exited cart", world.ToldOf(profile.Id)[^1]);
        world.CheckTold();
    }

    [Fact]
    public async Task MoreChangesThanATransactionHolds_AreAllTold()
    {
        var world = await SegmentWorld.CreateAsync(1, [.. Enumerable.Range(0, 90).Select(i => ($"s{i}", $$"""{"event":"Order Completed","count":{"lte":{{i + 1}},"gte":1} }"""))]);
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""));
        for (var i = 0; i < 4; i++)
            await world.UpdateDueAsync();
        Assert.Equal(90, world.Told().Count);
        world.CheckTold();
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task NewAndChangedDefinition_AreToldOnlyWhereTheyAskForIt(bool notify, bool many)
    {
        var world = await SegmentWorld.CreateAsync(1, ("gold", Gold));
        await world.SettleAsync([.. Enumerable.Range(0, 10).SelectMany(u => Enumerable.Range(0, (u % 2) + 1).Select(o => Order($"o{u}-{o}", $"\"userId\":\"u{u}\"")))]);
        await world.DefineAsync("buyer", Buyer, notify);
        if (many)
        {
            // More than a transaction holds: what is left to the second one is of the backfill too.
            foreach (var i in Enumerable.Range(0, 60))
                await world.DefineAsync($"s{i}", $$"""{"event":"Order Completed","count":{"lte":{{i + 1}},"gte":1} }""", notify);
        }

        await RunTimersAsync(world);
        Assert.Equal(5, world.Rows("s|buyer|").Count);
        Assert.Equal(notify ? world.Rows("s|").Count : 0, world.Told().Count);
        if (notify)
            world.CheckTold();

        await world.DefineAsync("buyer", """{"event":"Order Completed","count":{"eq":1}}""", notify);
        var before = world.Told().Count;
        await RunTimersAsync(world);
        Assert.Equal(notify ? before + 10 : 0, world.Told().Count);

        // From then on it is a definition like any other.
        await world.SettleAsync(Order("x", "\"userId\":\"u0\""));
        var left = world.Told()[^1];
        Assert.Contains("exited buyer", world.ToldOf(world.Owners("user_id", "u0").Single().Id));
        Assert.True(notify || left.MessageId == "x");
    }

    [Fact]
    public async Task DefinitionThatUsesAChangedOne_IsSilentToo()
    {
        var world = await SegmentWorld.CreateAsync(1, ("buyer", Buyer), ("user", """{"segment":"buyer"}"""));
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""));
        await world.DefineAsync("buyer", """{"event":"Order Completed"}""");
        await RunTimersAsync(world);
        Assert.Equal("buyer user", world.SegmentsOf("user_id", "u1"));
        Assert.Empty(world.Told());
    }

    [Fact]
    public async Task BackfillThatNotifies_CrashBeforeOrAfterAnyCall_TellsEachOnce()
    {
        var (calls, expected) = await CrashAsync(0, after: false);
        for (var call = 1; call <= calls; call += 5)
        {
            foreach (var after in new[] { false, true })
                Assert.Equal(expected, (await CrashAsync(call, after)).Told);
        }

        static async Task<(int Calls, List<string> Told)> CrashAsync(int crashAt, bool after)
        {
            var world = await SegmentWorld.CreateAsync(1, ("gold", Gold));
            await world.SettleAsync([.. Enumerable.Range(0, 6).SelectMany(u => Enumerable.Range(0, (u % 2) + 1).Select(o => Order($"o{u}-{o}", $"\"userId\":\"u{u}\"")))]);
            await world.DefineAsync("buyer", Buyer, notify: true);
            var first = world.Store.Calls;
            var left = crashAt;
            Task Hook(StoreCall call, bool isAfter) =>
                left > 0 && isAfter == after && Interlocked.Decrement(ref left) == 0 ? throw new SimulatedCrashException(call) : Task.CompletedTask;
            world.Store.Before = call => Hook(call, false);
            world.Store.After = call => Hook(call, true);
            await RunTimersAsync(world);
            var calls = world.Store.Calls - first;
            world.Store.Before = world.Store.After = null;
            await world.DrainAsync();
            Assert.Empty(world.Rows("o|"));
            world.CheckTold();
            return (calls, [.. world.Told().Select(c => c.SegmentId!)]);
        }
    }

    /// <summary>Who was there first wins the merge.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Merge_TellsWhatChangesForThePerson(bool anonymousFirst)
    {
        var world = await SegmentWorld.CreateAsync(1, ("buyer", Buyer), ("visitor", Visitor), ("not-bought", NotBought));
        foreach (var first in new[] { anonymousFirst, !anonymousFirst })
            await world.SettleAsync(first ? Page("p1", "\"anonymousId\":\"a1\"") : Order("o1", "\"userId\":\"u1\""));
        var anonymous = world.Owners("anonymous_id", "a1").Single().Id;
        var identified = world.Owners("user_id", "u1").Single().Id;
        Assert.Equal(["entered not-bought", "entered visitor"], world.ToldOf(anonymous));
        await world.SettleAsync(Order("o2", "\"anonymousId\":\"a1\",\"userId\":\"u1\""));
        var winner = world.Live().Single();
        Assert.Equal("buyer visitor", world.SegmentsOf("user_id", "u1"));
        var told = world.ToldOf(winner.Id);
        Assert.Equal(anonymousFirst ? anonymous : identified, winner.Id);
        if (!anonymousFirst)
        {
            // The two together are new to the segment, and it ends for who was in it.
            Assert.Equal(["entered buyer", "entered visitor", "exited not-bought"], told.Order(StringComparer.Ordinal));
            Assert.Equal(["entered not-bought", "entered visitor"], world.ToldOf(anonymous));
        }
        else
        {
            Assert.Equal(["entered buyer", "entered not-bought", "entered visitor", "exited not-bought"], told.Order(StringComparer.Ordinal));
            Assert.Equal(["entered buyer"], world.ToldOf(identified));
        }

        await world.CheckAsync();
        world.CheckToldOfMerged();
        await world.UnmergeAsync(winner, winner.Merges[0].Id);
        world.Time.Advance(SegmentUpdater.Postponement + TimeSpan.FromSeconds(1));
        await world.UpdateDueAsync();
        await world.CheckAsync();
        world.CheckToldOfMerged();
    }

    [Fact]
    public async Task Merge_OfTwoWhoAreBothInASegment_TellsNothing()
    {
        var world = await SegmentWorld.CreateAsync(1, ("visitor", Visitor));
        await world.SettleAsync(Page("p1", "\"anonymousId\":\"a1\""), Page("p2", "\"userId\":\"u1\""));
        Assert.Equal(2, world.Told().Count);
        await world.SettleAsync("""{"type":"identify","messageId":"i1","anonymousId":"a1","userId":"u1"}""");
        Assert.Equal("visitor", world.SegmentsOf("user_id", "u1"));
        Assert.Equal(2, world.Told().Count);
        await world.CheckAsync();
    }

    [Fact]
    public async Task Merge_OfAnAbandonedCart_KeepsIt()
    {
        var world = await SegmentWorld.CreateAsync(1, ("cart", Cart));
        await world.SettleAsync(Page("p1", "\"userId\":\"u1\""));
        await world.SettleAsync("""{"type":"track","event":"Product Added","messageId":"a1","anonymousId":"a1"}""");
        world.Time.Advance(TimeSpan.FromMinutes(62));
        await world.UpdateDueAsync();
        await world.SettleAsync("""{"type":"identify","messageId":"i1","anonymousId":"a1","userId":"u1"}""");
        Assert.Equal("cart", world.SegmentsOf("user_id", "u1"));
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""));
        var winner = world.Live().Single().Id;
        Assert.Equal("exited cart", world.ToldOf(winner)[^1]);
        Assert.Equal(["entered cart", "exited cart"], world.ToldOf(winner));
        world.CheckToldOfMerged();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(20)]
    public async Task TwoTimersAtOnce_AndOneKilledMidway_FindEveryCartOnce(int commitsBeforeTheKill)
    {
        var world = await SegmentWorld.CreateAsync(1, ("cart", Cart));
        await world.SettleAsync([.. Enumerable.Range(0, 40).Select(u => $$"""{"type":"track","event":"Product Added","messageId":"a{{u}}","userId":"u{{u}}"}""")]);
        world.Time.Advance(TimeSpan.FromMinutes(62));
        var (killed, other) = (world.NewWorker(), world.NewWorker());
        await Task.WhenAll(killed.ScheduleAsync(), other.ScheduleAsync());
        var messages = new List<FakeMessage>();
        while (world.Store.Receive(QueueName.Segments) is { } message)
            messages.Add(message);
        var commits = 0;
        world.Store.Before = call => Worker.Current == killed.Name && call.Operation == StoreOperation.Commit && Interlocked.Increment(ref commits) > commitsBeforeTheKill
            ? throw new SimulatedCrashException(call)
            : Task.CompletedTask;
        // Every shard that has something due was sent twice.
        await Task.WhenAll(messages.Select((message, i) => Task.Run(async () =>
        {
            try
            {
                await (i % 2 == 0 ? killed : other).ProcessAsync(message);
                world.Store.Delete(message);
            }
            catch (Exception error) when (error is SimulatedCrashException or ConflictException or AggregateException)
            {
                world.Store.Release(message);
            }
        })));
        world.Store.Before = null;
        await RunTimersAsync(world);
        await world.DrainAsync();
        Assert.Equal(40, world.Rows("s|cart|").Count);
        Assert.Equal(40, world.Told().Count);
        Assert.Empty(world.Rows("o|"));
        world.CheckTold();
        await world.CheckAsync();
    }

    /// <summary>Timer and queue until there is nothing to do any more.</summary>
    private static async Task RunTimersAsync(World world)
    {
        world.Time.Advance(SegmentBackfill.Settle);
        world.ReplaceWorker();
        for (var idle = false; !idle;)
        {
            world.Time.Advance(TimeSpan.FromMinutes(2));
            try
            {
                await world.Worker.ScheduleAsync();
            }
            catch (Exception error) when (error is SimulatedCrashException or ConflictException)
            {
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
}
