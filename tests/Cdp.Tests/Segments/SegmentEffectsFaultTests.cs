using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;
using Xunit.Abstractions;

namespace Cdp.Tests.Segments;

/// <summary>
/// Whatever happens before or after any storage call: the changes in the queue, each id once, are those that the documents count. None is missing, none is of a
/// commit that did not happen.
/// </summary>
public sealed class SegmentEffectsFaultTests(ITestOutputHelper output)
{
    private static readonly (string Id, string Where)[] Definitions =
    [
        ("buyer", """{"event":"Order Completed","count":{"gte":2}}"""),
        ("first-order", """{"event":"Order Completed","count":{"eq":1}}"""),
        ("gold", """{"trait":"plan","eq":"gold"}"""),
        ("cart", """{"sequence":[{"event":"Product Added"},{"not":{"event":"Order Completed"}}],"within":"1h"}"""),
        ("recent", """{"event":"Product Added","within":"62m"}"""),
    ];

    /// <summary>Two people enter and leave, within a batch and across batches, with repetitions.</summary>
    private static readonly string[] Events =
    [
        WorldExtensions.Batch(Track("Order Completed", "o1", "u1"), Track("Product Added", "a1", "u2")),
        WorldExtensions.Batch(Plan("i1", "u1", "gold"), Plan("i2", "u1", "free"), Track("Order Completed", "o2", "u1")),
        WorldExtensions.Batch(Track("Order Completed", "o2", "u1"), Plan("i3", "u2", "gold"), Track("Order Completed", "o3", "u2")),
        WorldExtensions.Batch(Plan("i4", "u2", "free")),
    ];

