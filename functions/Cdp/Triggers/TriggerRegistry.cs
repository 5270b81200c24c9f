using System.Collections.Frozen;
using System.Text.Json;
using Cdp.Caching;
using Cdp.Catalog;
using Cdp.Deliveries;
using Cdp.Events;
using Cdp.Segments;
using Cdp.Segments.Features;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;
using Cdp.Storage;

namespace Cdp.Triggers;

/// <summary>A pattern of the segment language, asked of one event.</summary>
internal sealed class EventMatcher
{
    private readonly EventPattern pattern;
    private readonly Filter? filter;
    private readonly PathTrie paths = new(ofEvents: true);
    private readonly int bySlot = -1;

    public EventMatcher(EventPattern pattern, PropertyPath? by)
    {
        this.pattern = pattern;
        if (!pattern.Where.IsEmpty)
            filter = Filter.Compile(pattern.Where, paths);
        if (by is not null)
            bySlot = paths.Values(by.Steps.AsSpan());
    }

    /// <summary>Whether it is meant.</summary>
    /// <param name="group">The value that events of one group share; default where nothing groups them, null where the event belongs to no group.</param>
    public bool Matches(Event e, out Hash128? group)
    {
        group = default(Hash128);
        if (EventNames.Of(e) != pattern.Event || (pattern.LiveOnly && e.Historical) || pattern.On?.Contains(e.Timestamp) == false)
            return false;
        var found = new FoundValues();
        paths.Read(e, found);
        if (bySlot >= 0)
            group = AbsenceFeature.Group(found.Values[bySlot]);
        return filter?.Holds(found) != false;
    }
}

/// <summary>A trigger, ready to be asked.</summary>
public sealed class ReadyTrigger
{
    public ReadyTrigger(Trigger trigger)
    {
        Trigger = trigger;
        Every = trigger.Every is { } every && Duration.TryParse(every, out var span) ? span.Milliseconds : null;
        if (trigger.On.Json is not { } json)
            return;
        var reader = new DefinitionReader();
        var parser = new ConditionParser(reader);
        if (trigger.On.Kind == TriggerKind.Event)
        {
            var pattern = parser.Pattern(json, "on");
            if (reader.Errors.Count == 0 && pattern is not null)
                (Event, EventName) = (new EventMatcher(pattern, by: null), pattern.Event);
        }
        else if (parser.Condition(TriggerStore.Where(trigger.On), "on") is SequenceCondition sequence && reader.Errors.Count == 0)
        {
            var live = (SequenceCondition)SegmentDefinition.Live(sequence);
            Taken = new EventMatcher(live.Steps[^1], live.By);
            Absent = live.Absent is { } absent ? new EventMatcher(absent, live.By) : null;
            Within = live.Absent is null ? null : live.Within?.Milliseconds;
        }

        // Checked when it was put; a definition of another version of the app is not obeyed in part.
        IsBroken = Event is null && Taken is null;
    }

    public Trigger Trigger { get; }

    public bool IsBroken { get; }

    /// <summary>Milliseconds.</summary>
    public long? Every { get; }

    /// <summary>Of <see cref="TriggerKind.Event"/>.</summary>
    public string? EventName { get; }

    internal EventMatcher? Event { get; }

    /// <summary>The last step of a sequence that is to be seen: what is sent shows that event.</summary>
    internal EventMatcher? Taken { get; }

    internal EventMatcher? Absent { get; }

    /// <summary>How long an absence has to last, in milliseconds; null for a sequence without one.</summary>
    internal long? Within { get; }

    /// <summary>As far as the change itself tells: of an event, its name is not in it.</summary>
    public bool Concerns(Change change) => !IsBroken && Trigger.On.Kind switch
    {
        TriggerKind.Segment => change.Kind == (Trigger.On.Exited ? ChangeKind.SegmentExited : ChangeKind.SegmentEntered) && change.SegmentId == Trigger.On.SegmentId,
        TriggerKind.Sequence => change.Kind == ChangeKind.SegmentEntered && change.SegmentId == DefinitionIds.OfTrigger(Trigger.Id),
        _ => change.Kind == ChangeKind.Event,
    };
}

/// <summary>A channel, ready to be asked.</summary>
public sealed class ReadyChannel
{
    private readonly LocalTimes? quiet;

    public ReadyChannel(Channel channel)
    {
        Channel = channel;
        Caps = [.. channel.Caps.Select(static cap => (cap.Count, Duration.TryParse(cap.Per, out var per) ? per.Milliseconds : long.MaxValue))];
        if (channel.QuietHours is { } hours)
            quiet = new ConditionParser(new DefinitionReader()).On(hours, "quietHours");
    }

    public Channel Channel { get; }

    /// <summary>Sends, and milliseconds.</summary>
    public IReadOnlyList<(int Count, long Per)> Caps { get; }

    /// <summary>When the quiet hours are over that it is now; null where it is none. Looked for as long as anything is worth deciding.</summary>
    public Instant? QuietUntil(Instant now)
    {
        if (quiet?.Contains(now) != true)
            return null;
        var minute = TimeSpan.FromMinutes(1);
        var at = new Instant(now.Milliseconds / (long)minute.TotalMilliseconds * (long)minute.TotalMilliseconds).Plus(minute);
        var last = now.Plus(TriggerLimits.MostAge);
        while (at < last && quiet.Contains(at))
            at = at.Plus(minute);
        return at;
    }
}

/// <summary>All triggers and channels at one moment.</summary>
public sealed class TriggerSet(IReadOnlyList<Trigger> triggers, IReadOnlyList<Channel> channels)
{
    public static readonly TriggerSet None = new([], []);

    private readonly FrozenDictionary<string, ReadyChannel> byId = channels.ToFrozenDictionary(static c => c.Id, static c => new ReadyChannel(c), StringComparer.Ordinal);

    public IReadOnlyList<ReadyTrigger> Enabled { get; } = [.. triggers.Where(static t => t is { Enabled: true, DeletedAt: null }).Select(static t => new ReadyTrigger(t))];

    /// <summary>Of the events that are asked for.</summary>
    public IReadOnlyList<string> EventNames => [.. Enabled.Where(static t => t.EventName is not null).Select(static t => t.EventName!)];

    public ReadyChannel? FindChannel(string id) => byId.GetValueOrDefault(id);
}

/// <summary>The triggers and channels that hold now: at most 10 s behind what is stored, at once in the process that changed them.</summary>
/// <remarks>While the storage does not answer the old ones stay.</remarks>
public sealed class TriggerRegistry(TriggerStore store, TimeProvider time)
{
    private readonly SharedSnapshot<TriggerSet> snapshots = new(
        async cancellation => new TriggerSet(await store.ListAsync(cancellation), await store.ListChannelsAsync(cancellation)), time);

    public ValueTask<TriggerSet> CurrentAsync(CancellationToken cancellation) => snapshots.CurrentAsync(cancellation);

    /// <summary>This process has just stored others.</summary>
    public void Expire() => snapshots.Expire();
}
