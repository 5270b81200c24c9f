using Cdp.Storage;
using Cdp.Tests.Storage;
using Xunit.Abstractions;

namespace Cdp.Tests.Processing;

/// <summary>
/// Whatever happens before or after any storage call of collecting, resolving, committing, effects and merging, the state in the end is
/// that of the undisturbed run.
/// </summary>
public sealed class FaultInjectionTests(ITestOutputHelper output)
{
    /// <summary>Three people; the first two get to know each of the other's devices late, so that profiles have to be merged.</summary>
    private static readonly string[] Story =
    [
        Batch(
            """{"type":"page","messageId":"p1","anonymousId":"a1","timestamp":"2026-03-01T00:00:01Z"}""",
            """{"type":"identify","messageId":"i1","anonymousId":"a1","userId":"u1","traits":{"email":"One@mail.test","plan":"free"},"timestamp":"2026-03-01T00:00:02Z"}"""),
        Batch("""{"type":"track","event":"Viewed","messageId":"t2","anonymousId":"a2","timestamp":"2026-03-01T00:00:03Z"}"""),
        Batch("""{"type":"track","event":"Viewed","messageId":"t3","anonymousId":"a3","timestamp":"2026-03-01T00:00:04Z"}"""),
        Batch(
            """{"type":"identify","messageId":"i2","anonymousId":"a2","userId":"u1","traits":{"plan":"pro"},"timestamp":"2026-03-01T00:00:05Z"}""",
            """{"type":"track","event":"Ordered","messageId":"t4","userId":"u1","timestamp":"2026-03-01T00:00:06Z"}"""),
        Batch("""{"type":"alias","messageId":"l1","userId":"u3","previousId":"a3","timestamp":"2026-03-01T00:00:07Z"}"""),
        // A retry of what was sent before, with another sentAt, and a messageId used for something else.
        """{"sentAt":"2026-03-04T05:06:00Z","batch":[{"type":"page","messageId":"p1","anonymousId":"a1","timestamp":"2026-03-01T00:00:01Z"},{"type":"track","event":"Other","messageId":"t4","userId":"u1","timestamp":"2026-03-01T00:00:06Z"}]}""",
        Batch("""{"type":"track","event":"Viewed","messageId":"t5","anonymousId":"a2","timestamp":"2026-03-01T00:00:08Z"}"""),
    ];

    /// <summary>One new person known by two identifiers at once, and a second message about them.</summary>
    private static readonly string[] Meeting =
    [
        Batch("""{"type":"identify","messageId":"i1","anonymousId":"a1","userId":"u1","traits":{"email":"one@mail.test"},"timestamp":"2026-03-01T00:00:02Z"}"""),
        Batch("""{"type":"track","event":"Viewed","messageId":"t1","anonymousId":"a1","timestamp":"2026-03-01T00:00:03Z"}""",
            """{"type":"track","event":"Ordered","messageId":"t2","userId":"u1","timestamp":"2026-03-01T00:00:04Z"}"""),
    ];