    public static TheoryData<string> Faults => new() { "crash", "conflict", "second delivery" };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Events_AnyFaultBeforeOrAfterAnyCall_TellWhatTheDocumentsCount(string fault)
    {
        var (expected, calls, _) = await EventsAsync(0, after: false, fault);
        Assert.Equal(9, expected.Count);
        var injected = 0;
        for (var call = 1; call <= calls; call++)
        {
            foreach (var after in new[] { false, true })
            {
                var (told, _, hit) = await EventsAsync(call, after, fault);
                Assert.True(expected.SequenceEqual(told, StringComparer.Ordinal), $"{fault} {(after ? "after" : "before")} {hit}: {string.Join(", ", told)}");
                injected += hit is null ? 0 : 1;
            }
        }

        output.WriteLine($"{fault}: {injected} places of {calls} calls");
        Assert.True(injected >= calls, $"only {injected} faults were injected into {calls} calls");
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Timer_AnyFaultBeforeOrAfterAnyCall_TellsWhatTheDocumentsCount(string fault)
    {
        var (expected, calls, _) = await TimerAsync(0, after: false, fault);
        Assert.Equal(6, expected.Count);
        var injected = 0;
        for (var call = 1; call <= calls; call++)
        {
            foreach (var after in new[] { false, true })
            {
                var (told, _, hit) = await TimerAsync(call, after, fault);
                Assert.True(expected.SequenceEqual(told, StringComparer.Ordinal), $"{fault} {(after ? "after" : "before")} {hit}: {string.Join(", ", told)}");
                injected += hit is null ? 0 : 1;
            }
        }

        output.WriteLine($"{fault}: {injected} places of {calls} calls");
        Assert.True(injected >= calls, $"only {injected} faults were injected into {calls} calls");
    }

    /// <summary>Who was there first wins the merge.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Merge_CrashBeforeOrAfterAnyCall_TellsTheSameToThePerson(bool anonymousFirst)
    {
        var (expected, calls, _) = await MergeAsync(anonymousFirst, 0, after: false);
        Assert.NotEmpty(expected);
        for (var call = 1; call <= calls; call++)
        {
            foreach (var after in new[] { false, true })
            {
                var (told, _, hit) = await MergeAsync(anonymousFirst, call, after);
                Assert.True(expected.SequenceEqual(told, StringComparer.Ordinal), $"crash {(after ? "after" : "before")} {hit}: {string.Join(", ", told)}; expected: {string.Join(", ", expected)}");
            }
        }
    }

    private static string Track(string name, string id, string user) => $$"""{"type":"track","event":"{{name}}","messageId":"{{id}}","userId":"{{user}}"}""";

    private static string Plan(string id, string user, string plan) => $$"""{"type":"identify","messageId":"{{id}}","userId":"{{user}}","traits":{"plan":"{{plan}}"} }""";

    private static async Task<(List<string> Told, int Calls, StoreCall? Hit)> EventsAsync(int at, bool after, string fault)
    {
        var world = await SegmentWorld.CreateAsync(1, Definitions);
        foreach (var body in Events)
            await world.SendAsync(body);
        var injector = new Injector(world, at, after, fault, world.Next);
        for (var message = world.Next(); message is not null; message = world.Next())
        {
            // Later ones win, and change something.
            world.Time.Advance(TimeSpan.FromSeconds(1));
            injector.Current = message;
            await world.DeliverAsync(message);
        }

        return await injector.EndAsync();
    }

    private static async Task<(List<string> Told, int Calls, StoreCall? Hit)> TimerAsync(int at, bool after, string fault)
    {
        var world = await SegmentWorld.CreateAsync(1, Definitions);
        await world.SettleAsync(Track("Product Added", "a1", "u1"), Track("Product Added", "a2", "u2"));
        // Both carts have matured, and both additions are no longer recent.
        world.Time.Advance(TimeSpan.FromMinutes(61));
        await world.Worker.ScheduleAsync();
        FakeMessage? Next() => world.Store.Receive(QueueName.Segments);
        var injector = new Injector(world, at, after, fault, Next);
        for (var message = Next(); message is not null; message = Next())
        {
            injector.Current = message;
            await world.DeliverAsync(message);
        }

        return await injector.EndAsync();
    }

    private static async Task<(List<string> Told, int Calls, StoreCall? Hit)> MergeAsync(bool anonymousFirst, int at, bool after)
    {
        var world = await SegmentWorld.CreateAsync(
            1, ("buyer", Definitions[0].Where), ("visitor", """{"event":"$page"}"""), ("not-bought", """{"all":[{"event":"$page"},{"not":{"event":"Order Completed"}}]}"""));
        foreach (var first in new[] { anonymousFirst, !anonymousFirst })
            await world.SettleAsync(first ? """{"type":"page","messageId":"p1","anonymousId":"a1"}""" : Track("Order Completed", "o1", "u1"));
        await world.SendAsync(WorldExtensions.Batch("""{"type":"track","event":"Order Completed","messageId":"o2","userId":"u1","anonymousId":"a1"}"""));
        var injector = new Injector(world, at, after, "crash", world.Next);
        for (var message = world.Next(); message is not null; message = world.Next())
            await world.DeliverAsync(message);
        var (_, calls, hit) = await injector.EndAsync(merged: true);
        // What a crash between the merge and its settling has left to the timer.
        world.Time.Advance(Cdp.Segments.SegmentUpdater.Postponement + TimeSpan.FromSeconds(1));
        await world.UpdateDueAsync();
        await world.CheckAsync();
        world.CheckToldOfMerged();
        var winner = world.Live().Single().Id;
        return ([.. world.Told().Select(c => $"{(c.ProfileId == winner ? "winner" : "loser")} {ToldChanges.Text(c)}").Order(StringComparer.Ordinal)], calls, hit);
    }

    /// <summary>One fault at one call.</summary>
    private sealed class Injector
    {
        private readonly World world;
        private readonly int first;
        private StoreCall? hit;

        public Injector(World world, int at, bool after, string fault, Func<FakeMessage?> next)
        {
            this.world = world;
            first = world.Store.Calls;
            async Task Inject(StoreCall seen)
            {
                if (hit is not null || seen.Number != first + at)
                    return;
                hit = seen;
                switch (fault)
                {
                    case "crash":
                        throw new SimulatedCrashException(seen);
                    case "conflict":
                        await FaultInjectionTests.TouchAsync(world.Store, seen);
                        break;
                    case "second delivery" when Current is not null:
                        var other = world.NewWorker();
                        world.Store.Release(Current);
                        while (next() is { } message)
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
        }

        public FakeMessage? Current { get; set; }

        /// <summary>The sweep sends what is left, and all is checked.</summary>
        public async Task<(List<string> Told, int Calls, StoreCall? Hit)> EndAsync(bool merged = false)
        {
            var calls = world.Store.Calls - first;
            world.Store.Before = world.Store.After = null;
            await world.DrainAsync();
            Assert.Empty(world.Rows("o|"));
            if (!merged)
            {
                await world.CheckAsync();
                world.CheckTold();
            }

            return ([.. world.Told().Select(c => $"{c.Id.Split(':')[2]} {ToldChanges.Text(c)} {c.MessageId}").Order(StringComparer.Ordinal)], calls, hit);
        }
    }
}
