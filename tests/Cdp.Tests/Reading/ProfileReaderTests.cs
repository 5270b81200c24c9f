using System.Buffers;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Tests.Events;
using static Cdp.Tests.Reading.ReadingHarness;

namespace Cdp.Tests.Reading;

public sealed class ProfileReaderTests
{
    private const long T = 1_767_323_045_678;

    [Theory]
    [InlineData("email:ann@shop.example")]
    [InlineData("email: ANN@Shop.example ")]
    [InlineData("email:~QW5uQHNob3AuZXhhbXBsZQ")]
    public async Task Find_ByIdentifier_InEverySpelling(string key)
    {
        var harness = new ReadingHarness();
        var id = ProfileId.New(harness.Ids);
        await harness.AddAsync(id, [Track("m", T)], identifier: new Identifier("email", "ann@shop.example"));
        var found = await harness.FindAsync(key);
        Assert.Equal(id, found.Profile.Id);
        Assert.Null(found.MergedFrom);
        Assert.Equal("email:ann@shop.example", found.Key.ToString());
    }

    [Theory]
    [InlineData("user_id:a:b", "a:b")]
    [InlineData("user_id:~L35hL2I", "/~a/b")]
    [InlineData("user_id:~8J-YgCM_", "\ud83d\ude00#?")]
    [InlineData("user_id:a%2Fb", "a%2Fb")]
    [InlineData("user_id:~AGE", "\0a")]
    public void Parse_ValuesThatPathsFindHard(string key, string value) =>
        Assert.Equal(new Identifier("user_id", value), ProfileKey.Parse(key, IdentityRules.Default).Identifier);

    [Theory]
    [InlineData("", "invalid-key")]
    [InlineData("lookup", "invalid-key")]
    [InlineData("prf_1", "invalid-key")]
    [InlineData("prf_01arz3ndektsv4rrffq69g5fav", "invalid-key")]
    [InlineData(":x", "invalid-key")]
    [InlineData("shoe_size:44", "invalid-key")]
    [InlineData("Email:a@b.example", "invalid-key")]
    [InlineData("user_id:", "invalid-key")]
    [InlineData("user_id: ", "invalid-key")]
    [InlineData("user_id:~", "invalid-key")]
    [InlineData("user_id:~!", "invalid-key")]
    [InlineData("user_id:~_w", "invalid-key")]
    [InlineData("user_id:null", "profile-not-found")]
    [InlineData("user_id:00000000-0000-0000-0000-000000000000", "profile-not-found")]
    [InlineData("email:not an address", "profile-not-found")]
    [InlineData("user_id:nobody", "profile-not-found")]
    [InlineData("prf_01ARZ3NDEKTSV4RRFFQ69G5FAV", "profile-not-found")]
    public async Task Find_Nobody(string key, string code) =>
        Assert.Equal(code, (await RefusalAsync(() => new ReadingHarness().FindAsync(key))).Code);

    [Fact]
    public async Task Find_MergedId_IsTheWinnerAndSaysSo()
    {
        var harness = new ReadingHarness();
        var (winner, loser) = harness.TwoIds();
        await harness.AddAsync(winner, [Track("m", T)]);
        await harness.AddAsync(loser, [], document => document.MergedInto = winner, new Identifier("email", "old@shop.example"));
        var found = await harness.FindAsync(loser.Value);
        Assert.Equal((winner, (ProfileId?)loser), (found.Profile.Id, found.MergedFrom));
    }

    [Fact]
    public async Task Find_IndexLeadsToAProfileThatDoesNotOwnIt_IsNotFound()
    {
        var harness = new ReadingHarness();
        var id = ProfileId.New(harness.Ids);
        await harness.AddAsync(id, [Track("m", T)]);
        await harness.Index.ClaimAsync(new Identifier("email", "claimed@shop.example"), id, CancellationToken.None);
        Assert.Equal(ProblemType.ProfileNotFound, await RefusalAsync(() => harness.FindAsync("email:claimed@shop.example")));
    }

    [Fact]
    public async Task Find_ClaimWithoutACommit_IsNotFound()
    {
        var harness = new ReadingHarness();
        await harness.Index.ClaimAsync(new Identifier("user_id", "u"), ProfileId.New(harness.Ids), CancellationToken.None);
        Assert.Equal(ProblemType.ProfileNotFound, await RefusalAsync(() => harness.FindAsync("user_id:u")));
    }

