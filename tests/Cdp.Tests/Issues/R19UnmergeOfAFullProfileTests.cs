using Cdp.Profiles;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>An unmerge folds anew what commits had refused, and must not make a document of it that no row takes.</summary>
public sealed class R19UnmergeOfAFullProfileTests
{
    private const int Events = 50;

    [Theory]
    [InlineData("\"userId\":\"u1\"")]
    [InlineData("\"anonymousId\":\"a1\"")]
    public async Task TraitsThatWereRefused_AreLeftOnTheirEvents_WhereverTheyGo(string full)
    {
        var world = await World.CreateAsync(1);
        var random = new Random(1);
        await world.SettleAsync("""{"type":"identify","messageId":"u","userId":"u1","traits":{"plan":"pro"}}""");
        await world.SettleAsync("""{"type":"page","messageId":"a","anonymousId":"a1"}""");
        for (var i = 0; i < Events; i++)
        {
            var bytes = new byte[23_000];
            random.NextBytes(bytes);
            await world.SettleAsync($$$"""{"type":"identify","messageId":"{{{i}}}",{{{full}}},"traits":{"t{{{i}}}":"{{{Convert.ToBase64String(bytes)}}}"}}""");
        }

        Assert.NotEmpty(world.Failures());
        await world.SettleAsync("""{"type":"page","messageId":"link","userId":"u1","anonymousId":"a1"}""");
        var merged = Assert.Single(world.Live());

        await world.UnmergeAsync(merged, merged.Merges[0].Id);

        Assert.Empty(world.Errors);
        var (person, visitor) = (world.Owners("user_id", "u1").Single(), world.Owners("anonymous_id", "a1").Single());
        var (filled, other) = full.Contains("user", StringComparison.Ordinal) ? (person, visitor) : (visitor, person);
        Assert.Equal(Events + 3, filled.EventCount + other.EventCount);
        Assert.InRange(filled.Traits.Count, 20, Events - 1);
        Assert.InRange(ProfileCodec.Encode(filled).Length, ProfileCodec.MostBytes / 2, ProfileCodec.MostMergedBytes);
        world.Describe();
    }
}
