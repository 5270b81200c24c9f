using System.Text;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Profiles;
using Cdp.Tests.Events;

namespace Cdp.Tests.Profiles;

public sealed class ProfileTests
{
    private static readonly ProfileId Id = ProfileId.New(new IdGenerator(TimeProvider.System));

    [Fact]
    public void Apply_TraitSetTwice_LaterEventTimeWinsWhateverComesFirst()
    {
        var early = TestEvents.Make("m1", "identify", userId: "u", traits: new { plan = "free", city = "Kiel" }, second: 1);
        var late = TestEvents.Make("m2", "identify", userId: "u", traits: new { plan = "pro" }, second: 2);

        Assert.Equal("\"pro\"", Trait(Fold(early, late), "plan"));
        Assert.Equal("\"pro\"", Trait(Fold(late, early), "plan"));
        Assert.Equal("\"Kiel\"", Trait(Fold(late, early), "city"));
    }

    [Fact]
    public void Apply_SameTime_LargerMessageIdWins()
    {
        var a = TestEvents.Make("a", "identify", userId: "u", traits: new { n = 1 });
        var b = TestEvents.Make("b", "identify", userId: "u", traits: new { n = 2 });

        Assert.Equal("2", Trait(Fold(a, b), "n"));
        Assert.Equal("2", Trait(Fold(b, a), "n"));
    }

    [Fact]
    public void Apply_NullTrait_DeletesAndStaysDeletedForOlderValues()
    {
        var set = TestEvents.Make("m1", "identify", userId: "u", traits: new { plan = "free" }, second: 1);
        var delete = Identify("m2", """{"plan":null}""", second: 2);

        Assert.True(Fold(set, delete).Traits["plan"].IsDeleted);
        Assert.True(Fold(delete, set).Traits["plan"].IsDeleted);
    }

    [Fact]
    public void Apply_ContextTraits_FillOnlyNamesThatTraitsLackAndOnlyOnIdentify()
    {
        var identify = TestEvents.Make("m1", "identify", userId: "u", traits: new { plan = "pro" }, context: new { traits = new { plan = "old", city = "Kiel" } });
        var track = TestEvents.Make("m2", userId: "u", context: new { traits = new { age = 4 } });

        var profile = Fold(identify, track);

        Assert.Equal("\"pro\"", Trait(profile, "plan"));
        Assert.Equal("\"Kiel\"", Trait(profile, "city"));
        Assert.False(profile.Traits.ContainsKey("age"));
    }

    [Fact]
    public void Apply_GroupTraits_AreNotThePersons()
    {
        var group = TestEvents.Make("m1", "group", userId: "u", traits: new { email = "office@company.test", employees = 40 });

        var profile = Fold(group);

        Assert.Empty(profile.Traits);
        Assert.Equal(["user_id:u"], profile.Identifiers.Select(i => i.Identifier.ToString()));
    }

    [Fact]
    public void Apply_TraitWithOddJson_KeepsItsText()
    {
        var e = Identify("m1", """{"big":12345678901234567890.10,"half":"\ud83d","nested":{"b":1,"a":[1.0]}}""");

        var profile = ProfileCodec.Decode(Id, ProfileCodec.Encode(Fold(e)));

        Assert.Equal("12345678901234567890.10", Trait(profile, "big"));
        Assert.Equal("\"\\ud83d\"", Trait(profile, "half"));
        Assert.Equal("""{"b":1,"a":[1.0]}""", Trait(profile, "nested"));
    }

