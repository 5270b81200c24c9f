using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

public sealed class R03ManyIdentifiersTests
{
    [Fact]
    public async Task FarMoreIdentifiersThanTheLimit_EventIsOnTheTimeline()
    {
        var world = await World.CreateAsync(1);
        var ids = string.Join(',', Enumerable.Range(0, 30).Select(i => $$"""{"type":"anonymous_id","id":"a{{i}}"}"""));
        await world.SettleAsync($$$"""{"type":"track","event":"Ordered","messageId":"m1","userId":"u1","context":{"externalIds":[{{{ids}}}]}}""");

        Assert.Equal(1, Assert.Single(world.Owners("user_id", "u1")).EventCount);
        Assert.Empty(world.Errors);
    }
}
