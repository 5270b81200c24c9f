using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>A device was detached from two merged profiles, and the merge taken back: its events went back, the device leads to neither.</summary>
public sealed class R23RetryAfterDetachAndUnmergeTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task MessageOfADetachedDeviceComesAgain_CountsOnce(bool knownFirst)
    {
        var world = await World.CreateAsync(1);
        await Saga.TwoAsync(world, knownFirst);
        await world.SettleAsync(Saga.Login);
        await world.SettleAsync(Saga.OfVisitor);
        await world.SettleAsync("""{"type":"page","messageId":"second","userId":"u2","anonymousId":"a1"}""");
        await Saga.PartAsync(world);
        await world.DrainAsync();
        var before = world.Live().Sum(p => p.EventCount);

        await world.SettleAsync(Saga.Visitor);
        await world.SettleAsync(Saga.OfVisitor);

        Assert.Equal(before, world.Live().Sum(p => p.EventCount));
        world.Describe();
    }
}
