using Cdp.Segments;

namespace Cdp.Tests.Segments;

/// <summary>What the language means, rule by rule; the oracle tests have the combinations.</summary>
public sealed class LanguageTests
{
    [Theory]
    [InlineData("""{"eq":1}""", "1", true)]
    [InlineData("""{"eq":1}""", "1.0", true)]
    [InlineData("""{"eq":1}""", "1e0", true)]
    [InlineData("""{"eq":1}""", "\"1\"", false)]
    [InlineData("""{"eq":"a"}""", "\"A\"", false)]
    [InlineData("""{"eq":"\u00e9"}""", "\"e\\u0301\"", false)]
    [InlineData("""{"eq":true}""", "true", true)]
    [InlineData("""{"eq":true}""", "1", false)]
    [InlineData("""{"ne":1}""", "2", true)]
    [InlineData("""{"ne":1}""", "\"1\"", true)]
    [InlineData("""{"ne":1}""", "null", true)]
    [InlineData("""{"ne":1}""", "1.00", false)]
    [InlineData("""{"ne":1}""", "[1,2]", false)]
    [InlineData("""{"gt":1}""", "1.01", true)]
    [InlineData("""{"gt":1}""", "\"2\"", false)]
    [InlineData("""{"gt":1}""", "null", false)]
    [InlineData("""{"gte":"b"}""", "\"b\"", true)]
    [InlineData("""{"lt":"b"}""", "\"B\"", true)]
    [InlineData("""{"lte":1,"gte":1}""", "1", true)]
    [InlineData("""{"in":["a",2]}""", "2.0", true)]
    [InlineData("""{"in":["a",2]}""", "\"2\"", false)]
    [InlineData("""{"in":[1,2,3,4,5,6,7,8,9]}""", "9.0", true)]
    [InlineData("""{"contains":"b"}""", "\"abc\"", true)]
    [InlineData("""{"contains":"b"}""", "[\"b\"]", true)]
    [InlineData("""{"contains":"b"}""", "[\"abc\"]", false)]
    [InlineData("""{"contains":2}""", "[1,2.0]", true)]
    [InlineData("""{"startsWith":"a"}""", "\"abc\"", true)]
    [InlineData("""{"endsWith":"c"}""", "\"abc\"", true)]
    [InlineData("""{"endsWith":"c"}""", "[\"x\",\"abc\"]", true)]
    [InlineData("""{"exists":true}""", "{}", true)]
    [InlineData("""{"exists":true}""", "[]", true)]
    [InlineData("""{"exists":true}""", "null", false)]
    [InlineData("""{"exists":false}""", "null", true)]
    [InlineData("""{"exists":false}""", "0", false)]
    [InlineData("""{"before":"2026-01-02"}""", "\"2026-01-01T23:59:59.999Z\"", true)]
    [InlineData("""{"before":"2026-01-02"}""", "\"2026-01-02T00:00:00Z\"", false)]
    [InlineData("""{"after":"2026-01-02T00:00:00+02:00"}""", "\"2026-01-01T22:00:00.001Z\"", true)]
    [InlineData("""{"after":"2026-01-02"}""", "\"tomorrow\"", false)]
    [InlineData("""{"after":"2026-01-02"}""", "20260103", false)]
    [InlineData("""{"gt":1,"lt":3}""", "[0,5]", false)]
    [InlineData("""{"gt":1,"lt":3}""", "[0,2]", true)]
    [InlineData("""{"eq":"\ud83d\ude00"}""", "\"\\ud83d\\ude00\"", true)]
    public void Operator_OfTraitsAndOfProperties(string tests, string value, bool expected)
    {
        var trait = new Story("""{"trait":"x",""" + tests[1..]).Then("$identify", traits: $$"""{"x":{{value}}}""");
        var property = new Story($$$"""{"event":"A","where":{"properties.x":{{{tests}}}}}""").Then("A", properties: $$"""{"x":{{value}}}""");

        Assert.Equal(expected, trait.Member());
        Assert.Equal(expected, property.Member());
    }

