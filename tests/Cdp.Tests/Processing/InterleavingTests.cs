using System.Text.Json;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Xunit.Abstractions;

namespace Cdp.Tests.Processing;

/// <summary>
/// Three workers, and at each storage call chance decides whose turn it is: people who share devices, e-mail addresses and phones, messages sent
/// twice. Whatever comes first decides who gets what, but the invariants hold.
/// </summary>
public sealed class InterleavingTests(ITestOutputHelper output)
{
    private const int Seeds = 800;

    // Each has four unmerges, and takes several times as long.
    private const int SeedsWithUnmerges = 300;

    [Fact]
    public async Task SharedIdentifiersUnderAnyInterleaving_InvariantsHold()
    {
        await RunAsync(first: 0, Seeds, SharedIdentifiers.Own, unmerges: 0);
    }

    /// <summary>
    /// And people ask for unmerges whenever it pleases them. Not with <see cref="SharedIdentifiers.Latest"/>: there two deliveries of the same message may
    /// be led to two profiles at once.
    /// </summary>
    [Theory]
    [InlineData(SharedIdentifiers.Own)]
    [InlineData(SharedIdentifiers.First)]
    public async Task SharedIdentifiersAndUnmergesUnderAnyInterleaving_InvariantsHold(SharedIdentifiers shared)
    {
        await RunAsync(first: 100_000, SeedsWithUnmerges, shared, unmerges: 4);
    }

    private async Task RunAsync(int first, int seeds, SharedIdentifiers shared, int unmerges)
    {
        var (merged, undone) = (0, 0);
        var rules = new IdentityRules(IdentityRules.Default.Types, shared);
        for (var seed = first; seed < first + seeds; seed++)
        {
            var random = new Random(seed);
            var (events, bodies) = Story(random, users: seed % 3 == 0 ? 1 : 3);
            var world = await World.CreateAsync(seed, rules);
            foreach (var body in bodies)
            {
                world.Time.Advance(TimeSpan.FromSeconds(1));
                await world.SendAsync(body);
                if (random.Next(4) == 0)
                    await world.SendAsync(body);
            }

            string? broken;
            try
            {
                await RandomSchedule.RunAsync(world, random, unmerges);
                await world.DrainAsync();
                broken = Broken(world, events);
            }
            catch (Exception error) when (error is not Xunit.Sdk.XunitException)
            {
                broken = error.ToString();
            }

            merged += world.Profiles().Count(p => p.MergedInto is not null);
            undone += world.Profiles().SelectMany(p => p.Merges).Where(m => m.State == MergeState.Undone).DistinctBy(m => m.Id).Count();
            if (broken is not null)
                Assert.Fail($"seed {seed}: {broken}\n{string.Join('\n', world.Profiles().Select(Show))}\n{string.Join('\n', bodies)}");
        }

        output.WriteLine($"{seeds} seeds, {merged} profiles merged, {undone} parted");
        Assert.True(merged > seeds / 2, $"only {merged} profiles were merged");
        Assert.True(undone > seeds / 4 || unmerges == 0, $"only {undone} merges were undone");
    }

    private static (List<string> Events, List<string> Bodies) Story(Random random, int users)
    {
        var events = new List<string>();
        var bodies = new List<string>();
        for (var i = 0; i < 8; i++)
        {
            var batch = new List<string>();
            for (var n = random.Next(1, 4); n > 0; n--)
            {
                var members = new List<string>();
                var user = random.Next(1, users + 1);
                if (random.Next(2) == 0)
                    members.Add($"\"userId\":\"u{user}\"");
                if (random.Next(2) == 0)
                    members.Add($"\"anonymousId\":\"a{random.Next(1, 4)}\"");
                var traits = new List<string>();
                if (random.Next(3) == 0 || members.Count == 0)
                    traits.Add($"\"email\":\"e{random.Next(1, 3)}@mail.test\"");
                if (random.Next(5) == 0)
                    traits.Add($"\"phone\":\"+4930123450{random.Next(1, 3)}\"");
                members.Add($"\"traits\":{{{string.Join(',', traits)}}}");
                var e = $"{{\"type\":\"identify\",\"messageId\":\"m{events.Count}\",{string.Join(',', members)}}}";
                events.Add(e);
                batch.Add(e);
            }

            bodies.Add(WorldExtensions.Batch([.. batch]));
        }

        return (events, bodies);
    }

