using System.Text.Json;
using Cdp.Deliveries;
using Cdp.Destinations;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;
using Cdp.Triggers;

namespace Cdp.Tests.Deliveries;

/// <summary>A destination in memory that does what the test says, and remembers what it was sent.</summary>
internal sealed class ScriptedDestination(bool isState = false) : IDestinationType
{
    public string Name => "scripted";

    public IReadOnlyList<string> Secrets { get; } = [];

    public (int Default, int Most) BatchSize => (1, 100);

    public bool IsState => isState;

    /// <summary>Every request, in order, with what was in it.</summary>
    public List<IReadOnlyList<Outgoing>> Requests { get; } = [];

    public Func<IReadOnlyList<Outgoing>, SendResult> Answer { get; set; } = static _ => Result(SendStatus.Delivered, 200);

    /// <summary>Called before and after a request takes effect there.</summary>
    public Action<bool>? Hook { get; set; }

    public void Check(JsonFields settings, Func<string, bool> has)
    {
    }

    public Task<SendResult> SendAsync(DestinationTarget target, IReadOnlyList<Outgoing> batch, CancellationToken cancellation)
    {
        Hook?.Invoke(false);
        lock (Requests)
            Requests.Add(batch);
        var answer = Answer(batch);
        Hook?.Invoke(true);
        return Task.FromResult(answer);
    }

    public static SendResult Result(SendStatus status, int code, TimeSpan? after = null) => new(status, new Exchange("POST", "scripted", 1, code, 0), after);
}

/// <summary>Processes that plan and deliver over one fake store.</summary>
internal sealed class DeliveryWorld
{
    public const string Id = "crm";

    private const int MostMessages = 500;

    private readonly DeliveryPolicy policy = new() { QuickRetries = 0 };
    private readonly Random random = new(1);
    private int handled;

    private DeliveryWorld(World world, ScriptedDestination type) => (World, Type) = (world, type);

    public World World { get; }

    public ScriptedDestination Type { get; }

    public FakeStore Store => World.Store;

    public DeliveryWorker Worker { get; private set; } = null!;

    public static async Task<DeliveryWorld> CreateAsync(int batchSize = 1, bool isState = false, params Subscription[] subscriptions)
    {
        var world = await World.CreateAsync(seed: 7);
        world.Destinations = new DestinationRegistry(new DestinationStore(world.Store), world.Time);
        world.ReplaceWorker();
        var made = new DeliveryWorld(world, new ScriptedDestination(isState));
        await made.PutAsync(Id, batchSize, subscriptions.Length > 0 ? subscriptions : [new Subscription(SubscriptionOn.Event)]);
        made.ReplaceWorker();
        return made;
    }

    public async Task PutAsync(string id, int batchSize, params Subscription[] subscriptions)
    {
        var destination = new Destination(
            id, "scripted", true, JsonDocument.Parse("{}").RootElement, new Dictionary<string, StoredSecret>(), subscriptions, new DeliveryLimits(10_000, batchSize));
        await new DestinationStore(Store).ChangeAsync(id, (_, _) => Task.FromResult(destination), CancellationToken.None);
    }

    public void ReplaceWorker() => Worker = NewWorker();

    public DeliveryWorker NewWorker() => new(Store, World.Time, Type, policy, random);

    /// <summary>Works the queue off; a message that waits makes the clock go on.</summary>
    public async Task DrainAsync()
    {
        while (Store.Receive(QueueName.Deliveries) is { } message)
        {
            if (++handled > MostMessages)
                throw new InvalidOperationException("Messages go round and round: " + message.Body);
            if (message.Delay is { } delay && message.DequeueCount == 1)
                World.Time.Advance(delay);
            try
            {
                await Worker.ProcessAsync(message.Body);
                Store.Delete(message);
            }
            catch (Exception crash) when (crash is SimulatedCrashException or OperationCanceledException)
            {
                ReplaceWorker();
                Store.Release(message);
            }
        }
    }

    public List<Delivery> Deliveries(string id = Id) =>
        [.. Store.Snapshot().Where(r => r.Table == TableName.Deliveries && r.Partition == id && r.Key.StartsWith("d|", StringComparison.Ordinal))
            .Select(r => Delivery.Read(new Row(r.Partition, r.Key, "", r.Data)))];

    public int Pending(string id = Id) => Store.Snapshot().Count(r => r.Table == TableName.Deliveries && r.Partition == id && r.Key.StartsWith("q|", StringComparison.Ordinal));
}

/// <summary>One process.</summary>
internal sealed class DeliveryWorker
{
    private readonly DeliveryProcessor processor;

    public DeliveryWorker(FakeStore store, TimeProvider time, ScriptedDestination type, DeliveryPolicy policy, Random random)
    {
        var rules = IdentityRulesRegistry.Of(IdentityRules.Default);
        var profiles = new ProfileStore(store);
        var destinations = new DestinationStore(store);
        Registry = new DestinationRegistry(destinations, time);
        Deliveries = new DeliveryStore(store);
        var views = new DeliveryViews(
            store, new ProfileReader(store, new IdentityIndex(store, time), profiles, rules), new ProfileSegmentsReader(store, DefinitionsRegistry.None, time), rules);
        var types = new DestinationTypes([type]);
        Planner = new DeliveryPlanner(Registry, types, Deliveries, views, store, new TraitConsents());
        Redriver = new DeliveryRedriver(Deliveries, store, new IdGenerator(time, random.NextBytes), time);
        Purge = new DeliveryPurge(destinations, Deliveries, policy, time);
        var triggers = new TriggerRegistry(new TriggerStore(store, new DefinitionStore(store, time), destinations, time), time);
        processor = new DeliveryProcessor(
            Planner, new TriggerPlanner(triggers, new TriggerLog(store), Registry, Planner, views, new TraitConsents(), store, store, time),
            new Deliverer(Registry, destinations, types, new SecretVault(store, new NoSecrets(), time), Deliveries, views, Planner, store, policy, time), Redriver);
    }

    public DestinationRegistry Registry { get; }

    public DeliveryStore Deliveries { get; }

    public DeliveryPlanner Planner { get; }

    public DeliveryRedriver Redriver { get; }

    public DeliveryPurge Purge { get; }

    /// <summary>Ends the process while it waits for a destination.</summary>
    public CancellationTokenSource Death { get; } = new();

    public Task ProcessAsync(string body) => processor.ProcessAsync(body, Death.Token);

    private sealed class NoSecrets : ISecretSettings
    {
        public byte[]? Key => null;

        public string? Find(string name) => null;
    }
}