    /// <summary>With each seed another profile wins the merge.</summary>
    public static TheoryData<string, int> Faults => new()
    {
        { "crash", 1 }, { "crash", 2 }, { "conflict", 1 }, { "conflict", 2 }, { "second delivery", 1 }, { "second delivery", 2 }, { "second delivery", 3 },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task AnyFaultBeforeOrAfterAnyCall_SameStateInTheEnd(string fault, int seed)
    {
        var (expected, calls) = await UndisturbedAsync(Story, seed);
        Assert.Equal(2, CountOf(expected, "timeline"));
        var injected = 0;
        for (var call = 1; call <= calls; call++)
        {
            foreach (var after in new[] { false, true })
            {
                var run = await RunAsync(Story, seed, call, after, fault);
                Assert.True(expected == run.State, $"{fault} {(after ? "after" : "before")} {run.Hit}:\n{run.State}\nexpected:\n{expected}");
                injected += run.Hit is null ? 0 : 1;
            }
        }

        output.WriteLine($"{fault}: {injected} places of {calls} calls");
        Assert.True(injected >= calls, $"only {injected} faults were injected into {calls} calls");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task TwoWorkersOnTheSameMessages_AnySwitchBetweenThem_SameStateInTheEnd(int seed)
    {
        var (expected, _) = await UndisturbedAsync(Meeting, seed);
        var schedules = 0;
        // The first worker runs up to its call i, the second up to its call j, then the first to its end, then the second.
        for (var i = 1; ; i++)
        {
            var reached = false;
            for (var j = 1; ; j++)
            {
                var (state, firstPaused, secondPaused) = await InterleaveAsync(Meeting, seed, i, j, crashSecond: false);
                Assert.True(expected == state, $"switch at {i} and {j}:\n{state}\nexpected:\n{expected}");
                schedules++;
                reached |= firstPaused;
                if (!secondPaused)
                    break;
            }

            if (!reached)
                break;
        }

        output.WriteLine($"{schedules} schedules");
        Assert.True(schedules > 100, $"only {schedules} schedules were run");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task SecondWorkerCrashesAtAnyCallInTheMiddleOfTheFirst_SameStateInTheEnd(int seed)
    {
        var (expected, _) = await UndisturbedAsync(Meeting, seed);
        var schedules = 0;
        for (var i = 1; ; i++)
        {
            var reached = false;
            for (var j = 1; ; j++)
            {
                var (state, firstPaused, secondCrashed) = await InterleaveAsync(Meeting, seed, i, j, crashSecond: true);
                Assert.True(expected == state, $"switch at {i}, crash at {j}:\n{state}\nexpected:\n{expected}");
                schedules++;
                reached |= firstPaused;
                if (!secondCrashed)
                    break;
            }

            if (!reached)
                break;
        }

        output.WriteLine($"{schedules} schedules");
        Assert.True(schedules > 100, $"only {schedules} schedules were run");
    }

    private static async Task<(string State, int Calls)> UndisturbedAsync(string[] story, int seed)
    {
        var world = await World.CreateAsync(seed);
        var before = world.Store.Calls;
        foreach (var body in story)
            await world.SendAsync(body);
        await world.DrainAsync();
        Assert.Empty(world.Errors);
        // The sweep of an undisturbed run reads all shards and finds nothing; injecting into each of its calls would only repeat itself.
        return (world.Describe(), world.CallsBeforeSweep!.Value - before);
    }

    private static async Task<(string State, StoreCall? Hit)> RunAsync(string[] story, int seed, int call, bool after, string fault)
    {
        var world = await World.CreateAsync(seed);
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
                    await TouchAsync(world.Store, seen);
                    break;
                case "second delivery" when current is not null:
                    // The lock of the message ran out: another worker gets it, and all else that waits.
                    var other = world.NewWorker();
                    world.Store.Release(current);
                    while (world.Next() is { } message)
                    {
                        await other.ProcessAsync(message);
                        world.Store.Delete(message);
                    }

                    break;
            }
        }

        if (after)
            world.Store.After = Inject;
        else
            world.Store.Before = Inject;
        foreach (var body in story)
            await world.SendAsync(body);
        while (world.Next() is { } message)
        {
            current = message;
            await world.DeliverAsync(message);
        }

        current = null;
        await world.DrainAsync();
        try
        {
            return (world.Describe(), hit);
        }
        catch (Xunit.Sdk.XunitException error)
        {
            throw new InvalidOperationException($"{fault} {(after ? "after" : "before")} {hit}: {error.Message}", error);
        }
    }

    /// <summary>Somebody rewrites, unchanged, every row the call is about: its version is another one now.</summary>
    internal static async Task TouchAsync(FakeStore store, StoreCall call)
    {
        if (call.Operation != StoreOperation.Commit && call.Operation != StoreOperation.GetRow)
            return;
        var table = Enum.Parse<TableName>(call.Place);
        foreach (var key in call.Keys)
        {
            if (await store.GetAsync(table, call.Partition, key, CancellationToken.None) is { } row)
                await store.CommitAsync(table, call.Partition, [RowWrite.Replace(key, row.Data, row.Version)], CancellationToken.None);
        }
    }

    private static async Task<(string State, bool FirstPaused, bool SecondPaused)> InterleaveAsync(string[] story, int seed, int i, int j, bool crashSecond)
    {
        var world = await World.CreateAsync(seed);
        foreach (var body in story)
            await world.SendAsync(body);
        var messages = world.Store.Messages(QueueName.Events);
        var (a, b) = (world.NewWorker(), world.NewWorker());
        var (resumeA, resumeB) = (new TaskCompletionSource(), new TaskCompletionSource());
        var (pausedA, pausedB) = (new TaskCompletionSource(), new TaskCompletionSource());
        var (callsOfA, callsOfB) = (0, 0);
        world.Store.Before = async call =>
        {
            if (Worker.Current == a.Name && ++callsOfA == i)
            {
                pausedA.TrySetResult();
                await resumeA.Task;
            }
            else if (Worker.Current == b.Name && ++callsOfB == j)
            {
                pausedB.TrySetResult();
                if (crashSecond)
                    throw new SimulatedCrashException(call);
                await resumeB.Task;
            }
        };

        var runA = ProcessAllAsync(world, a, messages);
        await Task.WhenAny(runA, pausedA.Task);
        var runB = ProcessAllAsync(world, b, messages);
        await Task.WhenAny(runB, pausedB.Task);
        resumeA.TrySetResult();
        await runA;
        resumeB.TrySetResult();
        await runB;
        world.Store.Before = null;
        foreach (var message in messages)
            world.Store.Release(message);
        await world.DrainAsync();
        return (world.Describe(), pausedA.Task.IsCompleted, pausedB.Task.IsCompleted);
    }

    private static async Task ProcessAllAsync(World world, Worker worker, IReadOnlyList<FakeMessage> messages)
    {
        foreach (var message in messages)
        {
            try
            {
                await worker.ProcessAsync(message);
            }
            catch (Exception error) when (error is ConflictException or SimulatedCrashException)
            {
                // The message stays and comes again.
                world.Errors.Add(error);
            }
        }
    }

    private static int CountOf(string text, string part) => text.Split(part).Length - 1;

    private static string Batch(params string[] events) => $$"""{"batch":[{{string.Join(',', events)}}]}""";
}
