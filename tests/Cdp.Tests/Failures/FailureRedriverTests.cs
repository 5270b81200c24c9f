using Cdp.Failures;
using Cdp.Ids;
using Cdp.Storage;
using Cdp.Tests.Collect;
using Cdp.Tests.Events;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Failures;

public sealed class FailureRedriverTests
{
    private readonly FakeStore store = new();
    private readonly FailureLog failures;
    private readonly FailureRedriver redriver;

    public FailureRedriverTests()
    {
        var time = new ManualTime(DateTimeOffset.UnixEpoch);
        failures = new FailureLog(store, time);
        redriver = new FailureRedriver(failures, store, store, new IdGenerator(time));
    }

    [Fact]
    public async Task An_event_is_sent_again_at_once_and_its_failure_forgotten()
    {
        var failure = await FailAsync("It broke.");
        Assert.True(await redriver.RedriveAsync("web", failure.Id, default));
        Assert.Single(store.Messages(QueueName.Events));
        Assert.Null(await failures.GetAsync("web", failure.Id, default));
        Assert.False(await redriver.RedriveAsync("web", failure.Id, default));
        Assert.Single(store.Messages(QueueName.Events));
    }

    [Fact]
    public async Task An_event_that_fails_again_at_once_keeps_its_new_failure()
    {
        var failure = await FailAsync("It broke.");
        store.After = async call =>
        {
            if (call.Operation == StoreOperation.SendMessage)
                await FailAsync("It broke again.");
        };
        Assert.True(await redriver.RedriveAsync("web", failure.Id, default));
        Assert.Equal("It broke again.", (await failures.GetAsync("web", failure.Id, default))!.Detail);
    }

    [Fact]
    public async Task A_crash_after_sending_leaves_the_failure()
    {
        var failure = await FailAsync("It broke.");
        store.After = call => call.Operation == StoreOperation.SendMessage ? throw new SimulatedCrashException(call) : Task.CompletedTask;
        await Assert.ThrowsAsync<SimulatedCrashException>(() => redriver.RedriveAsync("web", failure.Id, default));
        Assert.Equal(failure, await failures.GetAsync("web", failure.Id, default));
    }

    [Fact]
    public async Task A_failure_is_deleted_as_it_was_read_or_not_at_all()
    {
        var failure = await FailAsync("It broke.");
        var later = await FailAsync("It broke again.");
        Assert.NotEqual(failure.Version, later.Version);
        await failures.DeleteAsync(failure, default);
        Assert.Equal(later, await failures.GetAsync("web", failure.Id, default));
        await failures.DeleteAsync(later, default);
        await failures.DeleteAsync(later, default);
        Assert.Null(await failures.GetAsync("web", failure.Id, default));
    }

    [Fact]
    public async Task A_version_is_not_stored()
    {
        var failure = await FailAsync("It broke.");
        Assert.NotNull(failure.Version);
        Assert.DoesNotContain("version", System.Text.Encoding.UTF8.GetString(Assert.Single(store.Snapshot()).Data), StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>The same event under the same reason, so always the same failure.</summary>
    private async Task<Failure> FailAsync(string detail)
    {
        await failures.RecordAsync(TestEvents.Make("m", userId: "u"), FailureReason.Poisoned, detail, null, default);
        return Assert.Single(await failures.FindAsync("web", "m", default));
    }
}
