using System.Text.Json;
using Cdp.Access;
using Cdp.Problems;
using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Access;

public sealed class ApiKeyTests : IDisposable
{
    private readonly SettableTime time = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));
    private readonly FakeStore store = new();
    private readonly ApiKeyStore keys;
    private readonly ApiKeyRing ring;
    private int reads;

    public ApiKeyTests()
    {
        keys = new ApiKeyStore(store);
        ring = new ApiKeyRing(keys, time);
        store.Before = call =>
        {
            reads += call.Operation == StoreOperation.ReadPage ? 1 : 0;
            return Task.CompletedTask;
        };
    }

    public void Dispose() => ring.Dispose();

    [Fact]
    public void NewText_IsLongRandomAndItsOwn()
    {
        var texts = Enumerable.Range(0, 100).Select(_ => ApiKey.NewText()).ToHashSet(StringComparer.Ordinal);
        Assert.Equal(100, texts.Count);
        Assert.All(texts, text => Assert.Matches("^ak_[0-9A-Za-z]{32}$", text));
    }

    [Fact]
    public async Task Find_NewKey_WorksAndIsNotStored()
    {
        var text = await AddAsync("key_1", Scope.StatsRead);
        var found = await ring.FindAsync(text, CancellationToken.None);
        Assert.Equal("key_1", found?.Id);
        Assert.DoesNotContain(store.Snapshot(), row => System.Text.Encoding.UTF8.GetString(row.Data).Contains(text, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Find_KnownKeys_ReadOncePerSnapshot()
    {
        var text = await AddAsync("key_1", Scope.Admin);
        for (var i = 0; i < 10; i++)
            Assert.NotNull(await ring.FindAsync(text, CancellationToken.None));
        Assert.Equal(1, reads);
        time.Advance(ApiKeyRing.FreshFor);
        Assert.NotNull(await ring.FindAsync(text, CancellationToken.None));
        Assert.Equal(2, reads);
    }

    [Fact]
    public async Task Find_KeyMadeAfterTheSnapshot_WorksAtOnce()
    {
        await ring.FindAsync(await AddAsync("key_1", Scope.Admin), CancellationToken.None);
        time.Advance(ApiKeyRing.BetweenReloads);
        Assert.NotNull(await ring.FindAsync(await AddAsync("key_2", Scope.Admin), CancellationToken.None));
    }

    [Fact]
    public async Task Find_DeletedKey_EndsWithTheSnapshot()
    {
        var text = await AddAsync("key_1", Scope.Admin);
        await ring.FindAsync(text, CancellationToken.None);
        await keys.DeleteAsync("key_1", CancellationToken.None);
        time.Advance(ApiKeyRing.FreshFor);
        Assert.Null(await ring.FindAsync(text, CancellationToken.None));
    }

    [Fact]
    public async Task Find_StorageDoesNotAnswer_KnownKeysStayGood()
    {
        var text = await AddAsync("key_1", Scope.Admin);
        await ring.FindAsync(text, CancellationToken.None);
        time.Advance(TimeSpan.FromHours(1));
        store.Before = _ => throw new IOException();
        Assert.NotNull(await ring.FindAsync(text, CancellationToken.None));
        await Assert.ThrowsAsync<IOException>(async () => await ring.FindAsync("ak_other", CancellationToken.None));
    }

    [Theory]
    [InlineData("")]
    [InlineData("ak_")]
    [InlineData("key_1")]
    [InlineData("\ud800")]
    public async Task Find_WrongKey_Null(string text)
    {
        await AddAsync("key_1", Scope.Admin);
        Assert.Null(await ring.FindAsync(text, CancellationToken.None));
        Assert.Null(await ring.FindAsync(text + new string('x', ApiKey.Longest), CancellationToken.None));
    }

    [Fact]
    public async Task Find_KeyOfOneCharacterLessOrInOtherCase_Null()
    {
        var text = await AddAsync("key_1", Scope.Admin);
        foreach (var wrong in new[] { text[..^1], text + "a", text.ToUpperInvariant(), " " + text })
            Assert.Null(await ring.FindAsync(wrong, CancellationToken.None));
    }

    [Theory]
    [InlineData("profiles:read", true, false, false)]
    [InlineData("stats:read", false, true, false)]
    [InlineData("admin", true, true, true)]
    public void Allows_AdminIncludesAll(string scope, bool profiles, bool stats, bool admin)
    {
        var key = ApiKey.Create("id", "name", "text", [scope], DateTimeOffset.UnixEpoch);
        Assert.Equal((profiles, stats, admin), (key.Allows(Scope.ProfilesRead), key.Allows(Scope.StatsRead), key.Allows(Scope.Admin)));
    }

    [Theory]
    [InlineData("""{"name":"n","scopes":["admin"]}""", "")]
    [InlineData("""{"name":"n","scopes":["admin","everything"],"extra":1}""", "scopes[1] extra")]
    [InlineData("""{}""", "name scopes")]
    [InlineData("""{"name":" ","scopes":[]}""", "name scopes")]
    [InlineData("""{"name":7,"scopes":"admin"}""", "name scopes")]
    [InlineData("""{"name":null,"scopes":[null]}""", "name scopes[0]")]
    public void Read_NamesEveryMistake(string json, string paths)
    {
        var element = JsonDocument.Parse(json).RootElement;
        if (paths.Length == 0)
        {
            Assert.Equal("n", ApiKeyDocument.Read(element).Name);
            return;
        }

        var refused = Assert.Throws<ProblemException>(() => ApiKeyDocument.Read(element)).Problem;
        Assert.Equal(paths.Split(' '), refused.Errors!.Select(error => error.Path));
    }

    private async Task<string> AddAsync(string id, params string[] scopes)
    {
        var text = ApiKey.NewText();
        Assert.True(await keys.AddAsync(ApiKey.Create(id, "name", text, scopes, time.GetUtcNow()), CancellationToken.None));
        return text;
    }
}
