using System.Text;
using System.Text.Json;
using Cdp.Identity;
using Cdp.Profiles;

namespace Cdp.Tests.Identity.Simulation;

/// <summary>
/// Identity resolution as it is meant, without storage, caches or concurrency: it is told the decisions one after the other, objects to those that the
/// rules do not allow, and keeps who has which events and identifiers. A merge is done at once, when the loser is fenced.
/// </summary>
internal sealed class Reference(IReadOnlyList<SimulatedEvent> sent)
{
    private const int MostUserIds = 1;
    private const int MostOfOthers = 5;

    private readonly Dictionary<string, SimulatedEvent> sent = sent.ToDictionary(e => e.MessageId, StringComparer.Ordinal);
    private readonly Dictionary<ProfileId, Node> live = [];
    private readonly Dictionary<ProfileId, ProfileId> gone = [];
    private readonly Dictionary<Identifier, ProfileId> owners = [];
    private readonly List<Sighting> unsettled = [];
    private readonly HashSet<Identifier> suspended = [];

    /// <summary>Follows one decision. Every kind of decision has its case here.</summary>
    public void Apply(Decision decision)
    {
        Check(!gone.ContainsKey(decision.Profile), $"{decision} about a profile that is gone");
        switch (decision)
        {
            case Decision.Commit commit:
                List(commit.Profile, commit.Listed);
                foreach (var taken in commit.Events)
                    Take(commit.Profile, taken);
                break;
            case Decision.List list:
                List(list.Profile, list.Listed);
                break;
            case Decision.Reserve reserve:
                Find(reserve.Profile).Reserved[reserve.Loser] = reserve.Identifiers;
                CheckRules(reserve.Profile);
                break;
            case Decision.Unreserve unreserve:
                Check(Find(unreserve.Profile).Reserved.Remove(unreserve.Loser), $"{unreserve} of what was not reserved");
                break;
            case Decision.Detach detach:
                Suspend(detach.Profile, detach.Identifier);
                owners.Remove(detach.Identifier);
                Find(detach.Profile).GiveUp(detach.Identifier);
                break;
            case Decision.Quarantine quarantine:
                Suspend(quarantine.Profile, quarantine.Identifier);
                break;
            case Decision.Fence fence:
                Fence(fence.Profile, fence.Winner);
                break;
            case Decision.Refuse refuse:
                Refuse(refuse);
                break;
            default:
                throw new InvalidOperationException($"Nobody told the reference about {decision}.");
        }
    }

    /// <summary>The profiles that have events, each as text, by id.</summary>
    public SortedDictionary<string, string> Describe()
    {
        // Identifiers of an event that another profile had when it came: seen by its profile as soon as the two are one.
        foreach (var sighting in unsettled)
        {
            if (Owner(sighting.Identifier) == Follow(sighting.Profile))
                live[Follow(sighting.Profile)].See(sighting);
        }

        return new SortedDictionary<string, string>(
            live.Where(p => p.Value.Events.Count > 0).ToDictionary(p => p.Key.Value, p => p.Value.Describe(), StringComparer.Ordinal), StringComparer.Ordinal);
    }

    private void List(ProfileId profile, IReadOnlyList<Identifier> identifiers)
    {
        foreach (var identifier in identifiers)
        {
            Check(Owner(identifier) is not { } owner || owner == profile, $"{identifier} is listed by {profile}, and is {Owner(identifier)}'s");
            owners[identifier] = profile;
            Find(profile).Identifiers.Add(identifier);
        }

        CheckRules(profile);
    }

    private void Suspend(ProfileId profile, Identifier identifier)
    {
        Check(Owner(identifier) == profile, $"{identifier} is taken out of linking at {profile}, and is {Owner(identifier)}'s");
        Check(identifier.Type != IdentityRules.UserId, $"{identifier} is unique and cannot be shared");
        suspended.Add(identifier);
    }

    private void Take(ProfileId profile, TakenEvent taken)
    {
        // By value: the previous id of an alias may have been taken for a user id, and dropped as such.
        var all = sent[taken.MessageId].Identifiers;
        var usable = all.Where(i => !suspended.Contains(i)).ExceptBy(taken.Dropped.Select(d => d.Value), i => i.Value).ToList();
        // One that links nobody still says whose the event is where there is no other.
        if (usable.Count == 0 && all.FirstOrDefault(suspended.Contains) is { Type: not null } only)
            usable.Add(only);
        Check(usable.Count > 0, $"{taken.MessageId} has no identifier left");
        Check(Owner(usable[0]) == profile, $"{taken.MessageId} came to {profile}, and its {usable[0]} is {Owner(usable[0])}'s");
        var node = Find(profile);
        using var json = JsonDocument.Parse(taken.Json);
        node.Take(taken.MessageId, json.RootElement);
        foreach (var identifier in usable)
        {
            var sighting = new Sighting(identifier, profile, taken.MessageId, json.RootElement.GetProperty("timestamp").GetDateTimeOffset());
            if (Owner(identifier) == profile)
                node.See(sighting);
            else
                unsettled.Add(sighting);
        }
    }

