using System.Text.Json;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Profiles;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Identity.Simulation;

/// <summary>What is in the tables when all is done, read once; and whether it fits together.</summary>
internal sealed class StoredState
{
    private readonly Dictionary<ProfileId, Profile> documents = [];
    private readonly List<(ProfileId Profile, EventRow Row)> events = [];
    private readonly HashSet<(ProfileId Profile, Hash128 Message)> markers = [];
    private readonly List<(Identifier Identifier, ProfileId Profile)> index = [];
    private readonly List<FakeRow> leftOvers = [];

    public StoredState(FakeStore store)
    {
        foreach (var row in store.Snapshot())
            Read(row);
        foreach (var (profile, row) in events)
            Timelines.TryAdd(row.Event.MessageId, profile);
    }

    /// <summary>Profiles that were not merged into others.</summary>
    public IEnumerable<Profile> Live => documents.Values.Where(p => p.MergedInto is null);

    public int Merged => documents.Values.Count(p => p.MergedInto is not null);

    /// <summary>The profile on whose timeline a message stands.</summary>
    public Dictionary<string, ProfileId> Timelines { get; } = new(StringComparer.Ordinal);

    /// <summary>The first thing that is wrong, whatever the order of arrival was; null where nothing is.</summary>
    public string? Broken(IReadOnlyList<SimulatedEvent> sent) => BrokenRows() ?? BrokenTimelines(sent) ?? BrokenIdentifiers(sent);

    private string? BrokenRows()
    {
        if (leftOvers.Count > 0)
            return $"{leftOvers.Count} rows are left over, such as {leftOvers[0]}";
        foreach (var profile in documents.Values)
        {
            if (profile.Absorbing.Count > 0 || profile.IsSplitting)
                return $"{profile.Id} is still being merged";
        }

        return null;
    }

    private string? BrokenTimelines(IReadOnlyList<SimulatedEvent> sent)
    {
        var counts = new Dictionary<ProfileId, long>();
        foreach (var (profile, row) in events)
        {
            counts[profile] = counts.GetValueOrDefault(profile) + 1;
            if (!markers.Contains((profile, row.Event.MessageKey)))
                return $"{row.Event.MessageId} has no marker at {profile}";
        }

        if (events.Count != Timelines.Count)
            return $"{events.Count - Timelines.Count} events stand twice";
        if (sent.FirstOrDefault(e => !Timelines.ContainsKey(e.MessageId)) is { } lost)
            return $"{lost.MessageId} is lost";
        if (events.Count != sent.Count || markers.Count != sent.Count)
            return $"{sent.Count} events were sent, {events.Count} and {markers.Count} markers stored";
        foreach (var profile in documents.Values)
        {
            if ((profile.MergedInto is null ? profile.EventCount : 0) != counts.GetValueOrDefault(profile.Id))
                return $"{profile.Id} has {counts.GetValueOrDefault(profile.Id)} events and counts {profile.EventCount}";
        }

        return null;
    }

    private string? BrokenIdentifiers(IReadOnlyList<SimulatedEvent> sent)
    {
        var owners = new Dictionary<Identifier, ProfileId>();
        foreach (var profile in Live)
        {
            var holdings = new Holdings(IdentityRules.Default, profile.LastSeenAt);
            holdings.Add(profile);
            if (holdings.Violation is { } rule)
                return $"{profile.Id} breaks {rule}";
            foreach (var owned in profile.Identifiers)
            {
                if (!owners.TryAdd(owned.Identifier, profile.Id))
                    return $"{owned.Identifier} is listed by {owners[owned.Identifier]} and {profile.Id}";
            }
        }

        var leads = index.ToDictionary(entry => entry.Identifier, entry => Follow(entry.Profile));
        foreach (var (identifier, owner) in owners)
        {
            if (leads.GetValueOrDefault(identifier) != owner)
                return $"{identifier} is listed by {owner} and leads to {leads.GetValueOrDefault(identifier)}";
        }

        foreach (var e in sent)
        {
            if (e.User is { } user && owners.GetValueOrDefault(user) != Timelines[e.MessageId])
                return $"{e.MessageId} is on the timeline of {Timelines[e.MessageId]}, and {user} belongs to {owners.GetValueOrDefault(user)}";
        }

        return null;
    }

    /// <summary>Index entries of identifiers that no document lists.</summary>
    public IReadOnlyList<Identifier> Unlisted()
    {
        var listed = Live.SelectMany(p => p.Identifiers).Select(i => i.Identifier).ToHashSet();
        return [.. index.Select(entry => entry.Identifier).Where(i => !listed.Contains(i))];
    }

    /// <summary>The profiles that have events, each as text, by id.</summary>
    public SortedDictionary<string, string> Describe()
    {
        var described = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var timeline in Timelines.GroupBy(t => t.Value, t => t.Key))
            described.Add(timeline.Key.Value, $"{ProfileDump.Of(documents[timeline.Key])}timeline {string.Join(' ', timeline.Order(StringComparer.Ordinal))}{Environment.NewLine}");
        return described;
    }

    private ProfileId Follow(ProfileId id)
    {
        while (documents.TryGetValue(id, out var document) && document.MergedInto is { } winner)
            id = winner;
        return id;
    }

    private void Read(FakeRow row)
    {
        switch (row.Table, row.Key[0])
        {
            case (TableName.Profiles, 'p'):
                var id = new ProfileId(row.Key[2..]);
                documents.Add(id, ProfileCodec.Decode(id, row.Data));
                break;
            case (TableName.Profiles, 'e'):
                var owner = new ProfileId(row.Key.Split(RowKeys.Separator)[1]);
                events.Add((owner, EventRow.Decode(owner, row.Data)));
                break;
            case (TableName.Profiles, 'm'):
                markers.Add((ProfileRows.ProfileOfMarkerKey(row.Key), MessageOf(row.Key)));
                break;
            case (TableName.Identities, _):
                using (var data = JsonDocument.Parse(row.Data))
                {
                    var type = row.Key[..row.Key.IndexOf(RowKeys.Separator, StringComparison.Ordinal)];
                    index.Add((new Identifier(type, data.RootElement.GetProperty("value").GetString()!), new ProfileId(data.RootElement.GetProperty("profile").GetString()!)));
                }

                break;
            case (TableName.Profiles or TableName.Failures, _):
                leftOvers.Add(row);
                break;
        }
    }

    private static Hash128 MessageOf(string markerKey) =>
        new(Convert.ToUInt64(markerKey.Substring(2, 16), 16), Convert.ToUInt64(markerKey.Substring(18, 16), 16));
}
