using Cdp.Identity;
using Cdp.Storage;
using Cdp.Tests.Collect;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Identity;

public sealed class IdentityRulesRegistryTests
{
    private readonly FakeStore rows = new();
    private readonly ManualTime time = new(DateTimeOffset.UnixEpoch);
    private readonly IdentityRulesStore store;
    private readonly IdentityRulesRegistry registry;

    public IdentityRulesRegistryTests()
    {
        store = new IdentityRulesStore(rows);
        registry = new IdentityRulesRegistry(store, time);
    }

    [Fact]
    public async Task WithoutConfiguration_TheDefaultsHold()
    {
        Assert.Null(await store.GetAsync(CancellationToken.None));
        Assert.Same(IdentityRules.Default, await CurrentAsync());
    }

    [Fact]
    public async Task Stored_IsReadBack_UnderItsVersion()
    {
        var first = await store.PutAsync(Rules(1), null, CancellationToken.None);
        Assert.Null(await store.PutAsync(Rules(2), null, CancellationToken.None));
        Assert.Null(await store.PutAsync(Rules(2), "other", CancellationToken.None));
        var second = await store.PutAsync(Rules(2), first, CancellationToken.None);
        Assert.NotNull(second);
        var (rules, version) = (await new IdentityRulesStore(rows).GetAsync(CancellationToken.None))!.Value;
        Assert.Equal((second, IdentityRulesDocumentTests.Write(Rules(2))), (version, IdentityRulesDocumentTests.Write(rules)));
    }

    [Fact]
    public async Task Rules_AreReadEvery10Seconds_AndStayOneObjectWhileTheyAreTheSame()
    {
        var version = await store.PutAsync(Rules(1), null, CancellationToken.None);
        var first = await CurrentAsync();
        var calls = rows.Calls;
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.Same(first, await CurrentAsync());
        Assert.Equal(calls, rows.Calls);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Same(first, await CurrentAsync());
        Assert.Equal(calls + 1, rows.Calls);
        await store.PutAsync(Rules(2), version, CancellationToken.None);
        Assert.Equal(1, (await CurrentAsync()).Version);
        registry.Expire();
        Assert.Equal(2, (await CurrentAsync()).Version);
    }

    [Fact]
    public async Task Rules_OfManyAskers_AreReadOnce()
    {
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => CurrentAsync()));
        Assert.Equal(1, rows.Calls);
    }

    [Fact]
    public async Task StorageDown_OldRulesStay_AndWithoutAnyTheErrorIsTheCallers()
    {
        rows.Before = _ => throw new IOException("down");
        await Assert.ThrowsAsync<IOException>(CurrentAsync);
        rows.Before = null;
        await store.PutAsync(Rules(1), null, CancellationToken.None);
        Assert.Equal(1, (await CurrentAsync()).Version);
        rows.Before = _ => throw new IOException("down");
        time.Advance(TimeSpan.FromHours(1));
        registry.Expire();
        Assert.Equal(1, (await CurrentAsync()).Version);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"version":1,"types":[{"type":"user_id"}]}""")]
    public async Task UnreadableRow_IsInvalidData(string json)
    {
        await rows.CommitAsync(TableName.Config, "identity-rules", [RowWrite.Insert("current", System.Text.Encoding.UTF8.GetBytes(json))], CancellationToken.None);
        await Assert.ThrowsAsync<InvalidDataException>(() => store.GetAsync(CancellationToken.None));
    }

    [Fact]
    public async Task Of_IsAlwaysTheSame()
    {
        var rules = Rules(5);
        var fixedRules = IdentityRulesRegistry.Of(rules);
        fixedRules.Expire();
        Assert.Same(rules, await fixedRules.CurrentAsync(CancellationToken.None));
    }

    private Task<IdentityRules> CurrentAsync() => registry.CurrentAsync(CancellationToken.None).AsTask();

    private static IdentityRules Rules(long version) => new(IdentityRules.Default.Types, SharedIdentifiers.First, version);
}
