using System.Text;
using Cdp.Events;
using Cdp.Segments;

namespace Cdp.Tests.Segments;

public sealed class ProfileSegmentsTests
{
    private const string Orders = """{"event":"A","count":{"gte":2}}""";
    private static readonly SegmentLimits Few = SegmentLimits.Default with { MostContributions = 3 };

    [Fact]
    public void Encode_AnyOrderOfEvents_SameBytes()
    {
        var random = new Random(3);
        for (var n = 0; n < 200; n++)
        {
            var generate = new RandomDefinitions(random);
            var definitions = CompiledDefinitions.Compile(
                1, [Story.Parse(generate.Segment("s0", [], [])), Story.Parse(generate.Segment("s1", ["s0"], []))], [Story.ParseComputed(generate.Computed("c0"))]);
            var events = generate.Timeline(10);
            var one = Folded(definitions, events);
            var other = Folded(definitions, [.. events.OrderBy(_ => random.Next())]);
            Assert.Equal(one.Encode(), other.Encode());
        }
    }

    [Fact]
    public void Open_AnyTruncation_IsInvalidDataNeverAnotherError()
    {
        var random = new Random(4);
        for (var n = 0; n < 30; n++)
        {
            var generate = new RandomDefinitions(random);
            var definitions = CompiledDefinitions.Compile(1, [Story.Parse(generate.Segment("s0", [], []))], [Story.ParseComputed(generate.Computed("c0"))]);
            var data = Folded(definitions, generate.Timeline(12)).Encode();
            for (var length = 1; length < data.Length; length++)
            {
                var part = data[..length];
                Assert.IsType<InvalidDataException>(Record.Exception(() => Use(ProfileSegments.Open(definitions, part))));
            }

            for (var changed = 0; changed < 50; changed++)
            {
                var damaged = (byte[])data.Clone();
                damaged[random.Next(data.Length)] ^= (byte)(1 << random.Next(8));
                var error = Record.Exception(() => Use(ProfileSegments.Open(definitions, damaged)));
                Assert.True(error is null or InvalidDataException or OverflowException, error?.ToString());
            }
        }

        static void Use(ProfileSegments state) => state.Evaluate(Story.Start, new SimulatedProfile(), everything: true);
    }

    [Fact]
    public void SharedFeatures_AreStoredOnce()
    {
        var once = new Story(Orders).Then("A").State.Encode();
        var twice = new Story(Orders, """{"not":{"event":"A","count":{"lt":2}}}""").Then("A").State.Encode();

        Assert.Equal(once, twice);
    }

    [Fact]
    public void Capacity_OfACount_IsWhatItsTestNeeds()
    {
        var story = new Story("""{"event":"A","count":{"gte":2},"within":"30d"}""");
        for (var i = 1; i < 500; i++)
            story.Then("A", $"{i}m");

        Assert.True(story.State.Encode().Length < 60);
        Assert.True(story.Member("1d"));
        Assert.Equal(Story.At($"{(30 * 24 * 60) + 498}m"), story.Evaluate($"{(30 * 24 * 60) + 497}m").Due);
    }

    [Fact]
    public async Task BeyondTheLimit_SaysThatTheTimelineIsNeeded_AndReadsOnlyTheWindow()
    {
        var story = new Story(["""{"event":"A","sum":{"properties.n":{"gte":10}},"within":"2d"}"""], [], Few);
        for (var i = 1; i <= 5; i++)
            story.Then("A", $"{i * 10}h", """{"n":2}""");

        var told = story.State.Evaluate(Story.At("50h"), story.Profile);
        Assert.True(told.NeedsTimeline);
        Assert.Null(told.Segments.Single().Member);
        var read = await story.State.EvaluateAsync(Story.At("50h"), story.Profile, story.Profile);

        Assert.True(read.Segments.Single().Member);
        Assert.Equal(1, story.Profile.Reads);
        Assert.Equal(Story.At("58h"), read.Due);
        // Three are left inside: nothing was left out of these.
        Assert.False(story.State.Evaluate(Story.At("70h"), story.Profile).NeedsTimeline);
    }