    [Fact]
    public void Trait_Within_EntersAndLeavesByTheClock()
    {
        var story = new Story("""{"trait":"renewed","within":"1d"}""").Then("$identify", traits: """{"renewed":"2026-01-02T12:00:00Z"}""");

        Assert.False(story.Member("11h"));
        Assert.Equal(Story.At("12h"), story.Evaluate("11h").Due);
        Assert.True(story.Member("12h"));
        Assert.Equal(Story.At("36h"), story.Evaluate("12h").Due);
        Assert.False(story.Member("36h"));
        Assert.Null(story.Evaluate("36h").Due);
    }

    [Fact]
    public void ElementPaths_TwoFilters_HoldForTheSameElement()
    {
        const string where = """{"event":"A","where":{"properties.products[].category":{"eq":"x"},"properties.products[].price":{"gt":5}}}""";

        Assert.True(new Story(where).Then("A", properties: """{"products":[{"category":"y","price":1},{"category":"x","price":9}]}""").Member());
        Assert.False(new Story(where).Then("A", properties: """{"products":[{"category":"y","price":9},{"category":"x","price":1}]}""").Member());
    }

    [Fact]
    public void PlainPathsThroughLists_AreIndependent() =>
        Assert.True(new Story("""{"event":"A","where":{"properties.products.category":{"eq":"x"},"properties.products.price":{"gt":5}}}""")
            .Then("A", properties: """{"products":[{"category":"y","price":9},{"category":"x","price":1}]}""").Member());

    [Theory]
    [InlineData("""[{"c":"x"},{"c":"y"}]""", false)]
    [InlineData("""[{"c":"y"},{}]""", true)]
    [InlineData("[]", true)]
    [InlineData("null", true)]
    public void ElementPath_NeAlone_IsNotEq(string products, bool expected) =>
        Assert.Equal(expected, new Story("""{"event":"A","where":{"properties.products[].c":{"ne":"x"}}}""").Then("A", properties: $$"""{"products":{{products}}}""").Member());

    [Theory]
    [InlineData("""{"lte":1}""", 0, true)]
    [InlineData("""{"eq":0}""", 0, true)]
    [InlineData("""{"gte":1}""", 0, false)]
    [InlineData("""{"gte":2}""", 2, true)]
    [InlineData("""{"gt":2}""", 2, false)]
    [InlineData("""{"ne":2}""", 2, false)]
    [InlineData("""{"gte":1.5}""", 1, false)]
    public void Count_CountsZero(string tests, int events, bool expected)
    {
        foreach (var window in new[] { "", """,  "within":"1d" """ })
        {
            var story = new Story($$"""{"event":"A","count":{{tests}}{{window}}}""");
            for (var i = 0; i < events; i++)
                story.Then("A");
            Assert.Equal(expected, story.Member());
        }
    }

    [Fact]
    public void Count_EventWhoseListHoldsTheValueTwice_CountsOnce() =>
        Assert.True(new Story("""{"event":"A","where":{"properties.tags":{"eq":"a"}},"count":{"eq":1}}""").Then("A", properties: """{"tags":["a","a"]}""").Member());

    [Fact]
    public void Aggregates_TakeJsonNumbersOnly_AndAreNullWithoutAny()
    {
        var none = new Story("""{"event":"A","sum":{"properties.n":{"eq":0}}}""", """{"event":"A","avg":{"properties.n":{"ne":5}}}""", """{"event":"A","min":{"properties.n":{"lte":5}}}""")
            .Then("A", properties: """{"n":"7"}""");
        var some = new Story("""{"event":"A","sum":{"properties.n":{"eq":0.3}}}""", """{"event":"A","avg":{"properties.n":{"eq":0.15}}}""", """{"event":"A","distinct":{"properties.n":{"eq":3}}}""")
            .Then("A", properties: """{"n":0.1}""").Then("A", properties: """{"n":0.2}""").Then("A", properties: """{"n":"0.1"}""");

        Assert.Equal([true, true, false], none.Evaluate().Segments.Select(s => s.Member!.Value));
        Assert.Equal([true, true, true], some.Evaluate().Segments.Select(s => s.Member!.Value));
    }

