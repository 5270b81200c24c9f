using System.Text.Json;
using Cdp.Deliveries;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Segments;
using Cdp.Tests.Storage;
using Cdp.Triggers;

namespace Cdp.Tests.Triggers;

/// <summary>One process that decides: its own caches over the shared storage.</summary>
internal sealed class Decider
{
    private readonly TriggerPlanner planner;

    public Decider(FakeStore store, TimeProvider time)
    {
        var (definitions, destinations) = (new DefinitionStore(store, time), new DestinationStore(store));
        var triggers = new TriggerStore(store, definitions, destinations, time);
        var rules = IdentityRulesRegistry.Of(IdentityRules.Default);
        var views = new DeliveryViews(
            store, new ProfileReader(store, new IdentityIndex(store, time), new ProfileStore(store), rules),
            new ProfileSegmentsReader(store, new DefinitionsRegistry(definitions, time), time), rules);
        var registry = new DestinationRegistry(destinations, time, triggers);
        var consents = new TraitConsents();
        planner = new TriggerPlanner(
            new TriggerRegistry(triggers, time), new TriggerLog(store), registry, new DeliveryPlanner(registry, new DestinationTypes([]), new DeliveryStore(store), views, store, consents), views, consents,
            store, store, time);
    }

    public Task ProcessAsync(string body) => DeliveryMessage.Parse(body) switch
    {
        { Trigger: { } waited } => planner.ContinueAsync(waited, CancellationToken.None),
        { Deliver: not null } => Task.CompletedTask,
        _ => planner.PlanAsync(Change.Parse(body), CancellationToken.None),
    };
}

/// <summary>Triggers in a <see cref="World"/>: people who do things, and what was decided about them.</summary>
internal sealed class TriggerWorld
{
    public const string Cart = """{"sequence":[{"event":"Product Added"},{"not":{"event":"Order Completed"}}],"within":"1h"}""";

    private int messages;

    private TriggerWorld(World world)
    {
        World = world;
        Decider = NewDecider();
    }

    public World World { get; }

    public FakeStore Store => World.Store;

    public SettableTime Time => World.Time;

    public Decider Decider { get; private set; }

    public TriggerStore Triggers => new(Store, new DefinitionStore(Store, Time), new DestinationStore(Store), Time);

    public Instant Now => Instant.Now(Time);

    public static async Task<TriggerWorld> CreateAsync()
    {
        var world = new TriggerWorld(await SegmentWorld.CreateAsync(1));
        await world.PutDestinationAsync("crm", enabled: true);
        return world;
    }

    public Decider NewDecider() => new(Store, Time);

    public void ReplaceDecider() => Decider = NewDecider();

    public Task PutDestinationAsync(string id, bool enabled, bool deleted = false) => new DestinationStore(Store).ChangeAsync(
        id,
        (_, _) =>
        {
            using var none = JsonDocument.Parse("{}");
            return Task.FromResult(
                new Destination(id, "webhook", enabled, none.RootElement.Clone(), new Dictionary<string, StoredSecret>(), [], new DeliveryLimits(50, 1)) { DeletedAt = deleted ? Now : null });
        },
        CancellationToken.None);

    public async Task PutAsync(string id, string on, string rest = "")
    {
        using var json = JsonDocument.Parse($$"""{"on":{{on}},"send":{"destination":"crm"}{{(rest.Length == 0 ? "" : "," + rest)}}}""");
        await Triggers.PutAsync(TriggerDocument.Read(id, json.RootElement.Clone(), Now), _ => { }, CancellationToken.None);
        ForgetCaches();
    }

    public async Task PutChannelAsync(string id, string members)
    {
        using var json = JsonDocument.Parse($"{{{members}}}");
        await Triggers.PutChannelAsync(TriggerDocument.ReadChannel(id, json.RootElement.Clone(), Now), _ => { }, CancellationToken.None);
        ForgetCaches();
    }

    /// <summary>As after ten seconds: everybody knows of what was stored.</summary>
    public void ForgetCaches()
    {
        World.Destinations = new DestinationRegistry(new DestinationStore(Store), Time, Triggers);
        World.ReplaceWorker();
        ReplaceDecider();
    }

