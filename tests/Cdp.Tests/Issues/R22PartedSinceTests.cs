using Cdp.Profiles;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

/// <summary>
/// C was merged into B, B into A; C was parted from A and merged into it again by another link. Then B is parted: C did not come with it.
/// </summary>
public sealed class R22PartedSinceTests
{
    [Fact]
    public async Task MiddleOfAChainIsParted_WhatWasMergedAgainByAnotherLinkStays()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"identify","messageId":"a","traits":{"email":"one@mail.test"}}""");
        await world.SettleAsync("""{"type":"identify","messageId":"b","traits":{"phone":"+4930123456"}}""");
        await world.SettleAsync("""{"type":"page","messageId":"c","anonymousId":"a1"}""");
        await world.SettleAsync("""{"type":"identify","messageId":"bc","anonymousId":"a1","traits":{"phone":"+4930123456"}}""");
        await world.SettleAsync("""{"type":"page","messageId":"c1","anonymousId":"a1"}""");
        await world.SettleAsync("""{"type":"identify","messageId":"ab","traits":{"email":"one@mail.test","phone":"+4930123456"}}""");
        var all = Assert.Single(world.Live());
        await world.UnmergeAsync(all, all.Merges.Single(m => m.MessageId == "bc").Id);
        await world.SettleAsync("""{"type":"identify","messageId":"c2","anonymousId":"a1","traits":{"email":"two@mail.test"}}""");
        await world.SettleAsync("""{"type":"identify","messageId":"ac","traits":{"email":"two@mail.test","phone":"+4930999999"}}""");
        await world.SettleAsync("""{"type":"identify","messageId":"ac2","context":{"traits":{"email":"one@mail.test"}},"traits":{"phone":"+4930999999"}}""");
        all = Assert.Single(world.Live());

        await world.UnmergeAsync(all, all.Merges.Single(m => m.MessageId == "ab").Id);

        var (first, second) = (world.Owners("email", "one@mail.test").Single(), world.Owners("phone", "+4930123456").Single());
        Assert.Equal(first.Id, world.Owners("anonymous_id", "a1").Single().Id);
        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal(["b", "bc"], world.Timeline(second.Id));
        world.Describe();
    }
}
