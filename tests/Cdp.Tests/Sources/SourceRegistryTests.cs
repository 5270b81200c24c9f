using Cdp.Sources;
using Cdp.Tests.Collect;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Sources;

public sealed class SourceRegistryTests
{
    private readonly FakeStore rows = new();
    private readonly ManualTime time = new(DateTimeOffset.UnixEpoch);
    private readonly SourceStore store;
    private readonly SourceRegistry registry;

    public SourceRegistryTests()
    {
        store = new SourceStore(rows);
        registry = new SourceRegistry(store, time);
    }

    [Fact]
    public async Task A_known_key_is_read_from_the_store_every_ten_seconds_at_most()
    {
        await PutAsync("web", "k1");
        Assert.Equal("web", (await FindAsync("k1"))!.Id);
        var calls = rows.Calls;
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal("web", (await FindAsync("k1"))!.Id);
        Assert.Equal(calls, rows.Calls);
        await store.PutAsync(new Source("web", "", "http", false, [new("k1", time.GetUtcNow(), true)]), PutCondition.None, CancellationToken.None);
        Assert.True((await FindAsync("k1"))!.Enabled);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.False((await FindAsync("k1"))!.Enabled);
    }

    [Fact]
    public async Task A_new_key_works_at_once()
    {
        await PutAsync("web", "k1");
        await FindAsync("k1");
        time.Advance(TimeSpan.FromSeconds(2));
        await PutAsync("app", "k2");
        Assert.Equal("app", (await FindAsync("k2"))!.Id);
    }

    [Fact]
    public async Task Unknown_keys_wait_for_one_shared_reload_a_second_and_known_ones_for_nothing()
    {
        await PutAsync("web", "k1");
        await FindAsync("k1");
        time.Advance(TimeSpan.FromTicks(1));
        var calls = rows.Calls;
        var unknown = Enumerable.Range(0, 20).Select(i => FindAsync("wrong" + i)).ToList();
        var late = FindAsync("k2");
        await PutAsync("app", "k2");
        calls++;
        Assert.All(unknown, t => Assert.False(t.IsCompleted));
        Assert.Equal("web", (await FindAsync("k1"))!.Id);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.All(await Task.WhenAll(unknown), Assert.Null);
        Assert.Equal("app", (await late)!.Id);
        // One list, and the read and write of the put.
        Assert.InRange(rows.Calls - calls, 1, 2);
    }

    [Fact]
    public async Task Known_keys_stay_good_while_the_storage_is_down_and_unknown_ones_are_an_error()
    {
        await PutAsync("web", "k1");
        await FindAsync("k1");
        rows.Before = _ => throw new IOException("down");
        time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal("web", (await FindAsync("k1"))!.Id);
        await Assert.ThrowsAsync<IOException>(() => FindAsync("k2"));
        rows.Before = null;
        Assert.Null(await FindAsync("k2"));
    }

    [Fact]
    public async Task A_disabled_key_is_unknown()
    {
        await store.PutAsync(new Source("web", "", "http", true, [new("k1", time.GetUtcNow(), false)]), PutCondition.None, CancellationToken.None);
        Assert.Null(await FindAsync("k1"));
        Assert.Null(await FindAsync(""));
        Assert.Null(await FindAsync(new string('k', 300)));
    }

    [Fact]
    public async Task Sources_are_found_by_id_in_the_snapshot_and_unknown_ids_cause_no_reload()
    {
        await PutAsync("web", "k1");
        Assert.Equal("web", (await registry.FindByIdAsync("web", CancellationToken.None))!.Id);
        var calls = rows.Calls;
        for (var i = 0; i < 20; i++)
            Assert.Null(await registry.FindByIdAsync("gone" + i, CancellationToken.None));
        Assert.Equal(calls, rows.Calls);
        await PutAsync("app", "k2");
        Assert.Null(await registry.FindByIdAsync("app", CancellationToken.None));
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("app", (await registry.FindByIdAsync("app", CancellationToken.None))!.Id);
        rows.Before = _ => throw new IOException("down");
        time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal("app", (await registry.FindByIdAsync("app", CancellationToken.None))!.Id);
    }

    private Task<PutResult> PutAsync(string id, string key) =>
        store.PutAsync(new Source(id, "", "http", true, [new(key, time.GetUtcNow(), true)]), PutCondition.IsNew, CancellationToken.None);

    private Task<Source?> FindAsync(string key) => registry.FindAsync(key, CancellationToken.None).AsTask();
}
