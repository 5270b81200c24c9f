using System.Text;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Tests.Storage;
using static Cdp.Tests.Reading.ReadingHarness;

namespace Cdp.Tests.Reading;

public sealed class TimelineReaderTests
{
    private const long T = 1_767_323_045_678;

    [Theory]
    [InlineData(10_000, 997)]
    [InlineData(600, 7)]
    [InlineData(50, 50)]
    [InlineData(50, 49)]
    [InlineData(50, 1)]
    public async Task Read_ManyEventsOfOneMillisecond_EachOnceInTheOrderOfTheirIds(int count, int limit)
    {
        var harness = new ReadingHarness(mostScanned: 100);
        var id = ProfileId.New(harness.Ids);
        var random = new Random(7);
        var events = Enumerable.Range(0, count).Select(i => Track($"m{random.NextInt64():x}-{i}", T)).ToList();
        events.Add(Track("later", T + 1));
        events.Add(Track("earlier", T - 1));
        await harness.AddAsync(id, events);
        var pages = await harness.PagesAsync(id.Value, Query(limit));
        Assert.Equal(Ordered(events), pages.SelectMany(page => page));
        Assert.All(pages, page => Assert.True(page.Count <= limit));
    }

    [Fact]
    public async Task Read_SameMessageIdFromTwoSources_BothInOrder()
    {
        var harness = new ReadingHarness();
        var id = ProfileId.New(harness.Ids);
        await harness.AddAsync(id, [Track("m", T, source: "a"), Track("m", T, source: "c"), Track("m", T, source: "b")]);
        var sources = new List<string>();
        string? cursor = null;
        do
        {
            var page = await harness.PageAsync(id.Value, Query(1, cursor));
            sources.AddRange(page.Events.Select(row => row.Event.SourceId));
            cursor = page.Next;
        }
        while (cursor is not null);
        Assert.Equal(["c", "b", "a"], sources);
    }

    [Fact]
    public async Task Read_LastPageIsFull_HasNoNext()
    {
        var harness = new ReadingHarness();
        var id = ProfileId.New(harness.Ids);
        await harness.AddAsync(id, [.. Enumerable.Range(0, 4).Select(i => Track($"m{i}", T + i))]);
        var pages = await harness.PagesAsync(id.Value, Query(2));
        Assert.Equal([["m3", "m2"], ["m1", "m0"]], pages);
    }

    [Theory]
    [InlineData("A", null, null, null, "a2 a1")]
    [InlineData("A,B", null, null, null, "b3 a2 a1")]
    [InlineData("a", null, null, null, "")]
    [InlineData(null, "page", null, null, "p4")]
    [InlineData(null, "merge", null, null, "m5")]
    [InlineData("B", "track,page", null, null, "b3")]
    [InlineData(null, null, 2L, null, "m5 p4 b3 a2")]
    [InlineData(null, null, null, 3L, "a2 a1")]
    [InlineData(null, null, 2L, 3L, "a2")]
    [InlineData(null, null, 3L, 3L, "")]
    [InlineData(null, null, -2_000_000_000_000, 2L, "a1")]
    [InlineData(null, null, null, -2_000_000_000_000, "")]
    public async Task Read_Filters(string? names, string? types, long? from, long? to, string expected)
    {
        var harness = new ReadingHarness();
        var id = ProfileId.New(harness.Ids);
        await harness.AddAsync(id, [Track("a1", T + 1, "A"), Track("a2", T + 2, "A"), Track("b3", T + 3, "B"), Track("p4", T + 4, "A", type: "page"), Track("m5", T + 5, "A", type: "merge")]);
        var query = Query(
            1, null, names?.Split(','), types?.Split(',').Select(t => EventTypes.TryParse(t, out var type) ? type : throw new FormatException()).ToArray(),
            from is { } f ? new Instant(T + f) : null, to is { } x ? new Instant(T + x) : null);
        Assert.Equal(expected, string.Join(' ', (await harness.PagesAsync(id.Value, query)).SelectMany(page => page)));
    }

    [Fact]
    public async Task Read_FilterThatRarelyMatches_PagesEndEarlyAndNothingIsLost()
    {
        var harness = new ReadingHarness(mostScanned: 100);
        var id = ProfileId.New(harness.Ids);
        var events = Enumerable.Range(0, 1000).Select(i => Track($"m{i:D4}", T + (i / 3), i % 400 == 0 ? "Rare" : "Common")).ToList();
        await harness.AddAsync(id, events);
        var pages = await harness.PagesAsync(id.Value, Query(10, names: ["Rare"]));
        Assert.Equal(["m0800", "m0400", "m0000"], pages.SelectMany(page => page));
        Assert.Contains(pages[..^1], page => page.Count == 0);
        Assert.InRange(pages.Count, 8, 11);
    }

