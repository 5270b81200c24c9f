using Cdp.Events;
using Cdp.Failures;
using Cdp.Identity;
using Cdp.Problems;
using Cdp.Processing;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Storage;
using Cdp.Tests.Storage;
using static Cdp.Tests.Reading.ReadingHarness;

namespace Cdp.Tests.Reading;

public sealed class MessageStatusReaderTests
{
    private const long T = 1_767_323_045_678;

    private readonly ReadingHarness harness = new();
    private readonly RecentCommits recent = new();
    private readonly FailureLog failures;
    private readonly MessageStatusReader messages;

    public MessageStatusReaderTests()
    {
        failures = new FailureLog(harness.Store, harness.Time);
        messages = new MessageStatusReader(harness.Store, new ProfileStore(harness.Store), failures, recent, harness.Time);
    }

    [Fact]
    public async Task Find_Unknown_IsQueued() =>
        Assert.Equal(new MessageStatus("m", "web", "queued", null, null, null), await FindAsync("m"));

    [Fact]
    public async Task Find_Committed_NamesTheProfileAndWhenItWasReceived()
    {
        var id = ProfileId.New(harness.Ids);
        var e = Track("m", T);
        await harness.AddAsync(id, [e, Track("other", T)]);
        Assert.Equal(new MessageStatus("m", "web", "committed", id, e.ReceivedAt, null), await FindAsync("m"));
        Assert.Equal("queued", (await FindAsync("m", "elsewhere")).Outcome);
    }

    [Fact]
    public async Task Find_UnknownAgainAtOnce_AsksTheShardsOnceASecond()
    {
        await FindAsync("m");
        var calls = harness.Store.Calls;
        Assert.Equal("queued", (await FindAsync("m")).Outcome);
        Assert.True(harness.Store.Calls - calls < 10);

        var id = ProfileId.New(harness.Ids);
        await harness.AddAsync(id, [Track("m", T)]);
        harness.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("committed", (await FindAsync("m")).Outcome);
    }

    [Fact]
    public async Task Find_CommittedHereLately_AsksNoShard()
    {
        var id = ProfileId.New(harness.Ids);
        var e = Track("m", T);
        await harness.AddAsync(id, [e]);
        recent.Add(e.MessageKey, id, e.ReceivedAt);
        var shards = 0;
        harness.Store.Before = call =>
        {
            shards += call is { Operation: StoreOperation.ReadPage, Place: nameof(TableName.Profiles) } ? 1 : 0;
            return Task.CompletedTask;
        };
        Assert.Equal(new MessageStatus("m", "web", "committed", id, e.ReceivedAt, null), await FindAsync("m"));
        Assert.Equal(0, shards);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Find_ProfileWasMerged_NamesTheWinner(bool here)
    {
        var (winner, loser) = harness.TwoIds();
        var e = Track("m", T);
        await harness.AddAsync(loser, [e], document => document.MergedInto = winner);
        await harness.AddAsync(winner, [Track("w", T)]);
        if (here)
            recent.Add(e.MessageKey, loser, e.ReceivedAt);
        Assert.Equal(winner, (await FindAsync("m")).Profile);
    }

    [Fact]
    public async Task Find_IdWasUsedTwice_FailedWithTheProfileThatHasIt()
    {
        var id = ProfileId.New(harness.Ids);
        var e = Track("m", T);
        await harness.AddAsync(id, [e]);
        await failures.RecordAsync(e, FailureReason.MessageIdReused, "", id, CancellationToken.None);
        Assert.Equal(new MessageStatus("m", "web", "failed", id, Instant.Now(harness.Time), "message-id-reused"), await FindAsync("m"));
    }

    [Fact]
    public async Task Find_ProfileWasFull_IsCommitted()
    {
        var id = ProfileId.New(harness.Ids);
        var e = Track("m", T);
        await harness.AddAsync(id, [e]);
        await failures.RecordAsync(e, FailureReason.ProfileFull, "", id, CancellationToken.None);
        Assert.Equal(("committed", (ProfileId?)id), ((await FindAsync("m")).Outcome, (await FindAsync("m")).Profile));
    }

    [Fact]
    public async Task Find_Poisoned_FailedUntilItIsCommittedAfterAll()
    {
        var e = Track("m", T);
        await failures.RecordAsync(e, FailureReason.Poisoned, "", null, CancellationToken.None);
        Assert.Equal(("failed", "poisoned"), ((await FindAsync("m")).Outcome, (await FindAsync("m")).Reason));
        await harness.AddAsync(ProfileId.New(harness.Ids), [e]);
        harness.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("committed", (await FindAsync("m")).Outcome);
    }

    [Fact]
    public async Task Find_SeveralReadingsOfAPath_TheOneThatIsKnown()
    {
        await harness.AddAsync(ProfileId.New(harness.Ids), [Track("a%2Fb", T), Track("c/d", T)]);
        Assert.Equal("a%2Fb", (await messages.FindAsync("web", MessageKey.Parse("web", "a%2Fb"), CancellationToken.None)).MessageId);
        Assert.Equal("c/d", (await messages.FindAsync("web", MessageKey.Parse("web", "c%2fd"), CancellationToken.None)).MessageId);
        Assert.Equal("x/y", (await messages.FindAsync("web", MessageKey.Parse("web", "x%2Fy"), CancellationToken.None)).MessageId);
    }

    [Theory]
    [InlineData("m", "m")]
    [InlineData("~YS9i", "a/b ~YS9i")]
    [InlineData("~", "~")]
    [InlineData("~!", "~!")]
    [InlineData("a/b", "a/b")]
    public void MessageKey_Readings(string text, string expected) => Assert.Equal(expected.Split(' '), MessageKey.Parse("web", text));

    [Fact]
    public async Task MessageKey_TooLongOrNoSource_IsRefused()
    {
        Assert.Equal(ProblemType.InvalidKey, await RefusalAsync(() => Task.FromResult(MessageKey.Parse("web", new string('m', 101)))));
        Assert.Equal(ProblemType.InvalidKey, await RefusalAsync(() => Task.FromResult(MessageKey.Parse("-", "m"))));
        Assert.Single(MessageKey.Parse("web", new string('m', 100)));
    }

    private Task<MessageStatus> FindAsync(string messageId, string source = "web") => messages.FindAsync(source, messageId, CancellationToken.None);
}
