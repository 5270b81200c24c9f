using Cdp.Segments;

namespace Cdp.Tests.Segments;

/// <summary>The segments that come with the app, each with somebody who is in it and somebody who is not.</summary>
public sealed class TemplateTests
{
    [Fact]
    public void CartAbandoned_WithoutAnyFurtherEvent_AndLeavesWithTheOrder()
    {
        var story = Of("cart-abandoned").Then("Product Added");
        Assert.False(In(story, "cart-abandoned", "1h"));
        Assert.True(In(story, "cart-abandoned", "61m"));
        Assert.False(In(story.Then("Order Completed", "2h"), "cart-abandoned", "2h"));
    }

    [Fact]
    public void LapsedAndAtRisk_FollowTheLastOrder()
    {
        var story = Of("lapsed-customers", "at-risk").Then("Order Completed").Then("Order Completed", "1d").Then("Order Completed", "2d");
        Assert.False(In(story, "at-risk", "61d"));
        Assert.True(In(story, "at-risk", "62d"));
        Assert.False(In(story, "lapsed-customers", "62d"));
        Assert.True(In(story, "lapsed-customers", "182d"));
    }

    [Fact]
    public void HighValueAndVip_CountRevenue()
    {
        var story = Of("high-value", "vip");
        for (var i = 1; i <= 4; i++)
            story.Then("Order Completed", $"{i}d", """{"revenue":240}""");
        Assert.True(In(story, "high-value", "5d"));
        Assert.False(In(story, "vip", "5d"));
        story.Then("Order Completed", "5d", """{"revenue":40}""");
        Assert.True(In(story, "vip", "5d"));
        Assert.False(In(story, "vip", "95d"));
        Assert.False(In(story, "high-value", "123d"));
    }

    [Fact]
    public void NewlySubscribed_OnlyTheFirstTime()
    {
        var story = Of("newly-subscribed").Then("Newsletter Subscribed");
        Assert.True(In(story, "newly-subscribed", "6d"));
        Assert.False(In(story.Then("Newsletter Subscribed", "8d"), "newly-subscribed", "8d"));
    }

    [Fact]
    public void WeekendBrowsers_LookOnWeekendsOfTheirOwnTime()
    {
        // Friday night at 23:30 UTC is Saturday in Berlin.
        var story = Of("weekend-outdoor-browsers").Then("Product Viewed", "1410m", """{"category":"outdoor"}""").Then("Product Viewed", "2d", """{"category":"outdoor"}""");
        Assert.True(In(story, "weekend-outdoor-browsers", "2d"));
        Assert.False(In(story.Then("Order Completed", "3d"), "weekend-outdoor-browsers", "3d"));
    }

    [Fact]
    public void ViewedThreeTimes_NotBought()
    {
        var story = Of("viewed-three-times").Then("Product Viewed").Then("Product Viewed", "1d").Then("Product Viewed", "2d");
        Assert.True(In(story, "viewed-three-times", "2d"));
        Assert.False(In(story, "viewed-three-times", "7d"));
    }

    [Fact]
    public void PredefinedTraits_AreRecencyFrequencyMonetary()
    {
        var computed = Cdp.ComputedTraits.ComputedTraitDefinition.Predefined;
        var state = ProfileSegments.New(CompiledDefinitions.Compile(1, [], computed));
        state.Apply(Story.Event("Order Completed", Story.Start, "1", """{"revenue":12.50}"""));
        state.Apply(Story.Event("Order Completed", Story.At("1d"), "2", """{"revenue":7.5}"""));

        var evaluation = state.Evaluate(Story.At("4d"), new SimulatedProfile());

        Assert.Equal([("recency", "3"), ("frequency", "2"), ("monetary", "20")], evaluation.Computed.Select(c => (c.TraitId, c.Json!)));
        Assert.Null(evaluation.MembershipDue);
    }

    private static Story Of(params string[] ids) =>
        new([.. ids.Select(id => System.Text.Encoding.UTF8.GetString(SegmentResources.Templates.Single(t => t.Definition.Id == id).Json.Span))]);

    private static bool In(Story story, string segment, string after) => story.Member(after, segment)!.Value;
}
