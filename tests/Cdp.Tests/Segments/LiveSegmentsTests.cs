using Cdp.Events;
using Cdp.Identity;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Segments;

/// <summary>Memberships that follow the events: through queue, commit, merge and unmerge, on the fake store.</summary>
public sealed class LiveSegmentsTests
{
    private const string Buyer = """{"event":"Order Completed","count":{"gte":2}}""";
    private const string Cart = """{"sequence":[{"event":"Product Added"},{"not":{"event":"Order Completed"}}],"within":"1h"}""";
    private const string Gold = """{"trait":"plan","eq":"gold"}""";

    private static string Order(string id, string who) => $$"""{"type":"track","event":"Order Completed","messageId":"{{id}}",{{who}}}""";

    [Fact]
    public async Task Event_ThatMakesAMember_IsInTheDocumentTheIndexAndAtTheEvent()
    {
        var world = await SegmentWorld.CreateAsync(1, ("buyer", Buyer), ("gold", Gold));
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""));
        Assert.Equal("", world.SegmentsOf("user_id", "u1"));
        await world.SettleAsync(Order("o2", "\"userId\":\"u1\""), Order("o2", "\"userId\":\"u1\""));
        await world.SettleAsync("""{"type":"identify","messageId":"i1","userId":"u1","traits":{"plan":"gold"}}""");
        Assert.Equal("buyer gold", world.SegmentsOf("user_id", "u1"));
        await world.SettleAsync("""{"type":"identify","messageId":"i2","userId":"u1","traits":{"plan":"free"}}""");
        Assert.Equal("buyer", world.SegmentsOf("user_id", "u1"));
        Assert.Equal(["i1 entered gold", "i2 exited gold", "o2 entered buyer"], world.Changes());
        Assert.Equal(3, world.Live().Single().MembershipChanges);
        await world.CheckAsync();
    }

    [Fact]
    public async Task Batch_LargerThanATransaction_IsFoldedInParts()
    {
        var world = await SegmentWorld.CreateAsync(1, ("many", """{"event":"Order Completed","count":{"gte":95}}"""));
        await world.SettleAsync([.. Enumerable.Range(0, 100).Select(i => Order($"o{i:D3}", "\"userId\":\"u1\""))]);
        Assert.Equal(["o094 entered many"], world.Changes());
        await world.CheckAsync();
    }

    [Fact]
    public async Task MoreMembershipsThanATransactionHolds_AreBroughtInByTheTimer()
    {
        var world = await SegmentWorld.CreateAsync(1, [.. Enumerable.Range(0, 90).Select(i => ($"s{i}", $$"""{"event":"Order Completed","count":{"lte":{{i + 1}},"gte":1} }"""))]);
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""));
        for (var i = 0; i < 4; i++)
            await world.UpdateDueAsync();
        Assert.Equal(90, world.Live().Single().Memberships.Count);
        await world.CheckAsync();
    }

    [Fact]
    public async Task StateLargerThanADocumentHolds_IsFoldedFromTheTimelineNowAndThen()
    {
        var world = await SegmentWorld.CreateAsync(
            1, [.. Enumerable.Range(1, 40).Select(i => ($"s{i}", $$"""{"event":"Order Completed","sum":{"properties.revenue":{"gte":1000} },"within":"{{i + 100}}d"}"""))]);
        string Paid(int i) => $$"""{"type":"track","event":"Order Completed","messageId":"o{{i}}","userId":"u1","timestamp":"{{World.TestStart.AddMilliseconds(-7_000_001L * i):O}}","properties":{"revenue":{{(i % 97) + 0.123456789m}}} }""";
        for (var i = 0; i < 10; i++)
        {
            await world.SendAsync(WorldExtensions.Batch([.. Enumerable.Range(i * 100, 100).Select(Paid)]));
            while (world.Next() is { } message)
                await world.DeliverAsync(message);
            // More segments were entered at once than a transaction holds.
            await world.UpdateDueAsync();
        }

        var large = world.Live().Single();
        Assert.Equal((true, true), (large.NeedsRefold, large.SegmentState.IsEmpty));
        for (var i = 0; i < 3; i++)
        {
            world.Time.Advance(Cdp.Segments.SegmentFold.RefoldEvery);
            await world.UpdateDueAsync();
        }

        Assert.Equal(40, world.Live().Single().Memberships.Count);
        Assert.True(world.Live().Single().NeedsRefold);
        Assert.Equal(1000, world.Live().Single().EventCount);
        Assert.Empty(world.Errors);
        await world.CheckAsync();
    }

    [Fact]
    public async Task Cart_Abandoned_IsFoundByTheTimerAlone_AndBuyingLeavesAtOnce()
    {
        var world = await SegmentWorld.CreateAsync(1, ("cart", Cart));
        await world.SettleAsync("""{"type":"track","event":"Product Added","messageId":"a1","userId":"u1"}""");
        world.Time.Advance(TimeSpan.FromMinutes(50));
        await world.UpdateDueAsync();
        Assert.Equal("", world.SegmentsOf("user_id", "u1"));
        world.Time.Advance(TimeSpan.FromMinutes(12));

        // While events have been waiting for longer than the grace nothing new is absent; another event does not make it so either.
        await world.UpdateDueAsync(Instant.Now(world.Time).Plus(TimeSpan.FromSeconds(-61)));
        await world.SettleAsync("""{"type":"page","messageId":"p1","userId":"u1"}""");
        Assert.Equal("", world.SegmentsOf("user_id", "u1"));
        await world.UpdateDueAsync();
        Assert.Equal("cart", world.SegmentsOf("user_id", "u1"));
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""));
        Assert.Equal("", world.SegmentsOf("user_id", "u1"));
        Assert.Equal(["o1 exited cart"], world.Changes());
        await world.CheckAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Merge_AddsUpWhatBothDid_AndAnUnmergeTakesItApart(int seed)
    {
        var world = await SegmentWorld.CreateAsync(seed, ("buyer", Buyer), ("visitor", """{"event":"$page"}"""));
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""));
        await world.SettleAsync(Order("o2", "\"anonymousId\":\"a1\""), """{"type":"page","messageId":"p1","anonymousId":"a1"}""");
        Assert.Equal(("", "visitor"), (world.SegmentsOf("user_id", "u1"), world.SegmentsOf("anonymous_id", "a1")));
        await world.SettleAsync("""{"type":"identify","messageId":"i1","anonymousId":"a1","userId":"u1"}""");
        Assert.Equal("buyer visitor", world.SegmentsOf("user_id", "u1"));
        await world.CheckAsync();

        var merged = world.Live().Single();
        await world.UnmergeAsync(merged, merged.Merges[0].Id);
        world.Time.Advance(SegmentsPostponed);
        await world.UpdateDueAsync();
        Assert.Equal(("", "visitor"), (world.SegmentsOf("user_id", "u1"), world.SegmentsOf("anonymous_id", "a1")));
        await world.CheckAsync();
    }

    [Fact]
    public async Task GroupTraits_AreThoseOfTheGroupsAPersonIsSaidToBeIn()
    {
        var world = await SegmentWorld.CreateAsync(1, ("gold", """{"trait":"group.tier","eq":"gold"}"""));
        await world.SettleAsync("""{"type":"group","messageId":"g1","userId":"u1","groupId":"acme","traits":{"tier":"gold"},"timestamp":"2026-03-01T00:00:02Z"}""");
        Assert.Equal("gold", world.SegmentsOf("user_id", "u1"));
        await world.SettleAsync("""{"type":"group","messageId":"g0","userId":"u1","groupId":"acme","traits":{"tier":"free"},"timestamp":"2026-03-01T00:00:01Z"}""");
        Assert.Equal("gold", world.SegmentsOf("user_id", "u1"));
        Assert.Empty(world.Live().Single().Traits);
        await world.CheckAsync();
    }

    [Fact]
    public async Task LateEvent_ChangesMembershipToo()
    {
        var world = await SegmentWorld.CreateAsync(1, ("buyer", Buyer));
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""), Order("o2", "\"userId\":\"u1\",\"timestamp\":\"2020-01-01T00:00:00Z\""));
        Assert.Equal("buyer", world.SegmentsOf("user_id", "u1"));
        await world.CheckAsync();
    }

    [Fact]
    public async Task CrashBeforeOrAfterAnyCallOfAnUnmerge_WithSegments_EndsTheSame()
    {
        var (_, calls) = await UnmergeAsync(0, after: false);
        for (var call = 1; call <= calls; call++)
        {
            foreach (var after in new[] { false, true })
                Assert.Equal($"{call} {after} buyer|visitor", $"{call} {after} {(await UnmergeAsync(call, after)).State}");
        }
    }

    [Fact]
    public async Task CrashBeforeOrAfterAnyCall_WithSegments_EndsTheSame()
    {
        var (expected, calls) = await RunAsync(0, after: false);
        for (var call = 1; call <= calls; call++)
        {
            foreach (var after in new[] { false, true })
                Assert.Equal($"{call} {after} {expected}", $"{call} {after} {(await RunAsync(call, after)).State}");
        }
    }

    [Fact]
    public async Task WorkerWithOldDefinitions_MeetingADocumentOfNewerOnes_LoadsThemFirst()
    {
        var world = await SegmentWorld.CreateAsync(1, ("buyer", Buyer));
        var old = world.Worker;
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""));
        await world.DefineAsync("one", """{"event":"Order Completed"}""");
        world.Time.Advance(TimeSpan.FromSeconds(2));
        world.ReplaceWorker();
        // The new one knows both; the profile's backfill has not come yet.
        await world.SendAsync(WorldExtensions.Batch("""{"type":"page","messageId":"p1","userId":"u1"}""", Order("x1", "\"userId\":\"u2\"")));
        await world.DeliverAsync(world.Next()!);
        Assert.Equal("one", world.SegmentsOf("user_id", "u2"));
        await world.SendAsync(WorldExtensions.Batch(Order("x2", "\"userId\":\"u2\""), Order("o2", "\"userId\":\"u1\"")));
        var message = world.Next()!;
        await old.ProcessAsync(message);
        world.Store.Delete(message);
        Assert.Equal("buyer one", world.SegmentsOf("user_id", "u2"));
        Assert.Equal("buyer", world.SegmentsOf("user_id", "u1"));
    }

    private static readonly TimeSpan SegmentsPostponed = Cdp.Segments.SegmentUpdater.Postponement + TimeSpan.FromSeconds(1);

    private static async Task<(string State, int Calls)> UnmergeAsync(int crashAt, bool after)
    {
        var world = await SegmentWorld.CreateAsync(2, ("buyer", Buyer), ("visitor", """{"event":"$page","within":"1h"}"""));
        await world.SettleAsync(Order("o1", "\"userId\":\"u1\""), Order("o2", "\"userId\":\"u1\""));
        await world.SettleAsync("""{"type":"page","messageId":"p1","anonymousId":"a1"}""");
        await world.SettleAsync("""{"type":"identify","messageId":"i1","anonymousId":"a1","userId":"u1"}""");
        var merged = world.Live().Single();
        await new Unmerges(new Cdp.Profiles.ProfileStore(world.Store), new IdentityIndex(world.Store, world.Time), world.Store)
            .RequestAsync(merged, merged.Merges[0].Id, CancellationToken.None);
        var first = world.Store.Calls;
        var left = crashAt;
        Task Hook(StoreCall call, bool isAfter) =>
            left > 0 && isAfter == after && --left == 0 ? throw new SimulatedCrashException(call) : Task.CompletedTask;
        world.Store.Before = call => Hook(call, false);
        world.Store.After = call => Hook(call, true);
        while (world.Next() is { } message)
        {
            await world.DeliverAsync(message);
            try
            {
                await world.UpdateDueAsync();
            }
            catch (Exception error) when (error is SimulatedCrashException or ConflictException)
            {
                // Also where the crash hit the reading of the definitions.
                world.ReplaceWorker();
            }
        }

        var calls = world.Store.Calls - first;
        world.Store.Before = world.Store.After = null;
        world.Time.Advance(SegmentsPostponed);
        await world.UpdateDueAsync();
        await world.CheckAsync();
        return ($"{world.SegmentsOf("user_id", "u1")}|{world.SegmentsOf("anonymous_id", "a1")}", calls);
    }

    private static async Task<(string State, int Calls)> RunAsync(int crashAt, bool after)
    {
        var world = await SegmentWorld.CreateAsync(1, ("buyer", Buyer), ("cart", Cart), ("visitor", """{"event":"$page","within":"1h"}"""));
        var first = world.Store.Calls;
        var left = crashAt;
        Task Hook(StoreCall call, bool isAfter)
        {
            if (left > 0 && isAfter == after && --left == 0)
                throw new SimulatedCrashException(call);
            return Task.CompletedTask;
        }

        world.Store.Before = call => Hook(call, false);
        world.Store.After = call => Hook(call, true);
        await world.SendAsync(WorldExtensions.Batch(Order("o1", "\"userId\":\"u1\"")));
        await world.SendAsync(WorldExtensions.Batch(Order("o2", "\"anonymousId\":\"a1\""), """{"type":"page","messageId":"p1","anonymousId":"a1"}"""));
        await world.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"i1","anonymousId":"a1","userId":"u1"}"""));
        while (world.Next() is { } message)
            await world.DeliverAsync(message);
        var calls = world.Store.Calls - first;
        left = 0;
        world.Store.Before = world.Store.After = null;
        await world.DrainAsync();
        // What a crash left to the timer.
        world.Time.Advance(TimeSpan.FromHours(2));
        await world.UpdateDueAsync();
        await world.UpdateDueAsync();
        await world.CheckAsync();
        return (string.Join(' ', world.Live().Select(p => string.Join(',', p.Memberships.Select(m => m.SegmentId).Order(StringComparer.Ordinal))).Order(StringComparer.Ordinal)), calls);
    }
}
