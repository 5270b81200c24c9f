using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Segments;
using Cdp.Tests.Storage;
using Xunit.Abstractions;

namespace Cdp.Tests.Triggers;

/// <summary>Whatever happens before or after any storage call: one decision about each change, no cap exceeded, one delivery for what is sent.</summary>
public sealed class TriggerFaultTests(ITestOutputHelper output)
{
    public static TheoryData<string> Faults => new() { "crash", "conflict", "second delivery" };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task AnyFaultBeforeOrAfterAnyCall_DecidesOnce_AndSendsWhatTheCapAllows(string fault)
    {
        var (calls, none) = await RunAsync(0, after: false, fault);
        Assert.False(none);
        var injected = 0;
        for (var call = 1; call <= calls; call++)
        {
            foreach (var after in new[] { false, true })
                injected += (await RunAsync(call, after, fault)).Hit ? 1 : 0;
        }

        output.WriteLine($"{fault}: {injected} places of {calls} calls");
        Assert.True(injected >= calls, $"only {injected} faults were injected into {calls} calls");
    }

    /// <summary>Two changes about one person at once, in each order of their calls that one pause makes.</summary>
    [Fact]
    public async Task TwoChangesAtOnce_NeverExceedACap()
    {
        for (var pause = 1; pause <= 40; pause++)
        {
            var world = await CappedAsync();
            var (first, second) = (world.Store.Receive(QueueName.Deliveries)!, world.Store.Receive(QueueName.Deliveries)!);
            var start = world.Store.Calls;
            var paused = false;
            world.Store.Before = async call =>
            {
                if (paused || call.Number != start + pause)
                    return;
                paused = true;
                await world.NewDecider().ProcessAsync(second.Body);
            };
            await world.Decider.ProcessAsync(first.Body);
            world.Store.Before = null;
            if (!paused)
                await world.Decider.ProcessAsync(second.Body);
            Assert.Equal(["held", "sent"], world.Decisions().Select(d => d.Outcome).Order(StringComparer.Ordinal));
            await world.CheckAsync();
            if (!paused)
                return;
        }

        Assert.Fail("A decision takes more calls than were tried.");
    }

