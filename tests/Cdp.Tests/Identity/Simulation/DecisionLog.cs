using System.Text;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Identity.Simulation;

/// <summary>Listens to the store and reads its transactions, in their true order, as decisions.</summary>
internal sealed class DecisionLog
{
    private readonly List<IReadOnlyList<RowWrite>> transactions = [];
    private readonly Dictionary<ProfileId, Profile> documents = [];

    public DecisionLog(FakeStore store) => store.Committed = (table, writes) =>
    {
        if (table == TableName.Profiles)
            transactions.Add(writes);
    };

    /// <summary>All decisions so far. To be read once, when the workers are done.</summary>
    public IEnumerable<Decision> Read() => transactions.SelectMany(Decisions);

    /// <summary>
    /// What a transaction decided shows in how the document changed. This is the place to read further kinds of decisions, as
    /// <see cref="Reference.Apply"/> is the one to follow them.
    /// </summary>
    private List<Decision> Decisions(IReadOnlyList<RowWrite> writes)
    {
        if (writes.FirstOrDefault(w => w.Key.StartsWith("p|", StringComparison.Ordinal)) is not { Key: not null } write)
            return [];
        var id = new ProfileId(write.Key[2..]);
        var before = documents.GetValueOrDefault(id) ?? new Profile(id);
        var after = documents[id] = ProfileCodec.Decode(id, write.Data);

        // The loser's document is folded in: decided when it was fenced.
        if (writes.Any(w => w.Kind == RowWriteKind.Insert && w.Key.StartsWith("a|", StringComparison.Ordinal)))
            return [];

        // A tombstone is written again with each deletion of its rows.
        if (before.MergedInto is not null && before.MergedInto == after.MergedInto)
            return [];
        if (after.MergedInto is { } winner)
            return [new Decision.Fence(id, winner)];

        var decisions = Suspensions(before, after);
        decisions.AddRange(Reservations(before, after));
        var noted = after.Decisions.Except(before.Decisions).ToList();
        var listed = after.Identifiers.Select(i => i.Identifier).Except(before.Identifiers.Select(i => i.Identifier)).ToList();
        var events = Events(id, writes, noted);
        if (events.Count > 0)
            decisions.Add(new Decision.Commit(id, events, listed));
        else if (listed.Count > 0)
            decisions.Add(new Decision.List(id, listed));
        else
            decisions.AddRange(noted.Where(n => n.Action == DecisionAction.Refused).Select(n => new Decision.Refuse(id, n.MessageId, n.Identifier)));
        return decisions;
    }

    private static List<Decision> Suspensions(Profile before, Profile after)
    {
        var decisions = new List<Decision>();
        foreach (var released in after.Released)
        {
            if (released.To is null && before.FindReleased(released.Identifier) is null)
                decisions.Add(new Decision.Detach(after.Id, released.Identifier));
        }

        foreach (var owned in after.Identifiers)
        {
            if (owned.Quarantined && !before.Identifiers.Exists(i => i.Identifier == owned.Identifier && i.Quarantined))
                decisions.Add(new Decision.Quarantine(after.Id, owned.Identifier));
        }

        return decisions;
    }

    private List<Decision> Reservations(Profile before, Profile after)
    {
        var decisions = new List<Decision>();
        foreach (var absorption in before.Absorbing)
        {
            var stays = after.Absorbing.Exists(a => a.Loser == absorption.Loser);
            if (!stays && documents[absorption.Loser].MergedInto != after.Id)
                decisions.Add(new Decision.Unreserve(after.Id, absorption.Loser));
        }

        foreach (var absorption in after.Absorbing)
        {
            var present = before.Absorbing.Find(a => a.Loser == absorption.Loser);
            if (present is null || !present.Reserved.SequenceEqual(absorption.Reserved))
                decisions.Add(new Decision.Reserve(after.Id, absorption.Loser, absorption.Reserved));
        }

        return decisions;
    }

    private static List<TakenEvent> Events(ProfileId profile, IReadOnlyList<RowWrite> writes, List<IdentityDecision> noted)
    {
        var events = new List<TakenEvent>();
        foreach (var write in writes.Where(w => w.Key.StartsWith("e|", StringComparison.Ordinal)))
        {
            var e = EventRow.Decode(profile, write.Data).Event;
            events.Add(new TakenEvent(e.MessageId, Encoding.UTF8.GetString(e.Json.Span), [.. noted.Where(n => n.MessageId == e.MessageId).Select(n => n.Identifier)]));
        }

        return events;
    }
}