    private static string Show(Profile profile) =>
        $"{profile.Id} -> {profile.MergedInto}: {string.Join(' ', profile.Identifiers.Select(i => i.Identifier))}, released {string.Join(' ', profile.Released.Select(r => $"{r.Identifier} to {r.To}"))}, "
        + string.Join(' ', profile.Merges.Select(m => $"{m.Id[^4..]} {m.Winner} < {m.Loser} by {m.MessageId} {m.State}"));

    private static string? Holds(Profile profile)
    {
        var holdings = new Holdings(IdentityRules.Default, profile.LastSeenAt);
        holdings.Add(profile);
        return holdings.Violation;
    }

    private static string? Broken(World world, List<string> events)
    {
        var rows = world.Store.Snapshot();
        var profiles = world.Profiles().ToDictionary(p => p.Id);
        var live = profiles.Values.Where(p => p.MergedInto is null).ToList();
        var owners = live.SelectMany(p => p.Identifiers.Select(i => (i.Identifier, p.Id))).ToLookup(x => x.Identifier, x => x.Id);
        if (owners.FirstOrDefault(owned => owned.Count() > 1) is { } twice)
            return $"{twice.Key} is listed by {string.Join(" and ", twice)}";
        if (live.Find(p => Holds(p) is not null) is { } over)
            return $"{over.Id} breaks a limit";
        if (live.Find(p => p.Absorbing.Count > 0 || p.IsSplitting) is { } stuck)
            return $"{stuck.Id} still absorbs {string.Join(' ', stuck.Absorbing.Select(a => a.Loser))}, or is parted ({stuck.Splitting?.Loser}, {stuck.SplitFrom}), merges {string.Join(' ', stuck.Merges)}";
        if (rows.FirstOrDefault(r => r.Table == TableName.Profiles && r.Key[..2] is "o|" or "a|" or "b|" or "w|" or "u|") is { } left)
            return $"{left.Key} is left behind";
        if (world.Failures().FirstOrDefault() is { } failure)
            return $"failed: {failure}";

        var timeline = new Dictionary<string, ProfileId>(StringComparer.Ordinal);
        foreach (var profile in profiles.Values)
        {
            var own = rows.Where(r => r.Key.StartsWith($"e|{profile.Id}|", StringComparison.Ordinal)).Select(r => EventRow.Decode(profile.Id, r.Data).Event.MessageId).ToList();
            if (own.Count != (profile.MergedInto is null ? profile.EventCount : 0))
                return $"{profile.Id}, merged into {profile.MergedInto}, counts {profile.EventCount} events and has {string.Join(' ', own)}";
            if (own.Find(messageId => !timeline.TryAdd(messageId, profile.Id)) is { } doubled)
                return $"{doubled} is on two timelines";
        }

        var parted = live.Exists(p => p.Merges.Exists(m => m.State == MergeState.Undone));
        for (var i = 0; i < events.Count; i++)
        {
            if (!timeline.TryGetValue($"m{i}", out var profile))
                return $"m{i} is lost";
            using var e = JsonDocument.Parse(events[i]);
            // What both sides of an unmerge own stays where it was, the user's or not.
            if (!parted && e.RootElement.TryGetProperty("userId", out var user) && owners[new Identifier(IdentityRules.UserId, user.GetString()!)].SingleOrDefault() != profile)
                return $"m{i} is not on the timeline of {user}";
        }

        foreach (var row in rows.Where(r => r.Table == TableName.Identities))
        {
            using var data = JsonDocument.Parse(row.Data);
            var id = new ProfileId(data.RootElement.GetProperty("profile").GetString()!);
            while (profiles.TryGetValue(id, out var tombstone) && tombstone.MergedInto is { } winner)
                id = winner;
            var identifier = new Identifier(row.Key[..row.Key.IndexOf('|', StringComparison.Ordinal)], data.RootElement.GetProperty("value").GetString()!);
            // Half taken out of linking: whoever meets it next finishes it.
            if (data.RootElement.TryGetProperty("suspension", out var suspension) && suspension.GetProperty("pending").GetBoolean())
                continue;
            // A claim that came to nothing may stay; one that a document lists leads there.
            if (owners[identifier].Any() && owners[identifier].Single() != id)
                return $"{identifier} leads to {id}, listed by {owners[identifier].Single()}: {System.Text.Encoding.UTF8.GetString(row.Data)}";
        }

        return null;
    }
}