    /// <summary>Many workers, each message to two of them, everything at once.</summary>
    [Fact]
    public async Task ManyWorkersAtOnce_DecideEachChangeOnce_AndSendAsManyAsTheCap()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutChannelAsync("email", """ "caps":[{"count":3,"per":"7d"}] """);
        await world.PutAsync("a", """{"event":"A"}""", "\"channel\":\"email\"");
        await world.PutAsync("b", """{"event":"A"}""", "\"channel\":\"email\"");
        for (var i = 0; i < 8; i++)
            await world.TrackAsync("ann", "A");
        var bodies = new List<string>();
        while (world.Store.Receive(QueueName.Deliveries) is { } message)
            bodies.Add(message.Body);
        world.Store.Before = async _ => await Task.Yield();
        await Task.WhenAll(bodies.Concat(bodies).Select(body => Task.Run(async () =>
        {
            for (var isDone = false; !isDone;)
            {
                try
                {
                    await world.NewDecider().ProcessAsync(body);
                    isDone = true;
                }
                catch (ConflictException)
                {
                    // It comes again.
                }
            }
        })));
        world.Store.Before = null;
        Assert.Equal(16, world.Decisions().Count);
        Assert.Equal(3, world.Decisions().Count(d => d.IsSent));
        await world.CheckAsync();
    }

    /// <summary>A segment and a trigger that uses it: never the one without the other, whoever is quicker.</summary>
    [Fact]
    public async Task SegmentDeleted_BetweenAnyTwoCallsOfATriggersPut_OneOfTheTwoIsRefused()
    {
        for (var pause = 1; pause <= 40; pause++)
        {
            var world = await TriggerWorld.CreateAsync();
            await world.World.DefineAsync("gold", """{"trait":"plan","eq":"gold"}""");
            var start = world.Store.Calls;
            var (paused, kept, taken) = (false, false, true);
            world.Store.Before = async call =>
            {
                if (paused || call.Number != start + pause)
                    return;
                paused = true;
                kept = await Record.ExceptionAsync(() => world.World.RemoveAsync("gold")) is Problems.ProblemException;
            };
            taken = await Record.ExceptionAsync(() => world.PutAsync("in", """{"segment":"gold"}""")) is null;
            world.Store.Before = null;
            if (!paused)
            {
                Assert.True(taken);
                var refused = await Assert.ThrowsAsync<Problems.ProblemException>(() => world.World.RemoveAsync("gold"));
                Assert.Contains("the trigger in", refused.Message, StringComparison.Ordinal);
                await world.Triggers.DeleteAsync("in", _ => { }, CancellationToken.None);
                await world.World.RemoveAsync("gold");
                return;
            }

            Assert.Equal(kept, taken);
        }

        Assert.Fail("A put takes more calls than were tried.");
    }

    /// <summary>A worker decides about one side; before any of its calls the merge is done, and the other side's change is decided; then the worker goes on.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Merge_BetweenAnyTwoCallsOfADecision_CountsBothHistories(bool ofTheWinner)
    {
        for (var pause = 1; pause <= 40; pause++)
        {
            var world = await TriggerWorld.CreateAsync();
            await world.PutChannelAsync("email", """ "caps":[{"count":1,"per":"7d"}] """);
            await world.PutAsync("a", """{"event":"A"}""", "\"channel\":\"email\"");
            // The first profile wins.
            await world.TrackAsync("ann", "A");
            await world.TrackAsync("x1", "A", type: "anonymousId");
            var (others, one) = (world.Store.Receive(QueueName.Deliveries)!, world.Store.Receive(QueueName.Deliveries)!);
            if (ofTheWinner)
                (others, one) = (one, others);
            var start = world.Store.Calls;
            var paused = false;
            world.Store.Before = async call =>
            {
                if (paused || call.Number != start + pause)
                    return;
                paused = true;
                await world.World.SettleAsync("""{"type":"identify","messageId":"link","userId":"ann","anonymousId":"x1"}""");
                Assert.Single(world.World.Live());
                await world.NewDecider().ProcessAsync(others.Body);
            };
            await world.Decider.ProcessAsync(one.Body);
            world.Store.Before = null;
            if (!paused)
                return;
            // It may have seen the merge half done, and waits.
            world.Time.Advance(TimeSpan.FromMinutes(1));
            await world.DecideAsync();
            Assert.True(world.Decisions().Count(d => d.IsSent) == 1, $"pause {pause}: {string.Join(", ", world.Decisions())}");
            Assert.Equal(2, world.Decisions().Count);
            await world.CheckAsync();
        }

        Assert.Fail("A decision takes more calls than were tried.");
    }

    [Fact]
    public async Task Unmerge_LetsTheOneThatComesBackDecideAgain()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutAsync("a", """{"event":"A"}""", "\"every\":\"7d\"");
        await world.TrackAsync("ann", "Other");
        await world.TrackAsync("x1", "Other", type: "anonymousId");
        await world.World.SettleAsync("""{"type":"identify","messageId":"link","userId":"ann","anonymousId":"x1"}""");
        await world.TrackAsync("ann", "A");
        await world.DecideAsync();
        var merged = world.World.Live().Single();
        await world.World.UnmergeAsync(merged, merged.Merges[0].Id);
        Assert.Equal(2, world.World.Live().Count);
        await world.PassAsync(TimeSpan.FromMinutes(2));
        await world.TrackAsync("x1", "A", type: "anonymousId");
        await world.TrackAsync("ann", "A");
        await world.DecideAsync();
        Assert.Equal(["a sent"], await world.OfAsync("x1", "anonymous_id"));
        Assert.Equal(["a sent", "a held period"], await world.OfAsync("ann"));
    }

    /// <summary>A trigger and its segment: both or neither, whoever dies.</summary>
    [Fact]
    public async Task Definition_CrashBeforeOrAfterAnyCall_LeavesTriggerAndSegmentTogether()
    {
        foreach (var delete in new[] { false, true })
        {
            for (var call = 1; ; call++)
            {
                var hit = false;
                foreach (var after in new[] { false, true })
                {
                    var world = await TriggerWorld.CreateAsync();
                    if (delete)
                        await world.PutAsync("cart", TriggerWorld.Cart);
                    var first = world.Store.Calls;
                    Task Crash(StoreCall seen)
                    {
                        if (seen.Number != first + call)
                            return Task.CompletedTask;
                        hit = true;
                        throw new SimulatedCrashException(seen);
                    }

                    if (after)
                        world.Store.After = Crash;
                    else
                        world.Store.Before = Crash;
                    try
                    {
                        await ChangeAsync(world, delete);
                    }
                    catch (SimulatedCrashException)
                    {
                        // The client sends it again.
                        world.Store.Before = world.Store.After = null;
                        Assert.Equal(IsThere(world), world.Store.Snapshot().Any(r => r.Key == "s|trigger.cart"));
                        await ChangeAsync(world, delete);
                    }

                    world.Store.Before = world.Store.After = null;
                    Assert.Equal(!delete, IsThere(world));
                    Assert.Equal(!delete, world.Store.Snapshot().Any(r => r.Key == "s|trigger.cart"));
                }

                if (!hit)
                    break;
            }
        }

        static Task ChangeAsync(TriggerWorld world, bool delete) =>
            delete ? world.Triggers.DeleteAsync("cart", _ => { }, CancellationToken.None) : world.PutAsync("cart", TriggerWorld.Cart);

        static bool IsThere(TriggerWorld world) =>
            world.Store.Snapshot().Any(r => r.Key == "g|cart" && !System.Text.Encoding.UTF8.GetString(r.Data).Contains("deletedAt", StringComparison.Ordinal));
    }

    /// <summary>Two triggers of a channel with room for one of them, and a person who sets both off.</summary>
    private static async Task<TriggerWorld> CappedAsync()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutChannelAsync("email", """ "caps":[{"count":1,"per":"7d"}] """);
        await world.PutAsync("a", """{"event":"A"}""", "\"channel\":\"email\"");
        await world.PutAsync("b", """{"event":"B"}""", "\"channel\":\"email\",\"every\":\"1d\"");
        await world.TrackAsync("ann", "A");
        await world.TrackAsync("ann", "B");
        return world;
    }

    private static async Task<(int Calls, bool Hit)> RunAsync(int at, bool after, string fault)
    {
        var world = await CappedAsync();
        var first = world.Store.Calls;
        var hit = false;
        FakeMessage? current = null;
        async Task Inject(StoreCall seen)
        {
            if (hit || seen.Number != first + at)
                return;
            hit = true;
            switch (fault)
            {
                case "crash":
                    throw new SimulatedCrashException(seen);
                case "conflict":
                    await FaultInjectionTests.TouchAsync(world.Store, seen);
                    break;
                default:
                    // The lock of the message ran out: another worker gets it, and all else that waits.
                    var other = world.NewDecider();
                    world.Store.Release(current!);
                    while (world.Store.Receive(QueueName.Deliveries) is { } message)
                    {
                        await other.ProcessAsync(message.Body);
                        world.Store.Delete(message);
                    }

                    break;
            }
        }

        if (after)
            world.Store.After = Inject;
        else
            world.Store.Before = Inject;
        while ((current = world.Store.Receive(QueueName.Deliveries)) is not null)
        {
            try
            {
                await world.Decider.ProcessAsync(current.Body);
                world.Store.Delete(current);
            }
            catch (Exception exception) when (exception is SimulatedCrashException or ConflictException)
            {
                world.ReplaceDecider();
                world.Store.Release(current);
            }
        }

        var calls = world.Store.Calls - first;
        world.Store.Before = world.Store.After = null;
        Assert.Equal(["held", "sent"], world.Decisions().Select(d => d.Outcome).Order(StringComparer.Ordinal));
        Assert.Equal("cap:email", world.Decisions().Single(d => !d.IsSent).Reason);
        await world.CheckAsync();
        return (calls, hit);
    }
}
