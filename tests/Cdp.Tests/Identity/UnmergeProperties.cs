using Cdp.Events;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Profiles;
using FsCheck;
using FsCheck.Fluent;
using Xunit.Abstractions;

namespace Cdp.Tests.Identity;

/// <summary>Merge then unmerge gives back the documents there were before; what came in between goes where the rule says.</summary>
public sealed class UnmergeProperties(ITestOutputHelper output)
{
    private static readonly Gen<string> SomeEvent =
        from person in Gen.Choose(1, 3)
        from device in Gen.Choose(1, 7)
        from kind in Gen.Choose(0, 4)
        from second in Gen.Choose(0, 20)
        select Event(person, device, kind, second);

    private static readonly Gen<(string[] Before, string[] Between, int Seed)> SomeCase =
        from before in SomeEvent.ListOf()
        from between in SomeEvent.ListOf()
        from seed in Gen.Choose(0, int.MaxValue)
        select (before.ToArray(), between.ToArray(), seed);

    [Fact]
    public void MergesThenUnmerges_NothingInBetween_BothDocumentsAreAsBefore()
    {
        var pairs = 0;
        Prop.ForAll(SomeCase.ToArbitrary(), c =>
        {
            pairs += NothingInBetweenAsync(c.Before, c.Seed).GetAwaiter().GetResult();
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(150));
        output.WriteLine($"{pairs} merges taken back");
        Assert.True(pairs > 50, $"only {pairs} merges were taken back");
    }

    [Fact]
    public void MergeTrafficUnmerge_EveryEventIsWhereTheRuleSays()
    {
        var events = 0;
        Prop.ForAll(SomeCase.ToArbitrary(), c =>
        {
            events += TrafficInBetweenAsync(c.Before, c.Between, c.Seed).GetAwaiter().GetResult();
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(150));
        output.WriteLine($"{events} events placed");
        Assert.True(events > 200, $"only {events} events were placed");
    }

    /// <summary>Merges all that the rules allow into one, one after the other, and takes it back in the reverse order.</summary>
    private static async Task<int> NothingInBetweenAsync(string[] before, int seed)
    {
        var world = await WorldOfAsync(before, seed);
        var refused = world.Live().SelectMany(p => p.Decisions).Select(d => $"identifier {d.Identifier} ").ToHashSet(StringComparer.Ordinal);
        var documents = new Stack<List<string>>();
        var merges = new Stack<string>();
        foreach (var other in world.Live().OrderBy(p => p.Id).Skip(1).Where(p => !IsOfShared(world, p)).Select(p => p.Id).ToList())
        {
            var dumps = Dumps(world, refused);
            if (await MergeAsync(world, world.Live().MinBy(p => p.Id)!.Id, other, $"mrg_{merges.Count}"))
            {
                documents.Push(dumps);
                merges.Push($"mrg_{merges.Count}");
            }
        }

        var count = merges.Count;
        while (merges.TryPop(out var merge))
        {
            await world.UnmergeAsync(world.Live().First(p => p.Merges.Exists(m => m.Id == merge && m.State == MergeState.Done)), merge);
            var (expected, actual) = (documents.Pop(), Dumps(world, refused));
            Assert.True(expected.SequenceEqual(actual), $"{string.Join('\n', actual.Except(expected))}\ninstead of\n{string.Join('\n', expected.Except(actual))}");
        }

        world.Describe();
        return count;
    }

    /// <summary>A profile of an identifier that two people use: it links nobody, so no merge of it is ever asked for.</summary>
    private static bool IsOfShared(World world, Profile profile) =>
        profile.Identifiers.Exists(i => world.Live().Exists(p => p.FindReleased(i.Identifier) is { To: null }));

    private static async Task<int> TrafficInBetweenAsync(string[] before, string[] between, int seed)
    {
        var world = await WorldOfAsync(before, seed);
        var live = world.Live().Where(p => !IsOfShared(world, p)).OrderBy(p => p.Id).ToList();
        if (live.Count < 2)
            return 0;
        var (winner, loser) = (live[0].Id, live[1].Id);
        var owned = live[1].Identifiers.Select(i => i.Identifier).ToHashSet();
        var first = world.Live().SelectMany(p => world.Timeline(p.Id).Select(messageId => (messageId, p.Id))).ToDictionary(StringComparer.Ordinal);
        if (!await MergeAsync(world, winner, loser, "mrg_0"))
            return 0;
        for (var i = 0; i < between.Length; i++)
            await world.SettleAsync(between[i].Replace("MESSAGE", $"b{i}", StringComparison.Ordinal));
        var holder = world.Live().Single(p => p.Merges.Exists(m => m.Id == "mrg_0"));
        // A link of the traffic may have merged others with the two: they stay, or have become the winner themselves.
        owned.IntersectWith(holder.Identifiers.Select(i => i.Identifier));
        var placed = world.Live().SelectMany(p => world.Timeline(p.Id).Select(messageId => (messageId, p.Id))).ToDictionary(StringComparer.Ordinal);
        var rows = world.Store.Snapshot().Where(r => r.Key.StartsWith($"e|{holder.Id}|", StringComparison.Ordinal)).Select(r => EventRow.Decode(holder.Id, r.Data)).ToList();

        await world.UnmergeAsync(holder, "mrg_0");

        foreach (var row in rows)
        {
            var messageId = row.Event.MessageId;
            var identifiers = IdentifierExtractor.Extract(row.Event, IdentityRules.Default);
            var leaves = first.TryGetValue(messageId, out var owner)
                ? owner == loser
                : identifiers.Count > 0 && identifiers.All(owned.Contains) && IsPrevious(row.Event, owned);
            placed[messageId] = leaves ? loser : holder.Id;
        }

        foreach (var (messageId, profile) in placed)
            Assert.Contains(messageId, world.Timeline(profile));
        Assert.Equal(placed.Count, world.Live().Sum(p => world.Timeline(p.Id).Count));
        world.Describe();
        return placed.Count;
    }

    /// <summary>An alias carries the previous id too, as whichever of the two it is.</summary>
    private static bool IsPrevious(Event e, HashSet<Identifier> owned) =>
        e.Type != EventType.Alias || owned.Contains(new Identifier(IdentityRules.AnonymousId, e.PreviousId!)) || owned.Contains(new Identifier(IdentityRules.UserId, e.PreviousId!));

    private static async Task<World> WorldOfAsync(string[] events, int seed)
    {
        var world = await World.CreateAsync(seed);
        for (var i = 0; i < events.Length; i++)
            await world.SettleAsync(events[i].Replace("MESSAGE", $"m{i}", StringComparison.Ordinal));
        return world;
    }

    /// <summary>Without an event that shows it, so that nothing but the merge has happened. False where the rules forbid it.</summary>
    private static async Task<bool> MergeAsync(World world, ProfileId winner, ProfileId loser, string id)
    {
        var documents = world.Profiles().ToDictionary(p => p.Id);
        if (documents[winner].Identifiers.Count == 0 || documents[loser].Identifiers.Count == 0)
            return false;
        var request = new MergeRequest(
            id, winner, loser, documents[winner].Identifiers[0].Identifier, documents[loser].Identifiers[0].Identifier, [], [], Instant.Now(world.Time), "web", "link", Instant.Now(world.Time));
        await world.Store.SendAsync(QueueName.Merges, request.ToJson(), null, CancellationToken.None);
        await world.DrainAsync();
        Assert.Empty(world.Errors);
        return world.Live().Exists(p => p.Merges.Exists(m => m.Id == id && m.State == MergeState.Done));
    }

    /// <summary>
    /// When an identifier was seen is left out where a rule has once refused it: what is folded anew counts the event that it was refused on, too.
    /// </summary>
    private static List<string> Dumps(World world, HashSet<string> refused) =>
        [.. world.Live().OrderBy(p => p.Id).Select(p => $"{p.Id}\n{Dump(p, refused)} {string.Join(' ', world.Timeline(p.Id))}")];

    private static string Dump(Profile profile, HashSet<string> refused) => string.Join(
        '\n', ProfileDump.Of(profile).Split('\n').Select(line => refused.FirstOrDefault(name => line.StartsWith(name, StringComparison.Ordinal)) ?? line));

    private static string Event(int person, int device, int kind, int second)
    {
        var head = $"\"messageId\":\"MESSAGE\",\"timestamp\":\"2026-03-01T00:00:{second:D2}Z\"";
        return kind switch
        {
            0 => $$"""{"type":"page",{{head}},"anonymousId":"d{{device}}"}""",
            1 => $$$"""{"type":"identify",{{{head}}},"anonymousId":"p{{{person}}}d{{{device}}}","userId":"u{{{person}}}","traits":{"n":{{{device}}},"t{{{device}}}":true}}""",
            2 => $$$"""{"type":"identify",{{{head}}},"traits":{"phone":"+493012345{{{device}}}","n":{{{second}}}}}""",
            3 => $$$"""{"type":"identify",{{{head}}},"userId":"u{{{person}}}","traits":{"n":null,"email":"P{{{person}}}@mail.test"}}""",
            _ => $$"""{"type":"alias",{{head}},"userId":"u{{person}}","previousId":"d{{device}}"}""",
        };
    }
}
