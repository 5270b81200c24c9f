using System.Collections.Frozen;
using Cdp.Caching;
using Cdp.Catalog;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Triggers;

namespace Cdp.Destinations;

/// <summary>A subscription, ready to be asked.</summary>
public sealed class ReadySubscription
{
    public ReadySubscription(Subscription subscription)
    {
        Subscription = subscription;
        var errors = new List<ProblemError>();
        if (subscription.Filter is { } filter)
            Filter = EventFilter.Parse(filter, "filter", errors);
        // Checked when it was put; a definition of another version of the app is not obeyed in part.
        IsBroken = errors.Count > 0;
    }

    public Subscription Subscription { get; }

    public EventFilter? Filter { get; }

    public bool IsBroken { get; }

    public bool TakesSegment(string segment, bool entered) =>
        Subscription.On == SubscriptionOn.Segment && Has(Subscription.Segments, segment) && Has(Subscription.Changes, entered ? Subscription.Entered : Subscription.Exited);

    public bool TakesEvent(string name) => Subscription.On == SubscriptionOn.Event && Has(Subscription.Events, name);

    /// <param name="changed">Names of traits; null where they are not known.</param>
    public bool TakesProfile(IReadOnlyList<string>? changed)
    {
        if (Subscription.On != SubscriptionOn.Profile)
            return false;
        if (Subscription.Traits is not { Count: > 0 } traits || changed is null)
            return true;
        foreach (var name in changed)
        {
            if (traits.Contains(name))
                return true;
        }

        return false;
    }

    public bool Excepts(string? source) => source is not null && Subscription.ExceptSources?.Contains(source) == true;

    private static bool Has(IReadOnlyList<string>? listed, string value) => listed is null || listed.Contains(value);
}

public sealed record ReadyDestination(Destination Destination, string Version, IReadOnlyList<ReadySubscription> Subscriptions);

/// <summary>All destinations at one moment.</summary>
public sealed class DestinationSet
{
    public static readonly DestinationSet None = new([]);

    private readonly FrozenDictionary<string, ReadyDestination> byId;
    private readonly bool allEvents;
    private readonly FrozenSet<string> events;

    /// <param name="ofTriggers">Names of events that triggers want to hear of.</param>
    public DestinationSet(IReadOnlyList<ReadyDestination> destinations, IReadOnlyList<string>? ofTriggers = null)
    {
        byId = destinations.ToFrozenDictionary(static d => d.Destination.Id, StringComparer.Ordinal);
        Enabled = [.. destinations.Where(static d => d.Destination.Enabled)];
        var subscriptions = Enabled.SelectMany(static d => d.Subscriptions).Where(static s => !s.IsBroken).Select(static s => s.Subscription).ToList();
        WantsSegments = subscriptions.Exists(static s => s.On == SubscriptionOn.Segment);
        WantsProfiles = subscriptions.Exists(static s => s.On == SubscriptionOn.Profile);
        allEvents = subscriptions.Exists(static s => s is { On: SubscriptionOn.Event, Events: null });
        events = subscriptions.Where(static s => s.On == SubscriptionOn.Event).SelectMany(static s => s.Events ?? []).Concat(ofTriggers ?? []).ToFrozenSet(StringComparer.Ordinal);
    }

    public IReadOnlyList<ReadyDestination> Enabled { get; }

    public bool WantsSegments { get; }

    public bool WantsProfiles { get; }

    public bool WantsEvents => allEvents || events.Count > 0;

    public bool WantsEvent(Event e) => WantsEvents && EventNames.Of(e) is { } name && (allEvents || events.Contains(name));

    public ReadyDestination? Find(string id) => byId.GetValueOrDefault(id);
}

/// <summary>The destinations that hold now: at most 10 s behind what is stored, at once in the process that changed them.</summary>
/// <remarks>
/// What a commit writes for others to know is decided by this: a change within 10 s after a subscription was put may still go by without it. While the storage does
/// not answer the old set stays.
/// </remarks>
public sealed class DestinationRegistry
{
    private readonly SharedSnapshot<DestinationSet>? snapshots;

    /// <param name="triggers">Which also want to hear of events; null for none.</param>
    public DestinationRegistry(DestinationStore store, TimeProvider time, TriggerStore? triggers = null)
    {
        snapshots = new SharedSnapshot<DestinationSet>(
            async cancellation =>
            {
                var ready = new List<ReadyDestination>();
                await foreach (var (destination, version) in store.AllAsync(cancellation))
                {
                    if (destination.DeletedAt is null)
                        ready.Add(new ReadyDestination(destination, version, [.. destination.Subscriptions.Select(static s => new ReadySubscription(s))]));
                }

                var ofTriggers = triggers is null ? [] : new TriggerSet(await triggers.ListAsync(cancellation), []).EventNames;
                return ready.Count == 0 ? DestinationSet.None : new DestinationSet(ready, ofTriggers);
            },
            time);
    }

    private DestinationRegistry()
    {
    }

    /// <summary>There are none, ever.</summary>
    public static DestinationRegistry None { get; } = new();

    public ValueTask<DestinationSet> CurrentAsync(CancellationToken cancellation) => snapshots is null ? new(DestinationSet.None) : snapshots.CurrentAsync(cancellation);

    /// <summary>This process has just stored other destinations.</summary>
    public void Expire() => snapshots?.Expire();
}