    private void Fence(ProfileId loser, ProfileId winner)
    {
        gone.Add(loser, winner);
        if (!live.Remove(loser, out var from))
        {
            // Only a claim led there. It may be given up in favour of one that is given up or merged itself by now.
            Check(Follow(winner) != loser, $"{loser} leads to itself");
            return;
        }

        Check(!gone.ContainsKey(winner), $"{loser} is merged into {winner}, which is gone");
        Check(from.Reserved.Count == 0, $"{loser} is merged away while it absorbs others");
        Check(Find(winner).Reserved.Remove(loser, out var reserved) && from.Identifiers.IsSubsetOf(reserved), $"{winner} did not reserve all that {loser} has");
        foreach (var identifier in from.Identifiers)
            owners[identifier] = winner;
        Find(winner).Absorb(from);
        CheckRules(winner);
    }

    /// <summary>The identifiers of the message that led to the other profile stay unseen.</summary>
    private void Refuse(Decision.Refuse refuse)
    {
        var other = Owner(refuse.Identifier);
        unsettled.RemoveAll(s => s.MessageId == refuse.MessageId && Owner(s.Identifier) == other);
    }

    private void CheckRules(ProfileId profile)
    {
        var node = Find(profile);
        var held = node.Identifiers.Concat(node.Reserved.Values.SelectMany(r => r)).Distinct().CountBy(i => i.Type);
        foreach (var (type, count) in held)
            Check(count <= (type == IdentityRules.UserId ? MostUserIds : MostOfOthers), $"{profile} has {count} of {type}");
    }

    private Node Find(ProfileId profile)
    {
        if (!live.TryGetValue(profile, out var node))
            live.Add(profile, node = new Node());
        return node;
    }

    private ProfileId? Owner(Identifier identifier) => owners.TryGetValue(identifier, out var owner) ? owner : null;

    private ProfileId Follow(ProfileId profile) => gone.TryGetValue(profile, out var winner) ? Follow(winner) : profile;

    private static void Check(bool legal, string objection)
    {
        if (!legal)
            throw new IllegalDecisionException(objection);
    }

    private sealed record Sighting(Identifier Identifier, ProfileId Profile, string MessageId, DateTimeOffset At);

    private sealed record Value(string Json, string MessageId, DateTimeOffset At);

    /// <summary>What belongs to one person, as far as is known.</summary>
    private sealed class Node
    {
        public SortedSet<string> Events { get; } = new(StringComparer.Ordinal);

        public HashSet<Identifier> Identifiers { get; } = [];

        public Dictionary<ProfileId, IReadOnlyList<Identifier>> Reserved { get; } = [];

        private HashSet<Sighting> Sightings { get; } = [];

        private List<(string Name, Value Value)> Traits { get; } = [];

        private List<DateTimeOffset> Happened { get; } = [];

        private List<DateTimeOffset> Received { get; } = [];

        public void See(Sighting sighting) => Sightings.Add(sighting);

        public void GiveUp(Identifier identifier)
        {
            Identifiers.Remove(identifier);
            Sightings.RemoveWhere(s => s.Identifier == identifier);
        }

        public void Take(string messageId, JsonElement e)
        {
            var at = e.GetProperty("timestamp").GetDateTimeOffset();
            Events.Add(messageId);
            Happened.Add(at);
            Received.Add(e.GetProperty("receivedAt").GetDateTimeOffset());
            if (e.GetProperty("type").GetString() == "identify")
                Traits.AddRange(e.GetProperty("traits").EnumerateObject().Select(t => (t.Name, new Value(t.Value.GetRawText(), messageId, at))));
        }

        public void Absorb(Node other)
        {
            Events.UnionWith(other.Events);
            Identifiers.UnionWith(other.Identifiers);
            Sightings.UnionWith(other.Sightings);
            Traits.AddRange(other.Traits);
            Happened.AddRange(other.Happened);
            Received.AddRange(other.Received);
        }

        /// <summary>In the form of <see cref="StoredState.Describe"/>.</summary>
        public string Describe()
        {
            var text = new StringBuilder();
            text.AppendLine($"events {Events.Count} created {Text(Received.Min())} seen {Text(Happened.Min())} to {Text(Happened.Max())}");
            foreach (var identifier in Identifiers.OrderBy(i => i.ToString(), StringComparer.Ordinal))
            {
                var seen = Sightings.Where(s => s.Identifier == identifier).OrderBy(s => s.At).ThenBy(s => s.MessageId, StringComparer.Ordinal).ToList();
                text.AppendLine($"identifier {identifier} {Text(seen[0].At)} {Text(seen[^1].At)} web {seen[0].MessageId}");
            }

            foreach (var trait in Traits.GroupBy(t => t.Name, t => t.Value, StringComparer.Ordinal).OrderBy(t => t.Key, StringComparer.Ordinal))
            {
                var last = trait.OrderBy(v => v.At).ThenBy(v => v.MessageId, StringComparer.Ordinal).Last();
                text.AppendLine($"trait {trait.Key} = {last.Json} at {Text(last.At)} by {last.MessageId} of web");
            }

            return text.AppendLine("timeline " + string.Join(' ', Events)).ToString();
        }

        private static string Text(DateTimeOffset time) => Cdp.Events.Instant.Of(time).ToString();
    }
}

/// <summary>The rules do not allow what was decided.</summary>
internal sealed class IllegalDecisionException(string message) : Exception(message);
