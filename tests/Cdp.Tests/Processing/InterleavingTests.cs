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
    private const int MostDeliveries = 400;

    [Fact]
    public async Task SharedIdentifiersUnderAnyInterleaving_InvariantsHold()
    {
        var merged = 0;
        for (var seed = 0; seed < Seeds; seed++)
        {
            var random = new Random(seed);
            var (events, bodies) = Story(random, users: seed % 3 == 0 ? 1 : 3);
            var world = await World.CreateAsync(seed);
            foreach (var body in bodies)
            {
                world.Time.Advance(TimeSpan.FromSeconds(1));
                await world.SendAsync(body);
                if (random.Next(4) == 0)
                    await world.SendAsync(body);
            }

            await RunAsync(world, random);
            await world.DrainAsync();
            merged += world.Profiles().Count(p => p.MergedInto is not null);
            if (Broken(world, events) is { } broken)
                Assert.Fail($"seed {seed}: {broken}\n{string.Join('\n', bodies)}");
        }

        output.WriteLine($"{Seeds} seeds, {merged} profiles merged");
        Assert.True(merged > Seeds, $"only {merged} profiles were merged");
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

    /// <summary>Works the queues off with three workers. Every storage call waits until it is drawn.</summary>
    private static async Task RunAsync(World world, Random random)
    {
        var gate = new Lock();
        var waiting = new List<TaskCompletionSource>();
        var deliveries = 0;
        world.Store.Before = async _ =>
        {
            var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (gate)
                waiting.Add(turn);
            await turn.Task;
        };

        async Task WorkAsync(Worker worker)
        {
            while (world.Next() is { } message)
            {
                Assert.True(Interlocked.Increment(ref deliveries) < MostDeliveries, "the workers go round in circles");
                try
                {
                    await worker.ProcessAsync(message);
                    world.Store.Delete(message);
                }
                catch (Exception error) when (error is ConflictException or AggregateException)
                {
                    Assert.True(message.DequeueCount < 20, $"poisoned: {message.Body}: {error}");
                    world.Store.Release(message);
                }
            }
        }

        var all = Task.WhenAll(Enumerable.Range(0, 3).Select(_ => world.NewWorker()).Select(worker => Task.Run(() => WorkAsync(worker))));
        for (var idle = 0; !all.IsCompleted;)
        {
            TaskCompletionSource? next = null;
            lock (gate)
            {
                // All three wait, or fewer have anything to do.
                if (waiting.Count >= 3 || (waiting.Count > 0 && ++idle > 20))
                {
                    var drawn = random.Next(waiting.Count);
                    next = waiting[drawn];
                    waiting.RemoveAt(drawn);
                    idle = 0;
                }
            }

            next?.SetResult();
            await Task.Yield();
        }

        world.Store.Before = null;
        await all;
    }

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
        if (live.Find(p => p.Absorbing.Count > 0) is { } stuck)
            return $"{stuck.Id} still absorbs";
        if (world.Failures().FirstOrDefault() is { } failure)
            return $"failed: {failure}";

        var timeline = new Dictionary<string, ProfileId>(StringComparer.Ordinal);
        foreach (var profile in profiles.Values)
        {
            var own = rows.Where(r => r.Key.StartsWith($"e|{profile.Id}|", StringComparison.Ordinal)).Select(r => EventRow.Decode(profile.Id, r.Data).Event.MessageId).ToList();
            if (own.Count != (profile.MergedInto is null ? profile.EventCount : 0))
                return $"{profile.Id} has {own.Count} events";
            if (own.Find(messageId => !timeline.TryAdd(messageId, profile.Id)) is { } doubled)
                return $"{doubled} is on two timelines";
        }

        for (var i = 0; i < events.Count; i++)
        {
            if (!timeline.TryGetValue($"m{i}", out var profile))
                return $"m{i} is lost";
            using var e = JsonDocument.Parse(events[i]);
            if (e.RootElement.TryGetProperty("userId", out var user) && owners[new Identifier(IdentityRules.UserId, user.GetString()!)].SingleOrDefault() != profile)
                return $"m{i} is not on the timeline of {user}";
        }

        foreach (var row in rows.Where(r => r.Table == TableName.Identities))
        {
            using var data = JsonDocument.Parse(row.Data);
            var id = new ProfileId(data.RootElement.GetProperty("profile").GetString()!);
            while (profiles.TryGetValue(id, out var tombstone) && tombstone.MergedInto is { } winner)
                id = winner;
            var identifier = new Identifier(row.Key[..row.Key.IndexOf('|', StringComparison.Ordinal)], data.RootElement.GetProperty("value").GetString()!);
            // A claim that came to nothing may stay; one that a document lists leads there.
            if (owners[identifier].Any() && owners[identifier].Single() != id)
                return $"{identifier} leads to {id}, listed by {owners[identifier].Single()}";
        }

        return null;
    }
}
