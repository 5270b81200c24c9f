using System.Text.Json.Serialization;
using Cdp.Deliveries;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Triggers;

/// <summary>What was decided when a trigger's moment came for a person. Decided once; then it stays, whatever is repeated.</summary>
/// <param name="ChangeId">Of the <see cref="Change"/>: with the trigger, what the decision is about.</param>
/// <param name="ProfileId">The profile that the decision was made for, under whose history it counts.</param>
/// <param name="At">When the moment came.</param>
/// <param name="DecidedAt">What periods and caps are counted by.</param>
/// <param name="Outcome"><see cref="Sent"/> or <see cref="Held"/>; <see cref="Waiting"/> is no decision yet, and stands in the log alone.</param>
/// <param name="Reason">Of one that is held or waits; see <see cref="TriggerReason"/>.</param>
/// <param name="MessageId">The event that caused it, where there is one.</param>
public sealed record TriggerDecision(
    string TriggerId, string ChangeId, string ProfileId, Instant At, Instant DecidedAt, string Outcome, string? Reason = null, string? Channel = null, string? MessageId = null)
{
    public const string Sent = "sent";
    public const string Held = "held";
    public const string Waiting = "waiting";

    public string? DestinationId { get; init; }

    public string? DeliveryId { get; init; }

    /// <summary>Of one that is sent: all that the delivery is made of, so that planning it again plans the same. Not in the log.</summary>
    public PlannedSend? Plan { get; init; }

    [JsonIgnore]
    public bool IsSent => Outcome == Sent;

    /// <summary>Names the decision among those of one moment.</summary>
    [JsonIgnore]
    public string Hash => HashOf(TriggerId, ChangeId);

    public static string HashOf(string trigger, string change) => Hash128.Of(trigger, change).ToString();
}

/// <param name="Key">Names the delivery at the destination.</param>
public sealed record PlannedSend(string Key, long ProfileVersion, DeliveryCause Cause, DeliveryShape Shape);

/// <summary>Why something is held back. On the wire and in the log; those that end in a colon are followed by what it is about.</summary>
public static class TriggerReason
{
    /// <summary>Imported events brought it about.</summary>
    public const string Historical = "historical";

    /// <summary>It comes to be decided later than <see cref="TriggerLimits.MostAge"/>.</summary>
    public const string TooLate = "too-late";

    public const string NoDestination = "no-destination";
    public const string DestinationDisabled = "destination-disabled";

    /// <summary>The channel was deleted.</summary>
    public const string NoChannel = "no-channel:";

    /// <summary>What set it off holds no longer: somebody bought meanwhile.</summary>
    public const string NoLonger = "no-longer";

    /// <summary>And the category.</summary>
    public const string Consent = DeliveryPlanner.NoConsent;

    /// <summary>The person had it within the trigger's period.</summary>
    public const string Period = "period";

    /// <summary>And the channel.</summary>
    public const string Cap = "cap:";

    /// <summary>And the channel: it waits.</summary>
    public const string QuietHours = "quiet-hours:";
}

/// <summary>A message of the queue <c>deliveries</c>: one trigger's decision that had to wait.</summary>
/// <param name="Postponed">How often it waited for a merge to end.</param>
public sealed record TriggerTask(string Trigger, Change Change, int Postponed = 0);

/// <summary>What a person was sent, as far as periods and caps can ask.</summary>
/// <param name="MovedTo">
/// The profile was merged: nothing is decided under it any more, and who decides for the other one reads this too. Its own sends stay here, so that an unmerge finds them.
/// </param>
/// <param name="Triggers">The last send of each, in milliseconds.</param>
/// <param name="Channels">The newest sends of each, in milliseconds.</param>
public sealed record StoredHistory(string? MovedTo, Dictionary<string, long> Triggers, Dictionary<string, List<long>> Channels)
{
    public static StoredHistory Empty => new(null, new(StringComparer.Ordinal), new(StringComparer.Ordinal));
}

/// <summary>The histories of a profile and of all that were merged into it, taken together.</summary>
public sealed class SendHistory(ProfileId profile, StoredHistory own, string? version, IReadOnlyList<StoredHistory> past)
{
    public ProfileId Profile { get; } = profile;

    /// <summary>Of the profile's own row; null where there is none yet.</summary>
    public string? Version { get; } = version;

    public string? MovedTo => own.MovedTo;

    public Instant? LastOf(string trigger)
    {
        long? last = own.Triggers.TryGetValue(trigger, out var at) ? at : null;
        foreach (var history in past)
        {
            if (history.Triggers.TryGetValue(trigger, out var other) && (last is null || other > last))
                last = other;
        }

        return last is { } found ? new Instant(found) : null;
    }

    /// <summary>Sends after an instant.</summary>
    public int CountSince(string channel, Instant after)
    {
        var count = Count(own);
        foreach (var history in past)
            count += Count(history);
        return count;

        int Count(StoredHistory history)
        {
            var found = 0;
            foreach (var at in history.Channels.GetValueOrDefault(channel) ?? [])
                found += at > after.Milliseconds ? 1 : 0;
            return found;
        }
    }

    /// <summary>The profile's own row with one send more, or none; it says that the profile is there. What no period can ask for any more is left out.</summary>
    public StoredHistory With(TriggerDecision decision)
    {
        var next = StoredHistory.Empty;
        foreach (var (trigger, at) in own.Triggers)
            next.Triggers[trigger] = at;
        var oldest = decision.DecidedAt.Plus(-TriggerLimits.LongestCap).Milliseconds;
        foreach (var (channel, sends) in own.Channels)
        {
            var kept = sends.FindAll(at => at > oldest);
            if (kept.Count > 0)
                next.Channels[channel] = kept;
        }

        if (!decision.IsSent)
            return next;
        next.Triggers[decision.TriggerId] = Math.Max(decision.DecidedAt.Milliseconds, next.Triggers.GetValueOrDefault(decision.TriggerId));
        // Of triggers that are gone, in time.
        while (next.Triggers.Count > 2 * TriggerLimits.MostTriggers)
            next.Triggers.Remove(next.Triggers.MinBy(static t => t.Value).Key);
        if (decision.Channel is not { } of)
            return next;
        if (!next.Channels.TryGetValue(of, out var list))
            next.Channels[of] = list = [];
        list.Add(decision.DecidedAt.Milliseconds);
        list.Sort();
        if (list.Count > TriggerLimits.MostCounted)
            list.RemoveRange(0, list.Count - TriggerLimits.MostCounted);
        while (next.Channels.Count > 2 * TriggerLimits.MostChannels)
            next.Channels.Remove(next.Channels.MinBy(static c => c.Value[^1]).Key);
        return next;
    }
}
