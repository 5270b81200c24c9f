using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Storage;
using Xunit.Abstractions;

namespace Cdp.Tests.Processing;

/// <summary>
/// Merges, unmerges, and identifiers taken out of linking: whatever happens at any storage call of theirs, the end is that of the undisturbed run.
/// </summary>
public sealed class SagaFaultTests(ITestOutputHelper output)
{
    private static readonly string[] Faults = ["crash", "conflict", "second delivery", "traffic", "time is over"];

    public static TheoryData<string> Sagas => new() { "merge", "merge, visitor first", "unmerge", "unmerge, visitor first", "detach", "detach, latest", "quarantine" };

    private static Saga Find(string name) => name switch
    {
        "merge" => Saga.Merge(knownFirst: true),
        "merge, visitor first" => Saga.Merge(knownFirst: false),
        "unmerge" => Saga.Unmerge(knownFirst: true),
        "unmerge, visitor first" => Saga.Unmerge(knownFirst: false),
        "detach" => Saga.Detach(SharedIdentifiers.Own),
        "detach, latest" => Saga.Detach(SharedIdentifiers.Latest),
        _ => Saga.Quarantine(),
    };

    [Theory]
    [MemberData(nameof(Sagas))]
    public async Task AnyFaultBeforeOrAfterAnyCall_SameStateInTheEnd(string name)
    {
        var saga = Find(name);
        var (expected, calls) = await UndisturbedAsync(saga);
        output.WriteLine(expected);
        var injected = 0;
        foreach (var fault in Faults)
        {
            for (var call = 1; call <= calls; call++)
            {
                foreach (var after in new[] { false, true })
                {
                    var (state, hit) = await RunAsync(saga, call, after, fault);
                    Assert.True(expected == state, $"{fault} {(after ? "after" : "before")} {hit}:\n{state}\nexpected:\n{expected}");
                    injected += hit is null ? 0 : 1;
                }
            }
        }

        output.WriteLine($"{name}: {injected} faults at {calls} calls");
        Assert.True(injected >= calls * Faults.Length, $"only {injected} faults were injected into {calls} calls");
    }

    /// <summary>The first runs up to its call i, the second up to its call j, the first to its end, the second to its end.</summary>
    [Theory]
    [MemberData(nameof(Sagas))]
    public async Task TwoWorkersOnTheSameMessages_AnySwitchBetweenThem_SameStateInTheEnd(string name)
    {
        var saga = Find(name);
        var (expected, _) = await UndisturbedAsync(saga);
        var schedules = 0;
        var reached = true;
        for (var i = 1; reached; i++)
        {
            reached = false;
            var more = true;
            for (var j = 1; more; j++)
            {
                var world = await saga.StartAsync(seed: 1);
                List<FakeMessage> messages = [.. world.Store.Messages(QueueName.Merges), .. world.Store.Messages(QueueName.Events)];
                var (a, b) = (new Pausing(world, i), new Pausing(world, j));
                world.Store.Before = async _ =>
                {
                    await a.PassAsync();
                    await b.PassAsync();
                };
                var (runA, firstPaused) = await a.StartAsync(messages);
                var (runB, secondPaused) = await b.StartAsync(messages);
                await a.FinishAsync(runA);
                await b.FinishAsync(runB);
                world.Store.Before = null;
                foreach (var message in messages)
                    world.Store.Release(message);
                var state = await EndAsync(world, () => $"switch at {i} and {j}");
                Assert.True(expected == state, $"switch at {i} and {j}:\n{state}\nexpected:\n{expected}");
                schedules++;
                reached |= firstPaused;
                more = secondPaused;
            }
        }

        output.WriteLine($"{name}: {schedules} schedules");
        Assert.True(schedules > 100, $"only {schedules} schedules were run");
    }

