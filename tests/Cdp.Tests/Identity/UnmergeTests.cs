using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Profiles;

namespace Cdp.Tests.Identity;

/// <summary>A merge that was wrong is taken back: each side gets what it had, and what came later goes where its identifiers are.</summary>
public sealed class UnmergeTests
{
    private const string Login = """{"type":"identify","messageId":"login","anonymousId":"a1","userId":"u1","traits":{"plan":"pro"},"timestamp":"2026-03-01T00:00:03Z"}""";

    /// <summary>A person known by u1, a visitor known by a1, and the login that joins them.</summary>
    private static async Task<World> MergedAsync(int seed)
    {
        var world = await World.CreateAsync(seed);
        await world.SettleAsync(
            """{"type":"identify","messageId":"u","userId":"u1","traits":{"email":"ann@mail.test","plan":"free","name":"Ann"},"timestamp":"2026-03-01T00:00:01Z"}""");
        await world.SettleAsync("""{"type":"page","messageId":"p","anonymousId":"a1","name":"Home","timestamp":"2026-03-01T00:00:02Z"}""");
        await world.SettleAsync(Login);
        return world;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Unmerge_NothingHappenedSince_BothAreAsTheyWereBefore(int seed)
    {
        var world = await MergedAsync(seed);
        var winner = Assert.Single(world.Live());

        await world.UnmergeAsync(winner, winner.Merges[0].Id);

        var (known, visitor) = (world.Owners("user_id", "u1").Single(), world.Owners("anonymous_id", "a1").Single());
        Assert.NotEqual(known.Id, visitor.Id);
        Assert.Equal(["login", "u"], world.Timeline(known.Id));
        Assert.Equal(["p"], world.Timeline(visitor.Id));
        Assert.Equal(["email:ann@mail.test", "user_id:u1"], known.Identifiers.Select(i => i.Identifier.ToString()).Order(StringComparer.Ordinal));
        Assert.Empty(visitor.Traits);
        Assert.All([known, visitor], p => Assert.Equal(MergeState.Undone, Assert.Single(p.Merges).State));
        Assert.Equal(new Cdp.Events.Instant(DateTimeOffset.Parse("2026-03-01T00:00:02Z", null).ToUnixTimeMilliseconds()), visitor.Identifiers[0].LastSeenAt);
        world.Describe();
    }

    [Fact]
    public async Task Unmerge_TrafficSince_GoesToWhoOwnsAllItsIdentifiersElseToTheOneThatStays()
    {
        var world = await MergedAsync(1);
        await world.SettleAsync("""{"type":"page","messageId":"onlyA","anonymousId":"a1"}""");
        await world.SettleAsync("""{"type":"track","event":"X","messageId":"onlyU","userId":"u1"}""");
        await world.SettleAsync("""{"type":"track","event":"X","messageId":"both","userId":"u1","anonymousId":"a1"}""");
        await world.SettleAsync("""{"type":"track","event":"X","messageId":"newOne","userId":"u1","anonymousId":"a2"}""");
        var winner = Assert.Single(world.Live());

        await world.UnmergeAsync(winner, winner.Merges[0].Id);

        var (known, visitor) = (world.Owners("user_id", "u1").Single(), world.Owners("anonymous_id", "a1").Single());
        var stays = winner.Id == known.Id ? known : visitor;
        Assert.Equal(stays.Id, world.Owners("anonymous_id", "a2").Single().Id);
        Assert.Contains("both", world.Timeline(stays.Id));
        Assert.Contains("newOne", world.Timeline(stays.Id));
        Assert.Contains("onlyA", world.Timeline(visitor.Id));
        Assert.Contains("onlyU", world.Timeline(known.Id));
        world.Describe();
    }

    [Fact]
    public async Task TheSameLinkAgain_DoesNotMergeAgain_AnotherOneDoes()
    {
        var world = await MergedAsync(1);
        await world.UnmergeAsync(world.Live()[0], world.Live()[0].Merges[0].Id);

        await world.SettleAsync("""{"type":"identify","messageId":"again","anonymousId":"a1","userId":"u1"}""");

        Assert.Equal(2, world.Live().Count);
        Assert.Contains("again", world.Timeline(world.Owners("user_id", "u1").Single().Id));
        Assert.Contains(world.Live().SelectMany(p => p.Decisions), d => d.Rule == "link.rejected" && d.MessageId == "again");

        // A phone that nobody had when they were parted shows it anew.
        await world.SettleAsync("""{"type":"identify","messageId":"n1","anonymousId":"a1","traits":{"phone":"+4930123456"}}""");
        await world.SettleAsync("""{"type":"identify","messageId":"n2","userId":"u1","traits":{"phone":"+4930123456"}}""");

        Assert.Single(world.Live());
        world.Describe();
    }

    [Fact]
    public async Task RetriesAfterTheUnmerge_CountOnce()
    {
        var world = await MergedAsync(1);
        const string both = """{"type":"track","event":"X","messageId":"both","userId":"u1","anonymousId":"a1","timestamp":"2026-03-01T00:00:05Z"}""";
        const string only = """{"type":"page","messageId":"onlyA","anonymousId":"a1","timestamp":"2026-03-01T00:00:05Z"}""";
        await world.SettleAsync(both, only);
        await world.UnmergeAsync(world.Live()[0], world.Live()[0].Merges[0].Id);
        var before = world.Describe();

        await world.SettleAsync(both, only, Login);

        Assert.Equal(before, world.Describe());
    }

    [Fact]
    public async Task AMergeAskedForBeforeTheUnmerge_DeliveredAfterIt_DoesNothing()
    {
        var world = await World.CreateAsync(3);
        await world.SettleAsync("""{"type":"identify","messageId":"u","userId":"u1"}""");
        await world.SettleAsync("""{"type":"page","messageId":"p","anonymousId":"a1"}""");
        var merges = new List<string>();
        world.Store.After = call =>
        {
            if (call.Operation == Storage.StoreOperation.SendMessage && call.Place == nameof(QueueName.Merges))
                merges.Add(world.Store.Messages(QueueName.Merges)[^1].Body);
            return Task.CompletedTask;
        };
        await world.SettleAsync(Login);
        world.Store.After = null;
        await world.UnmergeAsync(world.Live()[0], world.Live()[0].Merges[0].Id);
        var before = world.Describe();

        await world.Store.SendAsync(QueueName.Merges, Assert.Single(merges), null, CancellationToken.None);
        await world.DrainAsync();

        Assert.Equal(before, world.Describe());
        Assert.Equal(2, world.Live().Count);
    }
}
