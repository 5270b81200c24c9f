using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Identity;

/// <summary>A device or an address that two people use: they stay two, and it shows nothing more about who is who.</summary>
public sealed class SharedIdentifierTests
{
    private const string Ann = """{"type":"identify","messageId":"ann","userId":"u1","anonymousId":"a1"}""";
    private const string Ben = """{"type":"identify","messageId":"ben","userId":"u2","anonymousId":"a1"}""";
    private const string Nobody = """{"type":"page","messageId":"nobody","anonymousId":"a1"}""";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Own_LaterEventsOfTheDeviceAloneGoToAProfileOfTheirOwn(bool inOneMessage)
    {
        var world = await World.CreateAsync(1);
        await SendAsync(world, inOneMessage, Ann, Ben, Nobody);

        var (ann, ben) = (world.Owners("user_id", "u1").Single(), world.Owners("user_id", "u2").Single());
        var device = world.Owners("anonymous_id", "a1").Single();
        Assert.Equal(["ann"], world.Timeline(ann.Id));
        Assert.Equal(["ben"], world.Timeline(ben.Id));
        Assert.Equal(["nobody"], world.Timeline(device.Id));
        Assert.Equal("a1", Assert.Single(ann.Released).Identifier.Value);
        Assert.Contains(ann.Decisions, d => d is { Action: DecisionAction.Detached, Rule: "anonymous_id.shared", MessageId: "ben" });
        Assert.Contains(ben.Decisions, d => d is { Action: DecisionAction.Dropped, Rule: "anonymous_id.detached" });
        world.Describe();
    }

    [Fact]
    public async Task Own_ADetachedIdentifierLinksNobody()
    {
        var world = await World.CreateAsync(1);
        await SendAsync(world, inOneMessage: false, Ann, Ben, Nobody);

        await world.SettleAsync("""{"type":"identify","messageId":"mail","anonymousId":"a1","traits":{"email":"ann@mail.test"}}""");
        await world.SettleAsync("""{"type":"identify","messageId":"carl","anonymousId":"a1","userId":"u3"}""");

        Assert.Equal(["mail"], world.Timeline(world.Owners("email", "ann@mail.test").Single().Id));
        Assert.Equal(["carl"], world.Timeline(world.Owners("user_id", "u3").Single().Id));
        Assert.Equal(["nobody"], world.Timeline(world.Owners("anonymous_id", "a1").Single().Id));
        world.Describe();
    }

    [Fact]
    public async Task First_LaterEventsOfTheDeviceStayWithTheFirst()
    {
        var world = await World.CreateAsync(1, Rules(SharedIdentifiers.First));
        await SendAsync(world, inOneMessage: false, Ann, Ben, Nobody);

        Assert.Equal(["ann", "nobody"], world.Timeline(world.Owners("user_id", "u1").Single().Id));
        Assert.Equal(["ben"], world.Timeline(world.Owners("user_id", "u2").Single().Id));
    }

    [Fact]
    public async Task Latest_LaterEventsOfTheDeviceFollowTheLastLogin()
    {
        var world = await World.CreateAsync(1, Rules(SharedIdentifiers.Latest));
        await SendAsync(world, inOneMessage: false, Ann, Ben, Nobody);
        await world.SettleAsync("""{"type":"track","event":"X","messageId":"ann2","userId":"u1","anonymousId":"a1"}""");
        await world.SettleAsync("""{"type":"page","messageId":"nobody2","anonymousId":"a1"}""");

        Assert.Equal(["ben", "nobody"], world.Timeline(world.Owners("user_id", "u2").Single().Id));
        Assert.Equal(["ann", "ann2", "nobody2"], world.Timeline(world.Owners("user_id", "u1").Single().Id));
    }

    /// <summary>The visitor's profile had no user id when the two logins were resolved: only the second merge shows that there are two people.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task TwoLoginsWhileTheFirstMergeIsStillQueued_TwoPeople(int seed)
    {
        var world = await World.CreateAsync(seed);
        await world.SettleAsync("""{"type":"page","messageId":"before","anonymousId":"a1"}""");
        await world.SettleAsync("""{"type":"identify","messageId":"u1","userId":"u1"}""");
        await world.SettleAsync("""{"type":"identify","messageId":"u2","userId":"u2"}""");
        await world.SendAsync(WorldExtensions.Batch(Ann));
        await world.SendAsync(WorldExtensions.Batch(Ben));
        await world.DrainAsync();
        await world.SettleAsync(Nobody);

        var (ann, ben) = (world.Owners("user_id", "u1").Single(), world.Owners("user_id", "u2").Single());
        Assert.NotEqual(ann.Id, ben.Id);
        Assert.Equal(["nobody"], world.Timeline(world.Owners("anonymous_id", "a1").Single().Id));
        Assert.Contains("ann", world.Timeline(ann.Id));
        Assert.Contains("ben", world.Timeline(ben.Id));
        world.Describe();
    }

    [Fact]
    public async Task RetriesAfterTheDetachment_CountOnce()
    {
        var world = await World.CreateAsync(1);
        const string early = """{"type":"page","messageId":"early","anonymousId":"a1"}""";
        await SendAsync(world, inOneMessage: false, early, Ann, Ben, Nobody);
        var before = world.Describe();

        await SendAsync(world, inOneMessage: false, early, Ann, Ben, Nobody);

        Assert.Equal(before, world.Describe());
    }

    [Fact]
    public async Task Decisions_AreInTheControlLog()
    {
        var world = await World.CreateAsync(1);
        await SendAsync(world, inOneMessage: false, Ann, Ben);

        var line = Assert.Single(world.ControlLines());
        Assert.Contains("\"type\":\"detached\"", line, StringComparison.Ordinal);
        Assert.Contains("\"identifierValue\":\"a1\"", line, StringComparison.Ordinal);
    }

    internal static IdentityRules Rules(SharedIdentifiers shared) => new(IdentityRules.Default.Types, shared);

    private static async Task SendAsync(World world, bool inOneMessage, params string[] events)
    {
        if (inOneMessage)
        {
            await world.SettleAsync(events);
            return;
        }

        foreach (var e in events)
            await world.SettleAsync(e);
    }
}