    /// <summary>
    /// A worker stops at some call of its merge or unmerge, and others do all that is left of it, part the two, merge them again by another link and part
    /// them again. At some call of theirs the first one goes on.
    /// </summary>
    [Theory]
    [InlineData("merge")]
    [InlineData("merge, visitor first")]
    [InlineData("unmerge")]
    [InlineData("unmerge, visitor first")]
    public async Task PausedWorkerGoesOnLongAfter_SameStateInTheEnd(string name)
    {
        // All pairs take minutes; each call of the one meets every fifth of the other, another fifth for each.
        const int stride = 5;
        var saga = Find(name);
        var expected = await LaterAsync(await saga.StartAsync(seed: 1), null);
        var schedules = 0;
        var reached = true;
        for (var i = 1; reached; i++)
        {
            reached = false;
            var more = true;
            for (var j = 1 + (i % stride); more; j += stride)
            {
                var world = await saga.StartAsync(seed: 1);
                var message = world.Store.Receive(QueueName.Merges)!;
                var zombie = new Pausing(world, i);
                world.Store.Before = async _ => await zombie.PassAsync();
                var (run, paused) = await zombie.StartAsync([message]);
                reached |= paused;
                world.Store.Release(message);
                var calls = 0;
                more = false;
                world.Store.Before = async _ =>
                {
                    if (Worker.Current == zombie.Name || ++calls != j)
                        return;
                    more = true;
                    await zombie.FinishAsync(run);
                };
                string state;
                try
                {
                    state = await LaterAsync(world, () => zombie.FinishAsync(run));
                }
                catch (Exception error)
                {
                    throw new InvalidOperationException($"paused at {i} of its calls, until {j} of the others': {error.Message}", error);
                }

                Assert.True(expected == state, $"paused at {i} of its calls, until {j} of the others':\n{state}\nexpected:\n{expected}");
                schedules++;
            }
        }

        output.WriteLine($"{name}: {schedules} schedules");
        Assert.True(schedules > 100, $"only {schedules} schedules were run");
    }

    /// <summary>One more event arrives between any two calls of a merge and of the unmerge that follows: it counts once, and where the rule says.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task EventBetweenAnyTwoCallsOfMergeAndUnmerge_CountsOnceWhereTheRuleSays(bool knownFirst)
    {
        const string visitors = """{"type":"page","messageId":"extra","anonymousId":"a1"}""";
        const string knowns = """{"type":"page","messageId":"extra","userId":"u1"}""";
        const string both = """{"type":"page","messageId":"extra","userId":"u1","anonymousId":"a1"}""";
        const string newOne = """{"type":"page","messageId":"extra","userId":"u1","anonymousId":"a2"}""";
        var places = 0;
        foreach (var extra in new[] { visitors, knowns, both, newOne, Saga.Visitor, Saga.Known, Saga.Login, Saga.OfBoth, Saga.OfVisitor })
        {
            var hit = true;
            for (var call = 1; hit; call++)
            {
                var world = await World.CreateAsync(1);
                await Saga.TwoAsync(world, knownFirst);
                await Saga.LinkAsync(world);
                var calls = 0;
                StoreCall? at = null;
                world.Store.Before = async seen =>
                {
                    if (Worker.Current is null || at is not null || ++calls != call)
                        return;
                    at = seen;
                    var other = world.NewWorker();
                    await other.CollectAsync(WorldExtensions.Batch(extra));
                    await ProcessWhatGoesAsync(world, other, () => world.Store.Receive(QueueName.Events));
                };
                await DeliverAllAsync(world);
                world.Store.Before = null;
                // Both are one now, whatever came in between; the next is not disturbed, so that what follows is known.
                await DrainAsync(world);
                foreach (var e in new[] { Saga.OfVisitor, Saga.OfKnown, Saga.OfBoth })
                    await SettleAsync(world, e);
                var winner = Assert.Single(world.Live());
                await Saga.PartAsync(world);
                // Goes on counting where the merge ended.
                world.Store.Before = async seen =>
                {
                    if (Worker.Current is null || at is not null || ++calls != call)
                        return;
                    at = seen;
                    var other = world.NewWorker();
                    await other.CollectAsync(WorldExtensions.Batch(extra));
                    await ProcessWhatGoesAsync(world, other, () => world.Store.Receive(QueueName.Events));
                };
                await DeliverAllAsync(world);
                world.Store.Before = null;
                await EndAsync(world, () => $"{extra} at {at}");
                hit = at is not null;
                places += hit ? 1 : 0;

                var (known, visitor) = (world.Owners("user_id", "u1").Single(), world.Owners("anonymous_id", "a1").Single());
                Assert.NotEqual(known.Id, visitor.Id);
                var (ofKnown, ofVisitor) = (world.Timeline(known.Id), world.Timeline(visitor.Id));
                var stays = winner.Id == known.Id ? ofKnown : ofVisitor;
                var what = $"{extra} at {at}: {string.Join(' ', ofKnown)} | {string.Join(' ', ofVisitor)}";
                Assert.True(ofKnown.Contains("u") && ofKnown.Contains("login") && ofKnown.Contains("ofKnown"), what);
                Assert.True(ofVisitor.Contains("p") && ofVisitor.Contains("ofVisitor"), what);
                Assert.True(stays.Contains("ofBoth") || (at is not null && extra == Saga.OfBoth && ofKnown.Contains("ofBoth")), what);
                // What came before they were parted stays with the winner; what came later goes to the stronger identifier.
                var right = !hit || !extra.Contains("extra", StringComparison.Ordinal)
                    || (extra == visitors ? ofVisitor.Contains("extra") : ofKnown.Contains("extra") || (extra != knowns && stays.Contains("extra")));
                Assert.True(right, what);
                Assert.Equal(6 + (hit && extra.Contains("extra", StringComparison.Ordinal) ? 1 : 0), ofKnown.Count + ofVisitor.Count);
            }
        }

        output.WriteLine($"{places} places");
    }

