using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

public sealed class R04LargeMergeTests
{
    [Fact]
    public async Task TwoProfilesNearTheSizeLimit_AreMerged()
    {
        var world = await World.CreateAsync(1);
        var random = new Random(1);
        foreach (var identity in new[] { "\"anonymousId\":\"a1\"", "\"userId\":\"u1\"" })
        {
            for (var i = 0; i < 20; i++)
            {
                var bytes = new byte[23_000];
                random.NextBytes(bytes);
                await world.SettleAsync($$$"""{"type":"identify","messageId":"{{{identity.Length}}}-{{{i}}}",{{{identity}}},"traits":{"{{{(char)('a' + i)}}}{{{identity.Length}}}":"{{{Convert.ToBase64String(bytes)}}}"}}""");
            }
        }

        Assert.Empty(world.Failures());
        await world.SettleAsync("""{"type":"page","messageId":"link","anonymousId":"a1","userId":"u1"}""");

        Assert.Empty(world.Errors);
        Assert.Equal(41, Assert.Single(world.Profiles(), p => p.MergedInto is null).EventCount);
    }
}
