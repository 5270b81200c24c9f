using Cdp.Storage;
using Xunit;

namespace Cdp.Tests.Storage;

public sealed class FakeRowStoreTests : RowStoreContract
{
    protected override Task<IRowStore> StoreAsync() => Task.FromResult<IRowStore>(new FakeStore());
}

public sealed class FakeMessageQueueTests : MessageQueueContract
{
    private readonly FakeStore store = new();

    protected override Task<IMessageQueue> QueueAsync() => Task.FromResult<IMessageQueue>(store);

    protected override Task<string?> ReceiveAsync(QueueName queue) => Task.FromResult(store.Receive(queue)?.Body);
}

public sealed class FakeBlobStoreTests : BlobStoreContract
{
    protected override Task<IBlobStore> StoreAsync() => Task.FromResult<IBlobStore>(new FakeStore());
}

public sealed class FakeStoreTests
{
    private readonly FakeStore store = new();

    [Fact]
    public async Task Hooks_SeeEveryCallOnce_InOrder_WithItsKeys()
    {
        var seen = new List<string>();
        store.Before = call => Note("before", call);
        store.After = call => Note("after", call);

        await store.CommitAsync(TableName.Profiles, "s1", [RowWrite.Insert("a", default), RowWrite.Insert("b", default)], default);
        await store.GetAsync(TableName.Profiles, "s1", "a", default);
        await store.SendAsync(QueueName.Events, "x", null, default);

        Assert.Equal(
            [
                "before #1 Commit Profiles s1 [a, b]", "after #1 Commit Profiles s1 [a, b]",
                "before #2 GetRow Profiles s1 [a]", "after #2 GetRow Profiles s1 [a]",
                "before #3 SendMessage Events  []", "after #3 SendMessage Events  []",
            ],
            seen);
        Assert.Equal(3, store.Calls);

        Task Note(string when, StoreCall call)
        {
            seen.Add($"{when} {call}");
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task Range_CallsOncePerPage()
    {
        await store.CommitAsync(TableName.Profiles, "s1", [.. Enumerable.Range(0, 5).Select(static i => RowWrite.Insert($"k{i}", default))], default);
        var pages = 0;
        store.Before = call =>
        {
            pages += call.Operation == StoreOperation.ReadPage ? 1 : 0;
            return Task.CompletedTask;
        };

        var rows = 0;
        await foreach (var _ in store.RangeAsync(TableName.Profiles, "s1", "", "~", 2, default))
            rows++;

        Assert.Equal((5, 3), (rows, pages));
    }

    [Fact]
    public async Task Crash_BeforeACall_LeavesNothing_AndAfterIt_Everything()
    {
        store.Before = static call => call.Number == 1 ? throw new SimulatedCrashException(call) : Task.CompletedTask;
        store.After = static call => call.Number == 2 ? throw new SimulatedCrashException(call) : Task.CompletedTask;

        await Assert.ThrowsAsync<SimulatedCrashException>(() => store.CommitAsync(TableName.Profiles, "s1", [RowWrite.Insert("a", default)], default));
        Assert.Empty(store.Snapshot());
        await Assert.ThrowsAsync<SimulatedCrashException>(() => store.CommitAsync(TableName.Profiles, "s1", [RowWrite.Insert("a", default)], default));
        Assert.Equal([new FakeRow(TableName.Profiles, "s1", "a", [])], store.Snapshot());
    }

    [Fact]
    public async Task Hook_MayCallTheStore_InBetween()
    {
        var other = await store.CommitAsync(TableName.Profiles, "s1", [RowWrite.Insert("a", default)], default);
        store.Before = async call =>
        {
            if (call.Number == 2)
                await store.CommitAsync(TableName.Profiles, "s1", [RowWrite.Upsert("a", "x"u8.ToArray())], default);
        };

        var result = await store.CommitAsync(TableName.Profiles, "s1", [RowWrite.Replace("a", default, other.Versions[0]!)], default);

        Assert.Equal(Refusal.Changed, result.Refusal);
    }

    [Fact]
    public async Task Committed_IsToldWhatTookEffect_AndNothingElse()
    {
        var told = new List<string>();
        store.Committed = (table, writes) => told.Add($"{table} {string.Join(' ', writes.Select(w => $"{w.Kind} {w.Key}"))}");

        await store.CommitAsync(TableName.Profiles, "s1", [RowWrite.Insert("a", default), RowWrite.Insert("b", default)], default);
        await store.CommitAsync(TableName.Profiles, "s1", [RowWrite.Insert("a", default)], default);
        await store.CommitAsync(TableName.Config, "s1", [RowWrite.Delete("a")], default);
        await store.CommitAsync(TableName.Profiles, "s1", [RowWrite.Delete("a")], default);

        Assert.Equal(["Profiles Insert a Insert b", "Profiles Delete a"], told);
    }

    [Fact]
    public async Task Message_IsReceivedAgain_AfterRelease_UntilDeleted()
    {
        await store.SendAsync(QueueName.Events, "x", TimeSpan.FromSeconds(30), default);

        var first = store.Receive(QueueName.Events)!;
        Assert.Null(store.Receive(QueueName.Events));
        store.Release(first);
        var second = store.Receive(QueueName.Events)!;
        store.Delete(second);

        Assert.Equal((first.Number, 2, TimeSpan.FromSeconds(30)), (second.Number, second.DequeueCount, second.Delay!.Value));
        Assert.Empty(store.Messages(QueueName.Events));
    }

    [Fact]
    public async Task Snapshot_ComparesContent_NotVersions()
    {
        var other = new FakeStore();
        await store.CommitAsync(TableName.Config, "s", [RowWrite.Insert("a", "1"u8.ToArray())], default);
        await store.CommitAsync(TableName.Config, "s", [RowWrite.Upsert("a", "2"u8.ToArray())], default);
        await other.CommitAsync(TableName.Config, "s", [RowWrite.Insert("a", "2"u8.ToArray())], default);

        Assert.Equal(store.Snapshot(), other.Snapshot());
        await other.CommitAsync(TableName.Config, "s", [RowWrite.Upsert("a", "3"u8.ToArray())], default);
        Assert.NotEqual(store.Snapshot(), other.Snapshot());
    }
}