    [Fact]
    public void Sum_BeyondDecimals_IsExactInAnyOrder()
    {
        string[] numbers = ["79228162514264337593543950335", "79228162514264337593543950335", "0.0000000000000000000000000001", "-79228162514264337593543950335", "-79228162514264337593543950335"];
        foreach (var order in new[] { numbers, [.. numbers.Reverse()], [numbers[2], numbers[0], numbers[3], numbers[1], numbers[4]] })
        {
            var story = new Story("""{"event":"A","sum":{"properties.n":{"eq":0.0000000000000000000000000001}}}""");
            foreach (var number in order)
                story.Then("A", properties: $$"""{"n":{{number}}}""");
            Assert.True(story.Member());
        }
    }

    [Fact]
    public void Within_IsOpenAtTheOldEndAndClosedAtTheNew()
    {
        var story = new Story("""{"event":"A","within":"1d"}""").Then("A", "1h");

        Assert.True(story.Member("1h"));
        Assert.Equal(Story.At("25h"), story.Evaluate("1h").Due);
        Assert.True(story.State.Evaluate(new(Story.At("25h").Milliseconds - 1), story.Profile, everything: true).Segments[0].Member);
        Assert.False(story.Member("25h"));
    }

    [Fact]
    public void Between_TakesFromAndNotTo_DatesInTheirZone()
    {
        const string where = """{"event":"A","between":{"from":"2026-01-03","to":"2026-01-04","timeZone":"Europe/Berlin"}}""";
        Assert.True(new Story(where).Then("A", "23h").Member("3d"));
        Assert.False(new Story(where).Then("A", "47h").Member("3d"));
        Assert.False(new Story(where).Then("A", "22h").Member("3d"));
    }

    [Fact]
    public void FirstAndLast_TestThatEventAlone_AndLateEventsChangeIt()
    {
        var story = new Story("""{"event":"A","first":true,"within":"1d"}""", """{"event":"A","last":true,"within":"1d"}""").Then("A", "3d");
        Assert.True(story.Member("3d", "s0"));

        story.Then("A", "1h");

        Assert.False(story.Member("3d", "s0"));
        Assert.True(story.Member("3d", "s1"));
    }

    [Theory]
    [InlineData("2026-03-29T00:59:59.999Z", true)] // 01:59:59 before clocks are put forward
    [InlineData("2026-03-29T01:00:00Z", false)] // 03:00, there is no 02:00
    [InlineData("2026-10-25T00:30:00Z", true)] // 02:30 the first time
    [InlineData("2026-10-25T01:30:00Z", true)] // 02:30 the second time
    [InlineData("2026-10-25T02:00:00Z", false)]
    public void On_FollowsDaylightSaving(string at, bool expected)
    {
        var story = new Story("""{"event":"A","on":{"days":["sun"],"hours":{"from":"00:00","to":"03:00"},"timeZone":"Europe/Berlin"}}""");
        var time = Cdp.Events.Instant.Of(DateTimeOffset.Parse(at, System.Globalization.CultureInfo.InvariantCulture));
        story.Take(Story.Event("A", time, "m"));
        Assert.Equal(expected, story.State.Evaluate(time, story.Profile).Segments[0].Member);
    }