    [Fact]
    public async Task Read_PageOfLargeEvents_EndsEarly()
    {
        var harness = new ReadingHarness();
        var id = ProfileId.New(harness.Ids);
        var name = new string('x', 30_000);
        var events = Enumerable.Range(0, 300).Select(i => Track($"m{i:D3}", T + i, name)).ToList();
        await harness.AddAsync(id, events);
        var pages = await harness.PagesAsync(id.Value, Query(1000));
        Assert.Equal(3, pages.Count);
        Assert.Equal(Ordered(events), pages.SelectMany(page => page));
    }

    [Fact]
    public async Task Read_WhileAMergeCopies_EveryEventOnceAtAnyPointOfIt()
    {
        var harness = new ReadingHarness(mostScanned: 50);
        var (winner, loser) = harness.TwoIds();
        var random = new Random(3);
        var hers = Enumerable.Range(0, 400).Select(i => Track($"w{i:D3}", T + random.Next(200))).ToList();
        var his = Enumerable.Range(0, 700).Select(i => Track($"l{i:D3}", T + random.Next(200))).ToList();
        await harness.AddAsync(loser, his, document => document.MergedInto = winner);
        await harness.AddAsync(winner, hers, document => document.Absorbing.Add(new Absorption("mrg_1", loser, Folded: false, [new Identifier(IdentityRules.UserId, loser.Value)])));
        var expected = Ordered(hers.Concat(his));
        var left = new Queue<Event>(his.OrderByDescending(e => e.Timestamp).ThenBy(e => e.MessageKey.ToString(), StringComparer.Ordinal));

        // The merge goes on by a few events between any two pages: copied, then some of the copied deleted.
        var copied = new Queue<Event>();
        var pages = await harness.PagesAsync(winner.Value, Query(7), async _ =>
        {
            for (var i = 0; i < 5 && left.TryDequeue(out var e); i++)
            {
                await harness.WriteAsync(winner, [new EventRow(e, loser)]);
                copied.Enqueue(e);
            }

            for (var i = 0; i < 3 && copied.TryDequeue(out var e); i++)
                await harness.RemoveAsync(loser, [e]);
        });
        Assert.Equal(expected, pages.SelectMany(page => page));
    }

    [Fact]
    public async Task Read_MergeMovesEverythingDuringTheRead_NothingIsLostOrDoubled()
    {
        var (winnerEvents, loserEvents) = (
            Enumerable.Range(0, 40).Select(i => Track($"w{i:D3}", T + (2 * i))).ToList(),
            Enumerable.Range(0, 300).Select(i => Track($"l{i:D3}", T + i)).ToList());
        for (var when = 1; ; when++)
        {
            var harness = new ReadingHarness();
            var (winner, loser) = harness.TwoIds();
            await harness.AddAsync(loser, loserEvents, document => document.MergedInto = winner);
            await harness.AddAsync(winner, winnerEvents, document => document.Absorbing.Add(new Absorption("mrg_1", loser, Folded: true, [])));
            var found = await harness.FindAsync(winner.Value);

            // All of the copying and deleting happens at once, after a different call of the reader in each round.
            var calls = 0;
            var moved = false;
            harness.Store.Before = async _ =>
            {
                if (++calls != when)
                    return;
                harness.Store.Before = null;
                moved = true;
                await harness.WriteAsync(winner, [.. loserEvents.Select(e => new EventRow(e, loser))]);
                await harness.RemoveAsync(loser, loserEvents);
            };
            var page = await harness.Timelines.ReadAsync(found, Query(1000), CancellationToken.None);
            Assert.Equal(Ordered(winnerEvents.Concat(loserEvents)), page.Events.Select(row => row.Event.MessageId));
            if (!moved)
            {
                Assert.True(when > 100, "The reader made fewer calls than expected.");
                return;
            }
        }
    }

    [Fact]
    public async Task Read_MessageThatBothSidesHadAtDifferentTimes_OnceInTheWinnersPlace()
    {
        var harness = new ReadingHarness();
        var (winner, loser) = harness.TwoIds();
        await harness.AddAsync(loser, [Track("both", T + 5), Track("his", T + 1)], document => document.MergedInto = winner);
        await harness.AddAsync(winner, [Track("both", T), Track("hers", T + 3)], document => document.Absorbing.Add(new Absorption("mrg_1", loser, Folded: false, [])));
        Assert.Equal(["hers", "his", "both"], (await harness.PagesAsync(winner.Value, Query(1))).SelectMany(page => page));
    }

    [Fact]
    public async Task Read_LoserThatIsNotFenced_IsNotShown()
    {
        var harness = new ReadingHarness();
        var (winner, loser) = harness.TwoIds();
        await harness.AddAsync(loser, [Track("his", T)]);
        await harness.AddAsync(winner, [Track("hers", T)], document => document.Absorbing.Add(new Absorption("mrg_1", loser, Folded: false, [new Identifier(IdentityRules.UserId, loser.Value)])));
        Assert.Equal([["hers"]], await harness.PagesAsync(winner.Value, Query()));
        Assert.Equal([["his"]], await harness.PagesAsync(loser.Value, Query()));
    }