    [Fact]
    public async Task LateStep_BehindWhatWasSettled_IsReadFromTheTimelineOnce()
    {
        var story = new Story("""{"sequence":[{"event":"A"},{"event":"B"}],"within":"10m"}""");
        for (var i = 0; i < 100; i++)
            story.Then("A", $"{i + 1}h");
        Assert.False(story.State.Evaluate(Story.At("100h"), story.Profile).Segments.Single().Member);
        story.Then("B", "131m");
        Assert.True(story.State.Evaluate(Story.At("100h"), story.Profile).NeedsTimeline);
        Assert.True((await story.State.EvaluateAsync(Story.At("100h"), story.Profile, story.Profile)).Segments.Single().Member == false);

        story.Then("B", "188m");
        Assert.True((await story.State.EvaluateAsync(Story.At("100h"), story.Profile, story.Profile)).Segments.Single().Member);
        Assert.Equal(2, story.Profile.Reads);
        Assert.True(story.State.Encode().Length < 40);
    }

    [Fact]
    public async Task NewDefinition_AwaitsTheBackfill_AndLeavesTheOthersAlone()
    {
        var first = Story.Parse($$"""{"id":"old","where":{{Orders}}}""") with { Epoch = 1 };
        var second = Story.Parse("""{"id":"new","where":{"any":[{"event":"B"},{"segment":"old"}]}}""") with { Epoch = 2 };
        var profile = new SimulatedProfile();
        Event[] events = [Story.Event("A", Story.Start, "1"), Story.Event("B", Story.Start, "2"), Story.Event("A", Story.Start, "3")];
        profile.Stored.AddRange(events);
        var old = Folded(CompiledDefinitions.Compile(1, [first]), events[..2]).Encode();

        var definitions = CompiledDefinitions.Compile(2, [first, second]);
        var state = ProfileSegments.Open(definitions, old);
        state.Apply(events[2]);
        var before = state.Evaluate(Story.Start, profile, everything: true);
        var folded = await ProfileSegments.RefoldAsync(definitions, profile, state);
        var after = folded.Evaluate(Story.Start, profile, everything: true);

        Assert.Equal([new SegmentResult("old", true, false, 1), new SegmentResult("new", null, true, 2)], before.Segments);
        Assert.False(before.NeedsTimeline);
        Assert.False(state.IsComplete);
        Assert.Equal([new SegmentResult("old", true, false, 1), new SegmentResult("new", true, false, 2)], after.Segments);
        Assert.True(folded.IsComplete);
    }

    [Fact]
    public void OlderWorker_RefusesToWrite_AndKeepsWhatItDoesNotKnow()
    {
        var (one, two) = (Story.Parse($$"""{"id":"one","where":{{Orders}}}""") with { Epoch = 1 }, Story.Parse("""{"id":"two","where":{"event":"B"}}""") with { Epoch = 2 });
        var newer = CompiledDefinitions.Compile(2, [one, two]);
        var written = Folded(newer, [Story.Event("B", Story.Start, "1")]).Encode();

        var state = ProfileSegments.Open(CompiledDefinitions.Compile(1, [one]), written);

        Assert.True(state.NeedsNewerDefinitions);
        Assert.Throws<InvalidOperationException>(() => state.Apply(Story.Event("A", Story.Start, "2")));
        Assert.True(ProfileSegments.Open(newer, state.Encode()).Evaluate(Story.Start, new SimulatedProfile(), everything: true).Segments.Single(s => s.SegmentId == "two").Member);
    }