    [Theory]
    [InlineData("2026-01-02T23:00:00Z", true)] // Friday
    [InlineData("2026-01-03T01:00:00Z", false)] // Saturday: the day is the event's own
    [InlineData("2026-01-02T01:59:00Z", true)]
    [InlineData("2026-01-02T02:00:00Z", false)]
    public void On_HoursMayWrapMidnight(string at, bool expected)
    {
        var story = new Story("""{"event":"A","on":{"days":["fri"],"hours":{"from":"22:00","to":"02:00"}}}""");
        var time = Cdp.Events.Instant.Of(DateTimeOffset.Parse(at, System.Globalization.CultureInfo.InvariantCulture));
        story.Take(Story.Event("A", time, "m"));
        Assert.Equal(expected, story.State.Evaluate(time, story.Profile).Segments[0].Member);
    }

    [Fact]
    public void Sequence_TakesTheLatestStart_WhateverComesFirst()
    {
        const string where = """{"sequence":[{"event":"A"},{"event":"B"},{"event":"C"}],"within":"2h"}""";
        Assert.True(new Story(where).Then("A", "0").Then("A", "1h").Then("B", "2h").Then("C", "3h").Member("3h"));
        Assert.True(new Story(where).Then("C", "3h").Then("B", "2h").Then("A", "1h").Member("3h"));
        Assert.False(new Story(where).Then("A", "0").Then("B", "1h").Then("C", "3h").Member("3h"));
    }

    [Fact]
    public void Sequence_SameTime_IsOrderedByMessageId_AndNoEventFollowsItself()
    {
        const string where = """{"sequence":[{"event":"A"},{"event":"B"}]}""";
        Assert.True(new Story(where).Then("B", messageId: "2").Then("A", messageId: "1").Member());
        Assert.False(new Story(where).Then("B", messageId: "1").Then("A", messageId: "2").Member());
        Assert.False(new Story("""{"sequence":[{"event":"A"},{"event":"A"}]}""").Then("A").Member());
    }

    [Fact]
    public void Absence_MaturesAfterTimeAndGrace_AndEndsWithTheOtherEventWheneverItComes()
    {
        var story = new Story("""{"sequence":[{"event":"A"},{"not":{"event":"B"}}],"within":"1h"}""").Then("A");

        Assert.False(story.Member("3659s"));
        Assert.Equal(Story.At("3660s"), story.Evaluate("3659s").Due);
        Assert.True(story.Member("3660s"));
        story.Then("B", "5d");
        Assert.False(story.Member("5d"));
        story.Then("A", "6d");
        Assert.False(story.Member("6d"));
        Assert.True(story.Member("7d"));
    }

    [Fact]
    public void Absence_ByCart_EachCartOnItsOwn_UntilItExpires()
    {
        var story = new Story("""{"sequence":[{"event":"A"},{"not":{"event":"B"}}],"within":"1h","by":"properties.cart","expires":"2d"}""")
            .Then("A", properties: """{"cart":1}""").Then("A", "1h", """{"cart":"1"}""").Then("A", "1h").Then("B", "2h", """{"cart":1.0}""");

        Assert.False(story.Member("7200s"));
        Assert.True(story.Member("1d"));
        Assert.Equal(Story.At("49h"), story.Evaluate("1d").Due);
        Assert.False(story.Member("49h"));
    }

    [Fact]
    public void Absence_DoesNotMatureWhileOldEventsWait_AndWhatMaturedStays()
    {
        var story = new Story("""{"sequence":[{"event":"A"},{"not":{"event":"B"}}],"within":"1h"}""").Then("A");

        Assert.False(story.Member("2h", oldestQueued: Story.At("7139s")));
        Assert.True(story.Evaluate("2h", oldestQueued: Story.At("1h")).Due > Story.At("2h"));
        Assert.True(story.Member("2h", oldestQueued: Story.At("7140s")));
        Assert.True(story.Member("3h", oldestQueued: Story.At("2h")));
        story.State = ProfileSegments.Open(story.Definitions, story.State.Encode());
        Assert.True(story.Member("3h", oldestQueued: Story.At("2h")));
        story.Then("A", "4h");
        Assert.False(story.Member("6h", oldestQueued: Story.At("5h")));
    }

