using Cdp.Destinations;
using Cdp.Events;
using Cdp.Processing;
using Cdp.Profiles;

namespace Cdp.Deliveries;

/// <summary>
/// What one commit changes that destinations want to know, as effects of the same transaction. Where nobody asked for events or profiles nothing is written, and a
/// commit pays for a look at a cached set.
/// </summary>
public sealed class ChangeEffects(DestinationSet set, Profile document, Instant now)
{
    // Names in one message; with more it says nothing, and everybody is asked.
    private const int MostNames = 100;

    private readonly Dictionary<string, Trait>? before = set.WantsProfiles ? new(document.Traits, StringComparer.Ordinal) : null;
    private Event? last;
    private bool isOfSeveral;

    /// <summary>An event was folded into the document, whose next version will be one more than it has.</summary>
    public void Add(Event e, CommitEffects effects)
    {
        if (e.Type == EventType.Identify)
        {
            isOfSeveral |= last is not null && last.SourceId != e.SourceId;
            last = e;
        }

        if (!set.WantsEvent(e))
            return;
        var change = new Change($"event:{document.Id}:{e.MessageKey}", ChangeKind.Event, document.Id, document.Version + 1, now)
        {
            MessageId = e.MessageId, SourceId = e.SourceId, Timestamp = e.Timestamp, Historical = e.Historical,
        };
        effects.Add(change);
    }

    /// <summary>All events of the commit are folded in, and the version is the new one.</summary>
    public void Finish(CommitEffects effects)
    {
        if (before is null || last is null)
            return;
        var changed = new List<string>();
        foreach (var (name, trait) in document.Traits)
        {
            var isSame = before.TryGetValue(name, out var earlier) ? earlier.Value.Span.SequenceEqual(trait.Value.Span) : trait.IsDeleted;
            if (!isSame)
                changed.Add(name);
        }

        if (changed.Count == 0)
            return;
        changed.Sort(StringComparer.Ordinal);
        var change = new Change($"profile:{document.Id}:{document.Version}", ChangeKind.Profile, document.Id, document.Version, now)
        {
            MessageId = last.MessageId,
            // Of several sources none is the cause: who excepts one of them has to hear of the other.
            SourceId = isOfSeveral ? null : last.SourceId,
            Timestamp = last.Timestamp,
            Historical = last.Historical,
            Traits = changed.Count <= MostNames ? changed : null,
        };
        effects.Add(change);
    }
}