    private static async Task<(string State, int Calls)> UndisturbedAsync(Saga saga)
    {
        var world = await saga.StartAsync(seed: 1);
        var before = world.Store.Calls;
        await DeliverAllAsync(world);
        var calls = world.Store.Calls - before;
        await world.DrainAsync();
        Assert.Empty(world.Errors);
        return (world.Describe(), calls);
    }

    private static async Task<(string State, StoreCall? Hit)> RunAsync(Saga saga, int call, bool after, string fault)
    {
        var world = await saga.StartAsync(seed: 1);
        var first = world.Store.Calls;
        StoreCall? hit = null;
        FakeMessage? current = null;
        async Task Inject(StoreCall seen)
        {
            if (hit is not null || seen.Number != first + call)
                return;
            hit = seen;
            switch (fault)
            {
                case "crash":
                    throw new SimulatedCrashException(seen);
                case "conflict":
                    await FaultInjectionTests.TouchAsync(world.Store, seen);
                    break;
                case "second delivery":
                    world.Store.Release(current!);
                    await ProcessWhatGoesAsync(world, world.NewWorker(), () => Next(world));
                    break;
                case "traffic":
                    await ProcessWhatGoesAsync(world, world.NewWorker(), () => world.Store.Receive(QueueName.Events));
                    break;
                case "time is over":
                    world.Time.Advance(TimeSpan.FromMinutes(1));
                    break;
            }
        }

        if (after)
            world.Store.After = Inject;
        else
            world.Store.Before = Inject;
        while (Next(world) is { } message)
        {
            current = message;
            await world.DeliverAsync(message);
        }

        return (await EndAsync(world, () => $"{fault} {(after ? "after" : "before")} {hit}"), hit);
    }

