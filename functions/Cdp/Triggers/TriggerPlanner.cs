using Cdp.Deliveries;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Storage;

namespace Cdp.Triggers;

/// <summary>Decides for each trigger that a change concerns whether something is sent to the person, and says why not.</summary>
/// <remarks>
/// <para>
/// One decision for each trigger and change, however often the change comes. It is written together with the person's history, in one transaction on condition of the
/// history that it was decided by (<see cref="TriggerLog.RecordAsync"/>): two changes at once are decided one after the other, and the second sees what the first has sent.
/// The delivery is planned after that, from what the decision says.
/// </para>
/// <list type="table">
/// <item><term>dies before the decision</term><description>nothing is written; the change comes again and is decided then.</description></item>
/// <item><term>dies after it, before the log or the delivery</term><description>the change comes again, finds the decision, and notes and plans the same: same key, same
/// time, so the same delivery.</description></item>
/// <item><term>the change comes twice, or to two workers</term><description>one writes the decision; the other is refused, finds it, and does the same again.</description></item>
/// <item><term>the answer of the write gets lost</term><description>the change comes again, or the worker is refused; either way the decision is found.</description></item>
/// <item><term>the profile is merged meanwhile</term><description>it is decided under the winner, by the histories of all that were merged into it. Before they are read
/// each gets a note, which refuses the write of a worker that has not heard of the merge (<see cref="TriggerLog.HistoryAsync"/>).</description></item>
/// </list>
/// <para>
/// A person's memberships are settled only when a merge or an unmerge is done: until then a decision waits, at most <see cref="MostPostponements"/> times. After an unmerge
/// each side keeps what was decided under its own id.
/// </para>
/// </remarks>
public sealed class TriggerPlanner(
    TriggerRegistry registry, TriggerLog log, DestinationRegistry destinations, DeliveryPlanner deliveries, DeliveryViews views, IConsents consents, IRowStore rows, IMessageQueue queue,
    TimeProvider time)
{
    /// <summary>Whoever is still not settled then is decided about as it is: a profile whose state is too large never settles.</summary>
    public const int MostPostponements = 10;

    private static readonly TimeSpan Postponement = TimeSpan.FromSeconds(30);

    // Each try lost against another decision about the same person.
    private const int MostTries = 10;

    // Events that are looked through for the one that set a trigger off.
    private const int MostEvents = 500;

    public async Task PlanAsync(Change change, CancellationToken cancellation)
    {
        var set = await registry.CurrentAsync(cancellation);
        Event? e = null;
        var asked = false;
        foreach (var trigger in set.Enabled)
        {
            if (!trigger.Concerns(change))
                continue;
            if (trigger.Event is { } wanted)
            {
                // Read once for all of them: most want other events. Where it is not found here, a merge is taking it along, and each looks for itself.
                if (!asked && await views.FindAsync(change.ProfileId.Value, cancellation) is { } found)
                    e = await views.EventAsync(found, change.ProfileId, CauseOf(trigger, change), cancellation);
                asked = true;
                if (e is null || wanted.Matches(e, out _))
                    await DecideAsync(trigger, set, new TriggerTask(trigger.Trigger.Id, change), cancellation);
            }
            else
            {
                await DecideAsync(trigger, set, new TriggerTask(trigger.Trigger.Id, change), cancellation);
            }
        }
    }

    /// <summary>A decision that had to wait. Where the trigger was disabled or deleted meanwhile there is none.</summary>
    public async Task ContinueAsync(TriggerTask task, CancellationToken cancellation)
    {
        var set = await registry.CurrentAsync(cancellation);
        foreach (var trigger in set.Enabled)
        {
            if (trigger.Trigger.Id == task.Trigger && trigger.Concerns(task.Change))
                await DecideAsync(trigger, set, task, cancellation);
        }
    }

    private async Task DecideAsync(ReadyTrigger ready, TriggerSet set, TriggerTask task, CancellationToken cancellation)
    {
        var (trigger, change) = (ready.Trigger, task.Change);
        var moved = new HashSet<ProfileId>();
        for (var tries = 0; tries < MostTries; tries++)
        {
            // Nobody to speak of: erased, or never more than a claim.
            if (await views.FindAsync(change.ProfileId.Value, cancellation) is not { } found)
                return;
            if (ready.Event is { } wanted)
            {
                var e = await views.EventAsync(found, change.ProfileId, CauseOf(ready, change), cancellation);
                // A merge may have taken it along since the profile was looked for.
                if (e is null && (await views.FindAsync(change.ProfileId.Value, cancellation))?.Profile.Id is { } led && led != found.Profile.Id)
                    continue;
                if (e is null && await WaitsForMergeAsync(found, task, cancellation))
                    return;
                if (e is null || !wanted.Matches(e, out _))
                    return;
            }

            var merged = Person.MergedInto(found, change.ProfileId);
            if (await log.HistoryAsync(found.Profile.Id, merged, cancellation) is not { } history)
                continue;
            // Merged since the document was read? Then it says so now. If it still does not, a merge was taken back, and the note is of no meaning.
            if (history.MovedTo is not null && moved.Add(found.Profile.Id))
                continue;
            if (await log.FindAsync(trigger.Id, change.Id, change.At, [found.Profile.Id, .. merged], cancellation) is { } made)
            {
                await CompleteAsync(made, cancellation);
                return;
            }

            var now = Instant.Now(time);
            var channel = trigger.Channel is { } id ? set.FindChannel(id) : null;
            if (await WaitsAsync(ready, found, channel, task, now, cancellation))
                return;
            var cause = await FindCauseAsync(ready, found, change, cancellation);
            var reason = await ReasonAsync(ready, channel, found.Profile, change, cause, history, now, cancellation);
            var decision = Decision(ready, channel, found.Profile, change, cause, reason, now);
            if (!await log.RecordAsync(decision, history, cancellation))
                continue;
            Stats.Telemetry.Triggered(trigger.Id, decision.Outcome);
            await CompleteAsync(decision, cancellation);
            return;
        }

        throw new ConflictException($"Others decided about {change.ProfileId} {MostTries} times in a row.");
    }

    /// <summary>What follows from a decision; again, it changes nothing.</summary>
    private async Task CompleteAsync(TriggerDecision decision, CancellationToken cancellation)
    {
        await log.NoteAsync(decision, cancellation);
        // Long done: the delivery itself may have been removed by now, and planning it would send it again.
        if (decision.Plan is not { } plan || Instant.Now(time) > decision.DecidedAt.Plus(TriggerLimits.MostAge))
            return;
        await deliveries.PlanAsync(
            new DeliveryRequest(decision.DestinationId!, plan.Key, new ProfileId(decision.ProfileId), plan.ProfileVersion, decision.DecidedAt, plan.Cause, plan.Shape), cancellation);
    }

    /// <summary>Whether it is not to be decided yet: then it comes again by itself.</summary>
    private async Task<bool> WaitsAsync(ReadyTrigger ready, FoundProfile found, ReadyChannel? channel, TriggerTask task, Instant now, CancellationToken cancellation)
    {
        if (await WaitsForMergeAsync(found, task, cancellation))
            return true;
        // What is held anyway need not wait for the morning.
        if (task.Change.Historical || IsTooLate(task.Change, now) || channel?.QuietUntil(now) is not { } until)
            return false;
        var wait = TimeSpan.FromMilliseconds(until.Milliseconds - now.Milliseconds);
        // First the message: who dies in between has it twice, and decides once.
        await PostponeAsync(task, TimeSpan.FromSeconds(Math.Ceiling(wait.TotalSeconds)), cancellation);
        await log.NoteAsync(
            new TriggerDecision(
                ready.Trigger.Id, task.Change.Id, found.Profile.Id.Value, task.Change.At, now, TriggerDecision.Waiting, TriggerReason.QuietHours + channel.Channel.Id,
                ready.Trigger.Channel, task.Change.MessageId)
            {
                DestinationId = ready.Trigger.Send.Destination,
            },
            cancellation);
        return true;
    }

    private async Task<bool> WaitsForMergeAsync(FoundProfile found, TriggerTask task, CancellationToken cancellation)
    {
        var isSettled = found.Absorbed.Count == 0 && found.Profile is { NeedsRefold: false, Absorbing.Count: 0, IsSplitting: false };
        if (isSettled || task.Postponed >= MostPostponements)
            return false;
        await PostponeAsync(task with { Postponed = task.Postponed + 1 }, Postponement, cancellation);
        return true;
    }

    private Task PostponeAsync(TriggerTask task, TimeSpan delay, CancellationToken cancellation) =>
        queue.SendAsync(QueueName.Deliveries, new DeliveryMessage(Trigger: task).ToJson(), delay, cancellation);

    /// <summary>Null where it is sent. What concerns everybody is asked first, what concerns this person's history last.</summary>
    private async Task<string?> ReasonAsync(
        ReadyTrigger ready, ReadyChannel? channel, Profile profile, Change change, FoundCause cause, SendHistory history, Instant now, CancellationToken cancellation)
    {
        var trigger = ready.Trigger;
        if (change.Historical || cause.IsHistorical)
            return TriggerReason.Historical;
        if (IsTooLate(change, now))
            return TriggerReason.TooLate;
        var destination = (await destinations.CurrentAsync(cancellation)).Find(trigger.Send.Destination);
        if (destination is null)
            return TriggerReason.NoDestination;
        if (!destination.Destination.Enabled)
            return TriggerReason.DestinationDisabled;
        if (trigger.Channel is not null && channel is null)
            return TriggerReason.NoChannel + trigger.Channel;
        if (change.SegmentId is { } segment && profile.Memberships.Exists(m => m.SegmentId == segment) == trigger.On.Exited)
            return TriggerReason.NoLonger;
        foreach (var category in Consents(trigger, channel))
        {
            if (!consents.IsGiven(profile, category))
                return TriggerReason.Consent + category;
        }

        if (ready.Every is { } every && history.LastOf(trigger.Id) is { } last && now.Milliseconds - last.Milliseconds < every)
            return TriggerReason.Period;
        foreach (var (count, per) in channel?.Caps ?? [])
        {
            if (history.CountSince(channel!.Channel.Id, new Instant(now.Milliseconds - per)) >= count)
                return TriggerReason.Cap + channel.Channel.Id;
        }

        return null;
    }

    private static TriggerDecision Decision(ReadyTrigger ready, ReadyChannel? channel, Profile profile, Change change, FoundCause cause, string? reason, Instant now)
    {
        var trigger = ready.Trigger;
        var decision = new TriggerDecision(
            trigger.Id, change.Id, profile.Id.Value, change.At, now, reason is null ? TriggerDecision.Sent : TriggerDecision.Held, reason, trigger.Channel, cause.Cause.MessageId)
        {
            DestinationId = trigger.Send.Destination,
        };
        if (reason is not null)
            return decision;
        var key = $"{trigger.Id}:{change.Id}";
        // Asked again when it is sent: consent may be withdrawn while a destination is down.
        var shape = new DeliveryShape(trigger.Send.Traits, trigger.Send.Mapping, Consents(trigger, channel));
        return decision with
        {
            DeliveryId = Delivery.IdOf(trigger.Send.Destination, key, now),
            Plan = new PlannedSend(key, profile.Version, cause.Cause, shape),
        };
    }

    private static IReadOnlyList<string> Consents(Trigger trigger, ReadyChannel? channel)
    {
        var all = new List<string>(channel?.Channel.RequireConsent ?? []);
        foreach (var category in trigger.RequireConsent ?? [])
        {
            if (!all.Contains(category))
                all.Add(category);
        }

        return all;
    }

    private static bool IsTooLate(Change change, Instant now) => now > change.At.Plus(TriggerLimits.MostAge);

    private static DeliveryCause CauseOf(ReadyTrigger ready, Change change) => new(
        change.Kind switch
        {
            ChangeKind.Event => DeliveryCause.Event,
            _ when ready.Trigger.On.Kind == TriggerKind.Sequence => DeliveryCause.Trigger,
            ChangeKind.SegmentExited => DeliveryCause.SegmentExited,
            _ => DeliveryCause.SegmentEntered,
        },
        ready.Trigger.On.SegmentId, change.SourceId, change.MessageId, change.Timestamp, ready.Trigger.Id);

    /// <summary>Where time has set the trigger off: by which event, and whether only imported ones have.</summary>
    private async Task<FoundCause> FindCauseAsync(ReadyTrigger ready, FoundProfile found, Change change, CancellationToken cancellation)
    {
        var cause = CauseOf(ready, change);
        if (change.MessageId is not null)
            return new FoundCause(cause, IsHistorical: false);
        // An exit that time brings about, out of a window, is none that an import has brought about.
        if (ready.Taken is null && (ready.Trigger.On.Exited || change.Kind == ChangeKind.Event))
            return new FoundCause(cause, IsHistorical: false);
        var followed = new HashSet<Hash128>();
        var (looked, imported) = (0, 0);
        var (first, end) = ProfileRows.Events(found.Profile.Id);
        await foreach (var row in rows.RangeAsync(TableName.Profiles, found.Profile.Id.Shard, first, end, MostEvents, cancellation))
        {
            var e = EventRow.Decode(found.Profile.Id, row.Data).Event;
            looked++;
            imported += e.Historical ? 1 : 0;
            if (ready.Taken is not { } taken)
            {
                // A segment of people's own: one event that came in live is enough to believe that it is about now.
                if (!e.Historical)
                    return new FoundCause(cause, IsHistorical: false);
            }
            else if (ready.Absent?.Matches(e, out var ended) == true && ended is { } over)
            {
                followed.Add(over);
            }
            else if (taken.Matches(e, out var group) && group is { } open && !followed.Contains(open) && e.Timestamp.Milliseconds <= change.At.Milliseconds - (ready.Within ?? 0))
            {
                return new FoundCause(cause with { SourceId = e.SourceId, MessageId = e.MessageId, Timestamp = e.Timestamp }, IsHistorical: false);
            }

            if (looked == MostEvents)
                break;
        }

        return new FoundCause(cause, IsHistorical: ready.Taken is null && looked > 0 && imported == looked);
    }

    /// <param name="IsHistorical">As far as can be seen, imported events alone.</param>
    private sealed record FoundCause(DeliveryCause Cause, bool IsHistorical);
}