    [Fact]
    public async Task Cursor_AfterTheProfileWasMergedAway_GoesOnInTheWinner()
    {
        var harness = new ReadingHarness();
        var (winner, loser) = harness.TwoIds();
        var his = Enumerable.Range(0, 4).Select(i => Track($"l{i}", T + (2 * i))).ToList();
        var document = await harness.AddAsync(loser, his);
        var first = await harness.PageAsync(loser.Value, Query(2));
        document.MergedInto = winner;
        await harness.SaveAsync(document);
        await harness.AddAsync(winner, [Track("w5", T + 5), Track("w1", T + 1)], d => d.Merges.Add(new MergeRecord(
            "mrg_1", winner, loser, new Instant(T), "m", new("user_id", "a"), new("user_id", "b"), MergeState.Done, null)));
        await harness.WriteAsync(winner, [.. his.Select(e => new EventRow(e, loser))]);
        await harness.RemoveAsync(loser, his);
        var second = await harness.PageAsync(loser.Value, Query(10, first.Next));
        Assert.Equal(["l3", "l2"], first.Events.Select(row => row.Event.MessageId));
        Assert.Equal(["l1", "w1", "l0"], second.Events.Select(row => row.Event.MessageId));
        Assert.Equal(loser, second.Events[0].FirstProfile);
    }

    [Fact]
    public async Task Cursor_WithOtherFiltersOrProfileOrTampered_IsRefused()
    {
        var harness = new ReadingHarness();
        var (a, b) = harness.TwoIds();
        await harness.AddAsync(a, [.. Enumerable.Range(0, 5).Select(i => Track($"m{i}", T + i))]);
        await harness.AddAsync(b, [.. Enumerable.Range(0, 5).Select(i => Track($"m{i}", T + i))]);
        var query = Query(2, names: ["Viewed", "Other"], to: new Instant(T + 100));
        var next = (await harness.PageAsync(a.Value, query)).Next!;

        Assert.Equal(2, (await harness.PageAsync(a.Value, query with { Cursor = next })).Events.Count);
        Assert.Equal(3, (await harness.PageAsync(a.Value, query with { Cursor = next, Limit = 50 })).Events.Count);
        Assert.Equal(2, (await harness.PageAsync(a.Value, Query(2, next, ["Other", "Viewed"], to: new Instant(T + 100)))).Events.Count);

        foreach (var other in new[]
        {
            query with { Names = new HashSet<string>() },
            query with { To = null },
            query with { From = new Instant(T) },
            query with { Types = new HashSet<EventType> { EventType.Track } },
        })
        {
            Assert.Equal(ProblemType.InvalidCursor, await RefusalAsync(() => harness.PageAsync(a.Value, other with { Cursor = next })));
        }

        Assert.Equal(ProblemType.InvalidCursor, await RefusalAsync(() => harness.PageAsync(b.Value, query with { Cursor = next })));
        for (var i = 0; i < next.Length; i++)
        {
            var tampered = new StringBuilder(next) { [i] = next[i] == 'A' ? 'B' : 'A' }.ToString();
            Assert.Equal(ProblemType.InvalidCursor, await RefusalAsync(() => harness.PageAsync(a.Value, query with { Cursor = tampered })));
        }

        foreach (var garbage in new[] { "x", ".", "e30.", next + "A", next[..^1], next + "." + next, "\u00e9." })
            Assert.Equal(ProblemType.InvalidCursor, await RefusalAsync(() => harness.PageAsync(a.Value, query with { Cursor = garbage })));
    }

    [Fact]
    public async Task Cursor_OfAnotherInstance_IsGood()
    {
        var harness = new ReadingHarness();
        var id = ProfileId.New(harness.Ids);
        await harness.AddAsync(id, [Track("m1", T), Track("m2", T)]);
        var next = (await harness.PageAsync(id.Value, Query(1))).Next;
        var other = new TimelineReader(harness.Store, new Cursors(harness.Store));
        var page = await other.ReadAsync(await harness.FindAsync(id.Value), Query(1, next), CancellationToken.None);
        Assert.Equal("m1", Assert.Single(page.Events).Event.MessageId);
    }

    [Fact]
    public async Task Cursor_TwoInstancesMakeTheKeyAtOnce_BothUseTheSame()
    {
        var store = new FakeStore();
        var (one, other) = (new Cursors(store), new Cursors(store));
        string? first = null;
        store.Before = async call =>
        {
            if (call.Operation != StoreOperation.Commit || first is not null)
                return;
            first = "";
            first = await other.WriteAsync("list", ["a"], CancellationToken.None);
        };
        var second = await one.WriteAsync("list", ["b"], CancellationToken.None);
        Assert.Equal(["a"], await one.ReadAsync("list", first, 1, CancellationToken.None));
        Assert.Equal(["b"], await other.ReadAsync("list", second, 1, CancellationToken.None));
    }
}
