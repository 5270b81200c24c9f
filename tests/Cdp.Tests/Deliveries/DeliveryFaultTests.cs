using Cdp.Deliveries;
using Cdp.Destinations;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Storage;
using Xunit.Abstractions;

namespace Cdp.Tests.Deliveries;

/// <summary>
/// Whatever happens before or after any storage call and any request of planning and delivering, every delivery arrives, each always under the same key, and in the end
/// all of them are delivered and nothing waits.
/// </summary>
public sealed class DeliveryFaultTests(ITestOutputHelper output)
{
    private static readonly string[] Events =
    [
        """{"type":"identify","messageId":"i1","userId":"ann","traits":{"email":"ann@mail.test","plan":"free"},"timestamp":"2026-03-01T00:00:01Z"}""",
        """{"type":"track","event":"Viewed","messageId":"t1","userId":"ann","timestamp":"2026-03-01T00:00:02Z"}""",
        """{"type":"track","event":"Ordered","messageId":"t2","userId":"ann","timestamp":"2026-03-01T00:00:03Z"}""",
        """{"type":"track","event":"Viewed","messageId":"t3","userId":"ben","timestamp":"2026-03-01T00:00:04Z"}""",
    ];

    public static TheoryData<string, int, bool> Faults => new()
    {
        { "crash", 1, false }, { "crash", 10, false }, { "crash", 10, true },
        { "second delivery", 1, false }, { "second delivery", 10, false }, { "second delivery", 10, true },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task AnyFaultAtAnyCallOrRequest_EveryDeliveryArrivesUnderItsKey(string fault, int batchSize, bool isState)
    {
        var (keys, calls) = await RunAsync(fault: null, batchSize, isState, at: 0, after: false);
        Assert.Equal(isState ? 1 : 4, keys.Count);
        var injected = 0;
        for (var at = 1; at <= calls; at++)
        {
            foreach (var after in (bool[])[false, true])
            {
                var (found, _) = await RunAsync(fault, batchSize, isState, at, after);
                Assert.True(found.SetEquals(keys) || isState, $"{fault} {(after ? "after" : "before")} {at}: {string.Join(' ', found)}");
                injected++;
            }
        }

        output.WriteLine($"{fault}, batches of {batchSize}{(isState ? ", state" : "")}: {injected} places");
    }

    /// <returns>The keys that arrived, and how many calls and requests there were.</returns>
    private static async Task<(HashSet<string> Keys, int Calls)> RunAsync(string? fault, int batchSize, bool isState, int at, bool after)
    {
        var subscription = isState ? new Subscription(SubscriptionOn.Profile) : new Subscription(SubscriptionOn.Event);
        var world = await DeliveryWorld.CreateAsync(batchSize, isState, subscription);
        // The destination's set is read before the faults begin, as in a process that has been up for a while.
        await world.Worker.Registry.CurrentAsync(CancellationToken.None);
        foreach (var e in Events)
            await world.World.SettleAsync(e);
        var changes = world.Store.Messages(QueueName.Deliveries).Select(m => Change.Parse(m.Body)).ToList();
        Assert.Equal(isState ? 1 : 4, changes.Count);

        var calls = 0;
        var hit = false;
        async Task OnAsync(StoreCall call, bool isAfter)
        {
            if (!isAfter)
                calls++;
            if (fault is null || hit || calls != at || isAfter != after)
                return;
            hit = true;
            if (fault == "crash")
                throw new SimulatedCrashException(call);
            await SecondAsync();
        }

        async Task SecondAsync()
        {
            // Another process has been given all that is in the queue, what this one works on included.
            var other = world.NewWorker();
            foreach (var message in world.Store.Messages(QueueName.Deliveries))
                await other.ProcessAsync(message.Body);
        }

        world.Store.Before = call => OnAsync(call, isAfter: false);
        world.Store.After = call => OnAsync(call, isAfter: true);
        world.Type.Hook = isAfter =>
        {
            try
            {
                OnAsync(new StoreCall(0, StoreOperation.SendMessage, "the destination", "", []), isAfter).GetAwaiter().GetResult();
            }
            catch (SimulatedCrashException)
            {
                world.Worker.Death.Cancel();
                throw new OperationCanceledException(world.Worker.Death.Token);
            }
        };
        await world.DrainAsync();
        world.Store.Before = world.Store.After = null;

        Assert.All(world.Deliveries(), d => Assert.Equal(DeliveryState.Delivered, d.State));
        Assert.Equal(changes.Select(c => c.Id).Order(), world.Deliveries().Select(d => d.Key).Order());
        Assert.Equal(0, world.Pending());
        Assert.Empty(world.Store.Messages(QueueName.Deliveries));
        var ids = world.Deliveries().ToDictionary(d => d.Key, d => d.Id);
        Assert.All(world.Type.Requests.SelectMany(r => r), o => Assert.Equal(ids[o.Key], o.DeliveryId));
        return ([.. world.Type.Requests.SelectMany(r => r).Select(o => o.Key)], calls);
    }
}
