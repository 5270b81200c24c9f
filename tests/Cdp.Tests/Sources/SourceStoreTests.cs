using System.Text.Json;
using Cdp.Sources;
using Cdp.Storage;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Sources;

public sealed class SourceStoreTests
{
    private readonly SourceStore store = new(new FakeStore());

    [Fact]
    public async Task A_source_is_read_back_as_it_was_written()
    {
        var source = new Source(
            "web", "Shop", "http", true, [new("wk_abcdef", DateTimeOffset.UnixEpoch, true), new("local", DateTimeOffset.UnixEpoch, false)], ["https://shop.example"],
            new RateLimit(12.5), [new FieldRule("context.ip")], SourceTrust.Server);
        var put = await store.PutAsync(source, PutCondition.None, CancellationToken.None);
        Assert.True(put is { Done: true, Created: true });
        var read = (await store.GetAsync("web", CancellationToken.None))!.Value;
        Assert.Equal(put.Version, read.Version);
        Assert.Equal(JsonSerializer.Serialize(source), JsonSerializer.Serialize(read.Source));
        Assert.Equal(["wk_abcd", "local"], read.Source.WriteKeys.Select(k => k.Prefix));
    }

    [Fact]
    public async Task A_source_stored_before_there_was_trust_is_a_client()
    {
        var rows = new FakeStore();
        await rows.CommitAsync(
            TableName.Config, "sources", [RowWrite.Insert("old", """{"id":"old","name":"Old","type":"http","enabled":true,"writeKeys":[]}"""u8.ToArray())], CancellationToken.None);
        Assert.Equal(SourceTrust.Client, (await new SourceStore(rows).GetAsync("old", CancellationToken.None))!.Value.Source.Trust);
    }

    [Fact]
    public async Task Writes_hold_to_their_conditions()
    {
        var created = await store.PutAsync(Source("web", "1"), PutCondition.IsNew, CancellationToken.None);
        Assert.False((await store.PutAsync(Source("web", "2"), PutCondition.IsNew, CancellationToken.None)).Done);
        var replaced = await store.PutAsync(Source("web", "3"), PutCondition.HasVersion(created.Version!), CancellationToken.None);
        Assert.True(replaced is { Done: true, Created: false });
        Assert.False((await store.PutAsync(Source("web", "4"), PutCondition.HasVersion(created.Version!), CancellationToken.None)).Done);
        Assert.False((await store.PutAsync(Source("new", "5"), PutCondition.HasVersion("x"), CancellationToken.None)).Done);
        Assert.True(await store.PutAsync(Source("web", "6"), PutCondition.None, CancellationToken.None) is { Done: true, Created: false });
        Assert.Equal("6", (await store.GetAsync("web", CancellationToken.None))!.Value.Source.Name);
        Assert.False(await store.DeleteAsync("web", replaced.Version, CancellationToken.None));
        Assert.True(await store.DeleteAsync("web", null, CancellationToken.None));
        Assert.True(await store.DeleteAsync("web", null, CancellationToken.None));
        Assert.Null(await store.GetAsync("web", CancellationToken.None));
    }

    [Fact]
    public async Task Sources_are_listed_by_id()
    {
        foreach (var id in new[] { "b", "0", "a-1", "z9" })
            await store.PutAsync(Source(id, id), PutCondition.IsNew, CancellationToken.None);
        Assert.Equal(["0", "a-1", "b", "z9"], (await store.ListAsync(CancellationToken.None)).Select(s => s.Id));
    }

    [Theory]
    [InlineData("web", true)]
    [InlineData("0-a", true)]
    [InlineData("", false)]
    [InlineData("-a", false)]
    [InlineData("Web", false)]
    [InlineData("a_b", false)]
    [InlineData("a/b", false)]
    [InlineData("lookup", false)]
    [InlineData("a123456789012345678901234567890123456789012345678901234567890123", false)]
    public async Task Ids_have_one_form(string id, bool valid)
    {
        Assert.Equal(valid, SourceIds.IsValid(id));
        Assert.Null(await store.GetAsync(id, CancellationToken.None));
        if (!valid)
            await Assert.ThrowsAsync<ArgumentException>(() => store.PutAsync(Source(id, ""), PutCondition.None, CancellationToken.None));
    }

    [Fact]
    public void New_keys_are_long_and_differ()
    {
        var keys = Enumerable.Range(0, 100).Select(_ => SourceIds.NewWriteKey()).ToList();
        Assert.All(keys, k => Assert.Matches("^wk_[0-9A-Za-z]{32}$", k));
        Assert.Equal(100, keys.Distinct().Count());
    }

    private static Source Source(string id, string name) => new(id, name, "http", true, []);
}