    [Fact]
    public void Segments_UseSegmentsAndComputedTraits()
    {
        var story = new Story(["""{"id":"vip","where":{"trait":"orders","gte":2}}""", """{"id":"plain","where":{"not":{"segment":"vip"}}}"""], ["""{"id":"orders","event":"A","compute":"count","within":"1d"}"""]);
        Assert.True(story.Member("0", "plain"));
        story.Then("A").Then("A", "1h");

        // Only what the event concerns is evaluated, and that follows references.
        var evaluation = story.State.Evaluate(Story.At("1h"), story.Profile);
        Assert.Equal([("vip", true), ("plain", false)], evaluation.Segments.Select(s => (s.SegmentId, s.Member!.Value)));
        Assert.Equal(Story.At("1d"), evaluation.Due);
        Assert.True(story.Member("1d", "plain"));
    }

    [Fact]
    public void ComputedTrait_GoesBeforeASentOneOfTheSameName() =>
        Assert.True(new Story(["""{"trait":"plan","eq":1}"""], ["""{"id":"plan","event":"A","compute":"count"}"""]).Then("A").Then("$identify", traits: """{"plan":"gold"}""").Member());

    [Fact]
    public void MergeCall_IsNoneOfTheEventsThatCanBeNamed_AndSetsNoTraits() =>
        Assert.False(new Story("""{"any":[{"event":"$page"},{"event":"$screen"},{"event":"$identify"},{"event":"$group"},{"event":"merge"},{"trait":"plan","exists":true},{"trait":"group.plan","exists":true}]}""").Then("$merge", traits: """{"plan":"gold"}""").Member());

    [Fact]
    public void GroupTraits_HaveANameOfTheirOwn() =>
        Assert.True(new Story("""{"all":[{"trait":"group.size","gt":10},{"trait":"size","exists":false}]}""").Then("$group", traits: """{"size":50}""").Member());

    [Fact]
    public void ComputedTraits_HaveTheirValues()
    {
        string Trait(string compute, string of = "\"properties.n\"") => $$"""{"id":"{{compute.ToLowerInvariant()}}","event":"A","compute":"{{compute}}","of":{{of}}}""";
        var story = new Story([], [Trait("sum"), Trait("average"), Trait("min"), Trait("max"), Trait("first"), Trait("last"), Trait("mostFrequent"), Trait("uniqueList"),
            """{"id":"count","event":"A","compute":"count"}""", """{"id":"dayssince","event":"A","compute":"daysSince"}""", """{"id":"when","event":"A","compute":"last"}"""]);
        Assert.Equal(["sum=0", "count=0"], story.Evaluate().Computed.Where(c => c.Json is not null).Select(c => $"{c.TraitId}={c.Json}"));
        story.Then("A", "2h", """{"n":3.50}""").Then("A", "1h", """{"n":1}""").Then("A", "3h", """{"n":3.5}""").Then("A", "4h", """{"n":"z"}""");

        Assert.Equal(
            ["sum=8", "average=2.6666666666666666666666666667", "min=1", "max=3.5", "first=1", "last=\"z\"", "mostfrequent=3.5", "uniquelist=[1,3.5,\"z\"]", "count=4", "dayssince=1", "when=\"2026-01-02T04:00:00.000Z\""],
            story.Evaluate("30h").Computed.Select(c => $"{c.TraitId}={c.Json}"));
    }

    [Fact]
    public void DaysSince_InASegment_IsDueWhenTheAnswerChanges()
    {
        var story = new Story(["""{"trait":"recency","gte":30}"""], ["""{"id":"recency","event":"A","compute":"daysSince"}"""]).Then("A");

        var evaluation = story.Evaluate("1h");

        Assert.Equal(Story.At("30d"), evaluation.MembershipDue);
        Assert.Equal(Story.At("1d"), evaluation.Due);
        Assert.True(story.Member("30d"));
    }
}