    [Fact]
    public void DeletedDefinition_ItsStateGoes()
    {
        var (one, two) = (Story.Parse($$"""{"id":"one","where":{{Orders}}}"""), Story.Parse("""{"id":"two","where":{"event":"B"}}"""));
        var written = Folded(CompiledDefinitions.Compile(1, [one, two]), [Story.Event("B", Story.Start, "1")]).Encode();
        var left = CompiledDefinitions.Compile(2, [one]);

        Assert.True(ProfileSegments.Open(left, written).Encode().Length < written.Length);
    }

    [Fact]
    public void ProfileWithEventsAndWithoutState_AwaitsTheBackfill()
    {
        var state = ProfileSegments.Open(new Story(Orders).Definitions, default);
        state.Apply(Story.Event("A", Story.Start, "1"));

        Assert.True(state.Evaluate(Story.Start, new SimulatedProfile()).Segments.Single().AwaitsBackfill);
    }

    [Fact]
    public void Evaluate_BeforeTheLatestEvent_IsAtThatEvent()
    {
        var story = new Story("""{"event":"A","within":"1h"}""").Then("A", "1h");

        var evaluation = story.Evaluate("59m");

        Assert.Equal(Story.At("1h"), evaluation.At);
        Assert.True(evaluation.Segments.Single().Member);
    }

    [Fact]
    public async Task RefoldWhileEventsWait_KeepsWhatWasFoundAbsent()
    {
        var story = new Story("""{"sequence":[{"event":"A"},{"not":{"event":"B"}}],"within":"1h"}""").Then("A");
        Assert.True(story.Member("2h"));

        var folded = await ProfileSegments.RefoldAsync(story.Definitions, story.Profile, story.State);

        Assert.True(folded.Evaluate(Story.At("3h"), story.Profile, Story.At("2h")).Segments.Single().Member);
    }

    /// <summary>Two states merged, whether exactly or with a mark that the timeline has to be read, equal the oracle over both timelines.</summary>
    [Fact]
    public async Task Merge_EqualsTheOracleOverBothTimelines()
    {
        var (exact, all) = (0, 600);
        for (var seed = 1; seed <= all; seed++)
        {
            var random = new Random(seed);
            var generate = new RandomDefinitions(random);
            SegmentDefinition[] segments = [Story.Parse(generate.Segment("s0", [], ["c0"])), Story.Parse(generate.Segment("s1", ["s0"], ["c0"]))];
            var computed = Story.ParseComputed(generate.Computed("c0"));
            var limits = random.Next(3) == 0 && computed.Computation != Cdp.ComputedTraits.Computation.UniqueList ? Few : SegmentLimits.Default;
            var definitions = CompiledDefinitions.Compile(1, segments, [computed], limits);
            var events = generate.Timeline(random.Next(2, 40));
            var profile = new SimulatedProfile();
            profile.Stored.AddRange(events);
            events.ForEach(profile.SetTraits);
            var side = events.ToLookup(_ => random.Next(2) == 0);
            var winner = ProfileSegments.Open(definitions, Folded(definitions, [.. side[true]]).Encode());
            var loser = ProfileSegments.Open(definitions, Folded(definitions, [.. side[false]]).Encode());

            exact += winner.Merge(loser) ? 1 : 0;
            var merged = ProfileSegments.Open(definitions, winner.Encode());
            var now = generate.Start.Plus(TimeSpan.FromHours(random.Next(200)));
            var evaluation = await merged.EvaluateAsync(now, profile, profile);

            var oracle = new Oracle(segments, [computed]);
            foreach (var result in evaluation.Segments)
                Assert.True(result.Member == oracle.Member(result.SegmentId, events, now.Milliseconds), $"seed {seed}, {result.SegmentId}");
            Assert.True(evaluation.Computed.Single().Json == oracle.Computed("c0", events, now.Milliseconds), $"seed {seed}, c0");
        }

        Assert.InRange(exact, all / 2, all - 1);
    }

    private static ProfileSegments Folded(CompiledDefinitions definitions, IReadOnlyList<Event> events)
    {
        var state = ProfileSegments.New(definitions);
        foreach (var e in events)
            state.Apply(e);
        return state;
    }
}
