using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

public sealed class R08ProfileFullTests
{
    [Fact]
    public async Task OneEventsTraitsDoNotFit_ItsNeighboursTraitsAreTaken()
    {
        var world = await World.CreateAsync(1);
        for (var i = 0; i < 21; i++)
            await world.SettleAsync(Identify($"m{i}", $"\"t{i}\":\"{Random(i)}\""));
        Assert.Empty(world.Failures());

        await world.SettleAsync(Identify("small", "\"plan\":\"pro\""), Identify("large", $"\"x\":\"{Random(30)}\",\"y\":\"{Random(31)[..200]}\""));

        Assert.True(Assert.Single(world.Profiles()).Traits.ContainsKey("plan"), string.Join('\n', world.Failures().Select(f => f[..300])));
    }

    private static string Identify(string id, string traits) => $$$"""{"type":"identify","messageId":"{{{id}}}","userId":"u1","traits":{{{{traits}}}}}""";

    private static string Random(int seed)
    {
        var bytes = new byte[24_000];
        new Random(seed).NextBytes(bytes);
        return Convert.ToBase64String(bytes);
    }
}