    [Fact]
    public void Codec_FullDocument_RoundTrips()
    {
        var profile = Fold(TestEvents.Make("m1", "identify", userId: "u", anonymousId: "a", traits: new { email = "a@b.c", text = new string('x', 1000) }));
        var other = ProfileId.New(new IdGenerator(TimeProvider.System));
        profile.Version = 7;
        profile.Merges.Add(new MergeRecord("mrg_1", Id, other, new Instant(5), "m", new("user_id", "u"), new("anonymous_id", "a"), MergeState.Undone, new Instant(9), other));
        profile.Decisions.Add(new IdentityDecision(new Instant(6), "m", new("email", "x@y.z"), "dropped", "email.limit"));
        profile.Absorbing.Add(new Absorption("mrg_2", other, true, [new("phone", "+491")]));
        profile.MergedInto = other;
        var owned = profile.Identifiers[0];
        profile.Released.Add(new ReleasedIdentifier(owned with { Quarantined = true }, other, new Instant(8), Quarantined: true));
        profile.Released.Add(new ReleasedIdentifier(owned, To: null, new Instant(8)));
        profile.Rejections.Add(new LinkRejection("mrg_0", [new("phone", "+491")], [new("email", "x@y.z")]));
        profile.Splitting = new Split("mrg_3", other, 3, [other], [owned.Unseen()]);
        profile.SplitFrom = other;
        profile.GroupTraits["tier"] = new Trait("\"gold\""u8.ToArray(), new Instant(4), "m", "web");
        profile.SegmentState = new byte[] { 1, 2, 3 };
        profile.Memberships.Add(new Membership("vip", new Instant(3), 4, 9));
        profile.MembershipChanges = 11;
        profile.Due = new Instant(12);
        profile.NeedsRefold = true;

        var read = ProfileCodec.Decode(Id, ProfileCodec.Encode(profile));

        Assert.Equal(ProfileDump.Of(profile), ProfileDump.Of(read));
        Assert.Equal(7, read.Version);
        Assert.Equal(profile.Released, read.Released);
        Assert.Equal("mrg_0", read.Rejections[0].MergeId);
        Assert.Equal(profile.Rejections[0].Theirs, read.Rejections[0].Theirs);
        Assert.Equal(profile.Splitting.Given, read.Splitting!.Given);
        Assert.Equal((profile.Splitting.Loser, 3L, other), (read.Splitting.Loser, read.Splitting.Version, read.Splitting.Family[0]));
        Assert.Equal(other, read.SplitFrom);
        Assert.Equal(profile.Merges, read.Merges);
        Assert.Equal(profile.Decisions, read.Decisions);
        Assert.Equal(profile.Absorbing[0].Reserved, read.Absorbing[0].Reserved);
        Assert.Equal(other, read.MergedInto);
        Assert.Equal("\"gold\"", Encoding.UTF8.GetString(read.GroupTraits["tier"].Value.Span));
        Assert.Equal(profile.SegmentState.ToArray(), read.SegmentState.ToArray());
        Assert.Equal(profile.Memberships, read.Memberships);
        Assert.Equal((11, profile.Due, true), (read.MembershipChanges, read.Due, read.NeedsRefold));
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 0)]
    [InlineData(false, 7)]
    [InlineData(true, 7)]
    public void EventRow_WithChanges_RoundTrips(bool moved, long version)
    {
        var e = TestEvents.Make("m1", "identify", userId: "u", traits: new { text = new string('x', moved ? 1000 : 10) });
        var first = moved ? ProfileId.New(new IdGenerator(TimeProvider.System)) : Id;
        var row = new EventRow(e, first, version, [new SegmentChange("vip", true), new SegmentChange("cart-abandoned", false)]);

        var read = EventRow.Decode(Id, row.Encode(Id));

        Assert.Equal((first, version, e.MessageId), (read.FirstProfile, read.Version, read.Event.MessageId));
        Assert.Equal(row.Changes, read.Changes);
        Assert.Null(EventRow.Decode(Id, (row with { Changes = [] }).Encode(Id)).Changes);
    }

    [Fact]
    public void Decode_AnyTruncation_IsInvalidDataNeverAnotherError()
    {
        var profile = Fold(TestEvents.Make("m1", "identify", userId: "u", traits: new { text = new string('x', 600), n = 5 }));
        var data = ProfileCodec.Encode(profile);
        for (var length = 0; length < data.Length; length++)
        {
            var part = data[..length];
            // A cut between two sections leaves a shorter document; everything else is recognised.
            var error = Record.Exception(() => ProfileCodec.Decode(Id, part));
            Assert.True(error is null or InvalidDataException, error?.ToString());
        }
    }

    private static Profile Fold(params Event[] events)
    {
        var profile = new Profile(Id);
        foreach (var e in events)
            profile.Apply(e, IdentifierExtractor.Extract(e, IdentityRules.Default));
        return profile;
    }

    private static Event Identify(string messageId, string traits, int second = 0)
    {
        var at = TestEvents.Start.Plus(TimeSpan.FromSeconds(second));
        return Event.Parse(Encoding.UTF8.GetBytes(
            $$"""{"type":"identify","messageId":"{{messageId}}","sourceId":"web","timestamp":"{{at}}","receivedAt":"{{at}}","userId":"u","traits":{{traits}}}"""));
    }

    private static string Trait(Profile profile, string name) => Encoding.UTF8.GetString(profile.Traits[name].Value.Span);
}