    /// <summary>Parts the two where they are one, merges them by another link, parts them again; events in between.</summary>
    private static async Task<string> LaterAsync(World world, Func<Task>? last)
    {
        await DrainAsync(world);
        if (world.Live().Count == 1)
            await Saga.PartAsync(world);
        await DrainAsync(world);
        await SettleAsync(world, """{"type":"identify","messageId":"n1","anonymousId":"a1","traits":{"phone":"+4930123456"},"timestamp":"2026-03-01T00:01:00Z"}""");
        await SettleAsync(world, """{"type":"identify","messageId":"n2","userId":"u1","traits":{"phone":"+4930123456"},"timestamp":"2026-03-01T00:01:01Z"}""");
        await SettleAsync(world, """{"type":"page","messageId":"n3","anonymousId":"a1","timestamp":"2026-03-01T00:01:02Z"}""");
        Assert.Single(world.Live());
        await Saga.PartAsync(world);
        await DrainAsync(world);
        await SettleAsync(world, """{"type":"page","messageId":"n4","anonymousId":"a1","timestamp":"2026-03-01T00:01:03Z"}""");
        world.Store.Before = null;
        if (last is not null)
            await last();
        Assert.Equal(2, world.Live().Count);
        return await EndAsync(world, () => "");
    }

    private static Task SettleAsync(World world, string e)
    {
        async Task SendAndDrainAsync()
        {
            await world.SendAsync(WorldExtensions.Batch(e));
            await DrainAsync(world);
        }

        return SendAndDrainAsync();
    }

    /// <summary>Without the sweep: nobody died, and it reads all shards.</summary>
    private static Task DrainAsync(World world)
    {
        world.Time.Advance(TimeSpan.FromSeconds(1));
        return DeliverAllAsync(world);
    }

    private static async Task DeliverAllAsync(World world)
    {
        while (Next(world) is { } message)
            await world.DeliverAsync(message);
    }

    private static FakeMessage? Next(World world) => world.Store.Receive(QueueName.Merges) ?? world.Store.Receive(QueueName.Events);

    private static async Task<string> EndAsync(World world, Func<string> what)
    {
        world.Store.Before = world.Store.After = null;
        try
        {
            await world.DrainAsync();
            return world.Describe();
        }
        catch (Exception error)
        {
            throw new InvalidOperationException($"{what()}: {error.Message}\n{string.Join('\n', world.Errors)}", error);
        }
    }

    /// <summary>Another worker does what it can; a message that has to wait for the one who is stopped comes again later.</summary>
    private static async Task ProcessWhatGoesAsync(World world, Worker other, Func<FakeMessage?> next)
    {
        var waiting = new List<FakeMessage>();
        while (next() is { } message)
        {
            try
            {
                await other.ProcessAsync(message);
                world.Store.Delete(message);
            }
            catch (ConflictException)
            {
                waiting.Add(message);
            }

            Assert.True(world.Store.Messages(QueueName.Merges).Count < 20 && waiting.Count < 20, "messages go round in circles");
        }

        foreach (var message in waiting)
            world.Store.Release(message);
    }

    /// <summary>A worker that stops before one of its calls until it is told to go on.</summary>
    private sealed class Pausing(World world, int at)
    {
        private readonly TaskCompletionSource paused = new();
        private readonly TaskCompletionSource resume = new();
        private readonly Worker worker = world.NewWorker();
        private int calls;

        public string Name => worker.Name;

        public async Task PassAsync()
        {
            if (Worker.Current != worker.Name || ++calls != at)
                return;
            paused.TrySetResult();
            await resume.Task;
        }

        public async Task<(Task Run, bool Paused)> StartAsync(IReadOnlyList<FakeMessage> messages)
        {
            var run = ProcessAllAsync(messages);
            await Task.WhenAny(run, paused.Task);
            return (run, paused.Task.IsCompleted);
        }

        public Task FinishAsync(Task run)
        {
            resume.TrySetResult();
            return run;
        }

        private async Task ProcessAllAsync(IReadOnlyList<FakeMessage> messages)
        {
            foreach (var message in messages)
            {
                try
                {
                    await worker.ProcessAsync(message);
                }
                catch (ConflictException error)
                {
                    // The message stays and comes again.
                    world.Errors.Add(error);
                }
            }
        }
    }
}
