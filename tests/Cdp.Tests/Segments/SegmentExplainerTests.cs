using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cdp.Segments;

namespace Cdp.Tests.Segments;

public sealed class SegmentExplainerTests
{
    [Fact]
    public async Task Explain_ShowsValueResultAndMessages_OfEveryCondition()
    {
        var story = new Story("""{"all":[{"event":"Product Viewed","count":{"gte":2},"within":"90d"},{"not":{"event":"Order Completed","within":"90d"}},{"trait":"plan","eq":"pro"}]}""")
            .Then("Product Viewed", messageId: "m1").Then("$identify", traits: """{"plan":"free"}""").Then("Product Viewed", "3d", messageId: "later");

        var explanation = await SegmentExplainer.ExplainAsync("s0", story.Segments, [], story.Profile, story.Profile, Story.At("1d"));

        Assert.False(explanation.Member);
        Assert.Equal(Story.At("1d"), explanation.EvaluatedAt);
        Assert.Null(explanation.NextChangeAt);
        Same(
            """
            {"path":"where","all":[
              {"path":"where.all[0]","condition":"event Product Viewed count >= 2 within 90d","value":1,"matched":["m1"],"result":false},
              {"path":"where.all[1]","not":{"path":"where.all[1].not","condition":"event Order Completed within 90d","value":0,"matched":[],"result":false},"result":true},
              {"path":"where.all[2]","condition":"trait plan = \"pro\"","value":"free","result":false}],
             "result":false}
            """,
            explanation.Tree);
    }

    [Fact]
    public async Task Explain_CountsWhole_WhereTheStateKeepsLess()
    {
        var story = new Story(["""{"event":"A","count":{"gte":2},"within":"90d"}"""], [], SegmentLimits.Default with { MostContributions = 2 });
        for (var i = 1; i <= 40; i++)
            story.Then("A", $"{i}h");

        var explanation = await SegmentExplainer.ExplainAsync("s0", story.Segments, [], story.Profile, story.Profile, Story.At("2d"));

        var tree = JsonNode.Parse(explanation.Tree.Span)!;
        Assert.Equal(40, tree["value"]!.GetValue<int>());
        Assert.Equal(SegmentExplainer.MostMatched, tree["matched"]!.AsArray().Count);
        Assert.Equal("m40", tree["matched"]![0]!.GetValue<string>());
        Assert.Equal(Story.At($"{(90 * 24) + 39}h"), explanation.NextChangeAt);
    }

    [Fact]
    public async Task Explain_GoesIntoSegmentsThatAreUsed()
    {
        var story = new Story("""{"trait":"orders","gte":1}""", """{"segment":"s0"}""");

        var explanation = await SegmentExplainer.ExplainAsync(
            "s1", story.Segments, [Story.ParseComputed("""{"id":"orders","event":"A","compute":"count"}""")], story.Profile, story.Then("A").Profile, Story.At("1h"));

        Same(
            """
            {"path":"where","condition":"segment s0","tree":{"path":"where","condition":"trait orders >= 1","value":1,"matched":["m1"],"result":true},"result":true}
            """,
            explanation.Tree);
    }

    /// <summary>An explanation says what the engine says, and its root what its parts amount to.</summary>
    [Fact]
    public async Task Explain_RandomDefinitions_AgreesWithTheOracle()
    {
        for (var seed = 1; seed <= 300; seed++)
        {
            var random = new Random(seed);
            var generate = new RandomDefinitions(random);
            SegmentDefinition[] segments = [Story.Parse(generate.Segment("s0", [], [])), Story.Parse(generate.Segment("s1", ["s0"], []))];
            var profile = new SimulatedProfile();
            profile.Stored.AddRange(generate.Timeline(12));
            profile.Stored.ForEach(profile.SetTraits);
            var now = generate.Start.Plus(TimeSpan.FromDays(RandomDefinitions.TimelineDays + random.Next(4)));

            var explanation = await SegmentExplainer.ExplainAsync("s1", segments, [], profile, profile, now);

            Assert.True(new Oracle(segments, []).Member("s1", profile.Stored, now.Milliseconds) == explanation.Member, $"seed {seed}");
            Assert.Equal(explanation.Member, JsonNode.Parse(explanation.Tree.Span)!["result"]!.GetValue<bool>());
        }
    }

    private static void Same(string expected, ReadOnlyMemory<byte> actual) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual.Span)), Encoding.UTF8.GetString(actual.Span));
}
