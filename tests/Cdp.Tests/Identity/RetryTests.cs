using Cdp.Identity;
using Cdp.Sources;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Identity;

/// <summary>The same message again, after whatever happened in between: each case with its documented outcome (functions/README.md, Identity).</summary>
public sealed class RetryTests
{
    [Fact]
    public async Task SameMessageIdFromTwoSources_AreTwoMessages()
    {
        var world = await World.CreateAsync(1);
        await world.AddSourceAsync("shop", "shop-key");
        const string e = """{"type":"track","event":"X","messageId":"m1","userId":"u1"}""";
        await world.SettleAsync(e);
        await world.SendAsync(WorldExtensions.Batch(e), "shop-key");
        await world.DrainAsync();

        Assert.Equal(2, world.Owners("user_id", "u1").Single().EventCount);
        world.Describe();
    }

    [Fact]
    public async Task SameMessageIdWithAnotherContent_IsAFailure()
    {
        var world = await World.CreateAsync(1);
        await world.SettleAsync("""{"type":"track","event":"X","messageId":"m1","userId":"u1"}""");
        await world.SettleAsync("""{"type":"track","event":"Y","messageId":"m1","userId":"u1"}""");

        Assert.Equal(1, world.Owners("user_id", "u1").Single().EventCount);
        Assert.Contains("message-id-reused", Assert.Single(world.Failures()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task AfterAMerge_CountsOnce(int seed)
    {
        var world = await World.CreateAsync(seed);
        const string u = """{"type":"identify","messageId":"u","userId":"u1","timestamp":"2026-03-01T00:00:01Z"}""";
        const string p = """{"type":"page","messageId":"p","anonymousId":"a1","timestamp":"2026-03-01T00:00:02Z"}""";
        const string login = """{"type":"identify","messageId":"l","userId":"u1","anonymousId":"a1","timestamp":"2026-03-01T00:00:03Z"}""";
        await world.SettleAsync(u);
        await world.SettleAsync(p);
        await world.SettleAsync(login);
        var before = world.Describe();

        await world.SettleAsync(u, p, login);

        Assert.Equal(before, world.Describe());
    }

    /// <summary>The third device of a week was left out of its event. A week later the event itself still is what it was; a new one brings the device in.</summary>
    [Fact]
    public async Task AfterAWeeklyLimitRolledOver_CountsOnce_ANewEventLinks()
    {
        var world = await World.CreateAsync(1, TwoDevicesAWeek());
        string Device(int i, string id) => $$"""{"type":"track","event":"X","messageId":"{{id}}","userId":"u1","anonymousId":"a{{i}}","timestamp":"2026-03-01T00:00:0{{i}}Z"}""";
        for (var i = 1; i <= 3; i++)
            await world.SettleAsync(Device(i, $"m{i}"));
        Assert.Empty(world.Owners("anonymous_id", "a3"));
        var before = world.Describe();
        world.Time.Advance(TimeSpan.FromDays(7));

        await world.SettleAsync(Device(3, "m3"));
        Assert.Equal(before, world.Describe());

        await world.SettleAsync(Device(3, "m4"));
        Assert.Equal(world.Owners("user_id", "u1").Single().Id, world.Owners("anonymous_id", "a3").Single().Id);
        Assert.Equal(4, world.Owners("user_id", "u1").Single().EventCount);
        world.Describe();
    }

    /// <summary>With other priorities the event's strongest identifier is another one: it is looked for wherever any of them leads.</summary>
    [Fact]
    public async Task AfterAChangeOfPriorities_CountsOnce()
    {
        var world = await World.CreateAsync(1, WithPriorities(email: 2, anonymousId: 3));
        for (var i = 1; i <= 6; i++)
            await world.SettleAsync($$$"""{"type":"identify","messageId":"m{{{i}}}","anonymousId":"a{{{i}}}","traits":{"email":"ann@mail.test"},"timestamp":"2026-03-01T00:00:0{{{i}}}Z"}""");
        await world.SettleAsync("""{"type":"page","messageId":"alone","anonymousId":"a6"}""");
        Assert.Equal(2, world.Live().Count);
        var before = world.Describe();

        world.Rules = WithPriorities(email: 3, anonymousId: 2);
        world.ReplaceWorker();
        await world.SettleAsync("""{"type":"identify","messageId":"m6","anonymousId":"a6","traits":{"email":"ann@mail.test"},"timestamp":"2026-03-01T00:00:06Z"}""");

        Assert.Equal(before, world.Describe());
    }

    /// <summary>Nothing of the event identifies anybody any more: it is a failure, and the one that was committed stays.</summary>
    [Fact]
    public async Task AfterItsOnlyTypeWasRemoved_IsAFailure_TheCommittedOneStays()
    {
        var world = await World.CreateAsync(1);
        const string receipt = """{"type":"identify","messageId":"m1","traits":{"phone":"+4930123456"}}""";
        await world.SendAsync(WorldExtensions.Batch(receipt));
        await world.SendAsync(WorldExtensions.Batch(receipt));
        var first = world.Next()!;
        await world.DeliverAsync(first);
        world.Rules = new IdentityRules([.. IdentityRules.Default.Types.Where(t => t.Name != "phone")]);
        world.ReplaceWorker();
        await world.DrainAsync();

        Assert.Equal(1, world.Owners("phone", "+4930123456").Single().EventCount);
        Assert.Contains("no-identity", Assert.Single(world.Failures()), StringComparison.Ordinal);
    }

    private static IdentityRules TwoDevicesAWeek() => new(
        [.. IdentityRules.Default.Types.Select(t => t.Name == "anonymous_id" ? t with { Limit = new IdentifierLimit(2, LimitPeriod.Week) } : t)]);

    private static IdentityRules WithPriorities(int email, int anonymousId) => new(
        [.. IdentityRules.Default.Types.Where(t => t.Name != "phone").Select(t => t.Name switch
        {
            "email" => t with { Priority = email },
            "anonymous_id" => t with { Priority = anonymousId },
            _ => t,
        })]);
}