    public Task IdentifyAsync(string user, string traits) =>
        World.SettleAsync($$"""{"type":"identify","messageId":"m{{++messages}}","userId":"{{user}}","traits":{{traits}} }""");

    public Task TrackAsync(string user, string name, string properties = "{}", string type = "userId") =>
        World.SettleAsync($$"""{"type":"track","event":"{{name}}","messageId":"m{{++messages}}","{{type}}":"{{user}}","properties":{{properties}} }""");

    /// <summary>An event that comes in by an import.</summary>
    public async Task ImportAsync(string user, string name)
    {
        var line = $$"""{"type":"track","event":"{{name}}","messageId":"m{{++messages}}","userId":"{{user}}"}""";
        await World.Worker.ImportAsync(WorldExtensions.Batch(line));
        await World.DrainAsync();
    }

    public async Task PassAsync(TimeSpan span)
    {
        Time.Advance(span);
        await World.UpdateDueAsync();
    }

    /// <summary>Works the queue off, all but what is to come later.</summary>
    public async Task DecideAsync()
    {
        var later = new List<FakeMessage>();
        while (Store.Receive(QueueName.Deliveries) is { } message)
        {
            if (message.Delay is { } delay && message.InsertedOn + delay > Time.GetUtcNow())
            {
                later.Add(message);
                continue;
            }

            await Decider.ProcessAsync(message.Body);
            Store.Delete(message);
        }

        foreach (var message in later)
            Store.Release(message);
    }

    public ProfileId IdOf(string user, string type = "user_id") => World.Owners(type, user).Single().Id;

    /// <summary>Such as <c>cart-mail held period</c>, in the order in which the moments came.</summary>
    public async Task<List<string>> OfAsync(string user, string type = "user_id")
    {
        var profile = World.Owners(type, user).Single();
        var ids = Person.Ids(new FoundProfile(ProfileKey.Parse(profile.Id.Value, IdentityRules.Default), profile, [], null));
        var all = new List<string>();
        await foreach (var decision in new TriggerLog(Store).OfPersonAsync(ids, null, null, null, CancellationToken.None))
            all.Insert(0, $"{decision.TriggerId} {decision.Outcome} {decision.Reason}".TrimEnd());
        return all;
    }

    public async Task<List<TriggerDecision>> LogAsync(string trigger)
    {
        var all = new List<TriggerDecision>();
        await foreach (var decision in new TriggerLog(Store).OfTriggerAsync(trigger, null, null, null, CancellationToken.None))
            all.Insert(0, decision);
        return all;
    }

    public List<Delivery> Deliveries() =>
        [.. Store.Snapshot().Where(r => r.Table == TableName.Deliveries && r.Key.StartsWith("d|", StringComparison.Ordinal)).Select(r => Delivery.Read(new Row(r.Partition, r.Key, "", r.Data)))];

    public List<TriggerDecision> Decisions() =>
        [.. Store.Snapshot().Where(r => r.Table == TableName.Triggers && r.Key.StartsWith("d|", StringComparison.Ordinal))
            .Select(r => JsonSerializer.Deserialize(r.Data, TriggerJson.Default.TriggerDecision)!)];

    /// <summary>One decision about a change; a delivery for each that is sent and for no other; the logs say the same.</summary>
    public async Task CheckAsync()
    {
        var decisions = Decisions();
        Assert.Equal(decisions.Count, decisions.Select(d => (d.TriggerId, d.ChangeId)).Distinct().Count());
        Assert.Equal(decisions.Where(d => d.IsSent).Select(d => d.DeliveryId).Order(StringComparer.Ordinal), Deliveries().Select(d => d.Id).Order(StringComparer.Ordinal));
        Assert.All(Deliveries(), d => Assert.Equal(DeliveryState.Queued, d.State));
        foreach (var trigger in decisions.GroupBy(d => d.TriggerId))
        {
            var logged = (await LogAsync(trigger.Key)).Select(d => $"{d.ChangeId} {d.ProfileId} {d.Outcome} {d.Reason} {d.DeliveryId}").Order(StringComparer.Ordinal);
            Assert.Equal(trigger.Select(d => $"{d.ChangeId} {d.ProfileId} {d.Outcome} {d.Reason} {d.DeliveryId}").Order(StringComparer.Ordinal), logged);
        }
    }
}