    [Fact]
    public async Task Find_ReservationOnly_IsNotFound()
    {
        var harness = new ReadingHarness();
        var (winner, loser) = harness.TwoIds();
        await harness.AddAsync(loser, [Track("m", T)]);
        await harness.SaveAsync(new Profile(winner) { Absorbing = { new Absorption("mrg_1", loser, Folded: false, [new Identifier("user_id", loser.Value)]) } });
        Assert.Equal(ProblemType.ProfileNotFound, await RefusalAsync(() => harness.FindAsync(winner.Value)));
        Assert.Equal(loser, (await harness.FindAsync("user_id:" + loser.Value)).Profile.Id);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Find_BetweenFenceAndFold_TheLoserIsPartOfIt(bool folded)
    {
        var harness = new ReadingHarness();
        var (winner, loser) = harness.TwoIds();
        var his = Enumerable.Range(0, 3).Select(i => Track($"l{i}", T + i)).ToList();
        var gone = await harness.AddAsync(loser, his, document => document.MergedInto = winner);
        await harness.AddAsync(winner, [Track("w", T - 5)], document =>
        {
            document.Absorbing.Add(new Absorption("mrg_1", loser, folded, [new Identifier("user_id", loser.Value)]));
            if (folded)
                document.Absorb(gone);
        });
        foreach (var key in new[] { winner.Value, loser.Value, "user_id:" + loser.Value })
        {
            var found = await harness.FindAsync(key);
            Assert.Equal((winner, 4L, 2), (found.Profile.Id, found.Profile.EventCount, found.Profile.Identifiers.Count));
            Assert.Equal(new Instant(T + 2), found.Profile.LastSeenAt);
            Assert.Equal([loser], found.Absorbed);
        }
    }

    [Fact]
    public async Task Find_AnotherInstanceWrote_SeesIt()
    {
        var harness = new ReadingHarness();
        var id = ProfileId.New(harness.Ids);
        var document = await harness.AddAsync(id, [Track("m", T)]);
        await harness.FindAsync(id.Value);
        document.EventCount = 9;
        var elsewhere = new ProfileStore(harness.Store);
        Assert.True(await elsewhere.SaveAsync(document, (await elsewhere.FindAsync(id, fresh: true, default))!.Value.Version, default));
        Assert.Equal(9, (await harness.FindAsync(id.Value)).Profile.EventCount);
    }

    [Fact]
    public async Task Json_OfAProfile()
    {
        var harness = new ReadingHarness();
        var id = ProfileId.New(harness.Ids);
        await harness.AddAsync(id, [TestEvents.Make("m1", "identify", userId: "u1", anonymousId: "a1", traits: new { plan = "pro", old = (string?)null, n = 1.50m })], document =>
        {
            document.Identifiers.Add(new OwnedIdentifier(new("anonymous_id", "a1"), TestEvents.Start, TestEvents.Start, "web", "m1", TestEvents.Start));
            document.Record(new IdentityDecision(TestEvents.Start, "m8", new("anonymous_id", "a9"), "dropped", "user_id.limit"));
        }, new Identifier("user_id", "u1"));
        var found = await harness.FindAsync(id.Value);
        Assert.Equal(
            $$$"""{"id":"{{{id}}}","version":1,"identified":true,"createdAt":"2026-01-03T03:04:05.000Z","firstSeenAt":"2026-01-02T03:04:05.000Z","lastSeenAt":"2026-01-02T03:04:05.000Z","identifiers":{"user_id":["u1"],"anonymous_id":["a1"]},"traits":{"n":1.50,"plan":"pro"},"counts":{"events":1}}""",
            Json(json => ProfileJson.WriteProfile(json, found, IdentityRules.Default)));
        Assert.Equal(
            """{"data":{"n":{"value":1.50,"at":"2026-01-02T03:04:05.000Z","sourceId":"web","messageId":"m1"},"plan":{"value":"pro","at":"2026-01-02T03:04:05.000Z","sourceId":"web","messageId":"m1"}}}""",
            Json(json => ProfileJson.WriteTraits(json, found)));
        Assert.Equal(
            """{"data":[{"type":"user_id","value":"u1","firstSeenAt":"2026-01-02T03:04:05.000Z","lastSeenAt":"2026-01-02T03:04:05.000Z","sourceId":"web","messageId":"m1","state":"active"},{"type":"anonymous_id","value":"a1","firstSeenAt":"2026-01-02T03:04:05.000Z","lastSeenAt":"2026-01-02T03:04:05.000Z","sourceId":"web","messageId":"m1","state":"active"}],"merges":[],"decisions":[{"at":"2026-01-02T03:04:05.000Z","messageId":"m8","identifier":{"type":"anonymous_id","value":"a9"},"action":"dropped","rule":"user_id.limit"}]}""",
            Json(json => ProfileJson.WriteIdentities(json, found, IdentityRules.Default)));
    }

    [Fact]
    public void Json_OfATimeline_KeepsTheStoredText()
    {
        const string Stored = """{"type":"track","messageId":"m","sourceId":"web","timestamp":"2026-01-02T03:04:05.000Z","receivedAt":"2026-01-02T03:04:05.000Z","event":"E","properties":{"a":"\ud800","n":1.00e+400,"s":"<\u0000&+\/'}"}}""";
        var first = new ProfileId("prf_01ARZ3NDEKTSV4RRFFQ69G5FAV");
        var row = new EventRow(Event.Parse(Encoding.UTF8.GetBytes(Stored)), first);
        Assert.Equal(
            $$"""{"data":[{{Stored[..^1]}},"firstProfileId":"{{first}}"}],"next":"n"}""",
            Json(json => ProfileJson.WriteTimeline(json, new TimelinePage([row], "n"))));
    }

    private static string Json(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            write(json);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
