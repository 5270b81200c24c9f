using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Xunit.Abstractions;

namespace Cdp.Tests.Processing;

/// <summary>Merges of more than two profiles, started at once, and taken back in either order.</summary>
public sealed class MergeChainTests(ITestOutputHelper output)
{
    private const string ByMail = """{"type":"identify","messageId":"mail","traits":{"email":"one@mail.test"},"timestamp":"2026-03-01T00:00:01Z"}""";
    private const string ByPhone = """{"type":"identify","messageId":"phone","traits":{"phone":"+4930123456"},"timestamp":"2026-03-01T00:00:02Z"}""";
    private const string ByDevice = """{"type":"page","messageId":"device","anonymousId":"a1","timestamp":"2026-03-01T00:00:03Z"}""";
    private const string MailPhone = """{"type":"identify","messageId":"mail-phone","traits":{"email":"one@mail.test","phone":"+4930123456"},"timestamp":"2026-03-01T00:00:04Z"}""";
    private const string PhoneDevice = """{"type":"identify","messageId":"phone-device","anonymousId":"a1","traits":{"phone":"+4930123456"},"timestamp":"2026-03-01T00:00:05Z"}""";
    private const string DeviceMail = """{"type":"identify","messageId":"device-mail","anonymousId":"a1","traits":{"email":"one@mail.test"},"timestamp":"2026-03-01T00:00:06Z"}""";

    private static async Task<World> ThreeAsync(int seed)
    {
        var world = await World.CreateAsync(seed);
        string[] three = [ByMail, ByPhone, ByDevice];
        new Random(seed).Shuffle(three);
        foreach (var e in three)
            await world.SettleAsync(e);
        return world;
    }

    [Theory]
    [InlineData("cycle", new[] { MailPhone, PhoneDevice, DeviceMail })]
    [InlineData("chain", new[] { MailPhone, PhoneDevice })]
    [InlineData("same twice", new[] { MailPhone, MailPhone, PhoneDevice })]
    public async Task MergesStartedAtOnce_AnyInterleaving_OneProfileWithAllEvents(string name, string[] links)
    {
        const int seeds = 300;
        var expected = "";
        for (var seed = 0; seed < seeds; seed++)
        {
            var random = new Random(seed);
            var world = await ThreeAsync(seed);
            // All links are committed, so that every merge is asked for before the first begins; in every other run the events come in between too.
            foreach (var link in links)
                await world.SendAsync(WorldExtensions.Batch(link));
            while (seed % 2 == 0 && world.Store.Receive(QueueName.Events) is { } message)
                await world.DeliverAsync(message);
            await RandomSchedule.RunAsync(world, random);
            await world.DrainAsync();
            var state = world.Describe();
            Assert.True(world.Live().Count == 1, $"seed {seed}:\n{state}");
            if (seed == 0)
                expected = state;
            Assert.True(expected == state, $"seed {seed}:\n{state}\nexpected:\n{expected}");
        }

        output.WriteLine($"{name}: {seeds} schedules");
    }

    /// <summary>An unmerge is asked for while a second merge of the same profile waits, runs, or is done: whichever order, what the two say holds.</summary>
    [Fact]
    public async Task UnmergeAndAnotherMergeAtOnce_AnyInterleaving_BothHappen()
    {
        const int seeds = 300;
        for (var seed = 0; seed < seeds; seed++)
        {
            var random = new Random(seed);
            var world = await ThreeAsync(seed);
            await world.SettleAsync(MailPhone);
            var merge = Assert.Single(world.Live().SelectMany(p => p.Merges));
            await world.SendAsync(WorldExtensions.Batch(DeviceMail));
            await world.DeliverAsync(world.Store.Receive(QueueName.Events)!);
            await world.Store.SendAsync(QueueName.Merges, new UnmergeRequest(merge.Id, merge.Loser).ToJson(), null, CancellationToken.None);
            await RandomSchedule.RunAsync(world, random);
            await world.DrainAsync();
            world.Describe();
            var mail = world.Owners("email", "one@mail.test").Single();
            // Merged before, the device stays with the winner; merged after, it goes to whom the message named.
            Assert.True(
                world.Owners("anonymous_id", "a1").Single().Id is var device && (device == mail.Id || device == world.Profiles().Single(p => p.Id == merge.Winner).MergedInto || device == merge.Winner)
                && world.Owners("phone", "+4930123456").Single().Id != mail.Id && world.Live().Count == 2,
                $"seed {seed}: {string.Join(" | ", world.Live().Select(p => string.Join(' ', p.Identifiers.Select(i => i.Identifier))))}");
            Assert.Contains("phone", world.Timeline(world.Owners("phone", "+4930123456").Single().Id));
        }
    }

    /// <summary>C was merged into B, B into A. Each of the two is taken back, in either order, with events of all of them in between.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ChainIsTakenBackInEitherOrder_EachHasWhatItHad(bool innerFirst)
    {
        var world = await World.CreateAsync(1);
        foreach (var e in new[] { ByMail, ByPhone, ByDevice })
            await world.SettleAsync(e);
        await world.SettleAsync(PhoneDevice);
        await world.SettleAsync("""{"type":"page","messageId":"d1","anonymousId":"a1","timestamp":"2026-03-01T00:01:01Z"}""");
        await world.SettleAsync(MailPhone);
        await world.SettleAsync("""{"type":"page","messageId":"d2","anonymousId":"a1","timestamp":"2026-03-01T00:01:02Z"}""");
        await world.SettleAsync("""{"type":"identify","messageId":"p2","traits":{"phone":"+4930123456"},"timestamp":"2026-03-01T00:01:03Z"}""");
        var all = Assert.Single(world.Live());
        var inner = all.Merges.Single(m => m.MessageId == "phone-device").Id;
        var outer = all.Merges.Single(m => m.MessageId == "mail-phone").Id;

        foreach (var id in innerFirst ? [inner, outer] : new[] { outer, inner })
            await world.UnmergeAsync(world.Live().First(p => p.Merges.Exists(m => m.Id == id && m.State == MergeState.Done)), id);

        Assert.Equal(["mail", "mail-phone"], world.Timeline(world.Owners("email", "one@mail.test").Single().Id));
        Assert.Equal(["p2", "phone", "phone-device"], world.Timeline(world.Owners("phone", "+4930123456").Single().Id));
        Assert.Equal(["d1", "d2", "device"], world.Timeline(world.Owners("anonymous_id", "a1").Single().Id));
        world.Describe();
    }
}
