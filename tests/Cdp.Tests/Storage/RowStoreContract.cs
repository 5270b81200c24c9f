using System.Text;
using Cdp.Storage;
using Xunit;

namespace Cdp.Tests.Storage;

/// <summary>What every <see cref="IRowStore"/> does.</summary>
public abstract class RowStoreContract
{
    private const TableName Table = TableName.Profiles;

    // Several stores share tables between their tests: each test has a partition of its own.
    private readonly string partition = Guid.NewGuid().ToString("n");

    protected abstract Task<IRowStore> StoreAsync();

    [Fact]
    public async Task Get_OfARowThatIsNotThere_IsNull()
    {
        var store = await StoreAsync();

        Assert.Null(await store.GetAsync(Table, partition, "k", default));
    }

    [Fact]
    public async Task Insert_ThenGet_GivesTheSameRowWithTheVersionOfTheCommit()
    {
        var store = await StoreAsync();

        var result = await store.CommitAsync(Table, partition, [RowWrite.Insert("k", Bytes("one"))], default);

        Assert.True(result.Committed);
        var row = await store.GetAsync(Table, partition, "k", default);
        Assert.NotNull(row);
        Assert.Equal((partition, "k", Assert.Single(result.Versions)), (row.Partition, row.Key, row.Version));
        Assert.Equal("one", Text(row));
    }

    [Fact]
    public async Task Tables_AreSeparate()
    {
        var store = await StoreAsync();
        await store.CommitAsync(TableName.Profiles, partition, [RowWrite.Insert("k", Bytes("profile"))], default);
        await store.CommitAsync(TableName.Identities, partition, [RowWrite.Insert("k", Bytes("identity"))], default);

        Assert.Equal("profile", Text(await store.GetAsync(TableName.Profiles, partition, "k", default)));
        Assert.Equal("identity", Text(await store.GetAsync(TableName.Identities, partition, "k", default)));
        Assert.Null(await store.GetAsync(TableName.Config, partition, "k", default));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(64 * 1024 - 1)]
    [InlineData(64 * 1024)]
    [InlineData(64 * 1024 + 1)]
    [InlineData(128 * 1024)]
    [InlineData(StorageLimits.RowBytes)]
    public async Task Data_OfAnySize_ComesBackAsItWas(int size)
    {
        var store = await StoreAsync();
        var data = new byte[size];
        new Random(size).NextBytes(data);

        await store.CommitAsync(Table, partition, [RowWrite.Insert("single", data)], default);
        await store.CommitAsync(Table, partition, [RowWrite.Upsert("first", data), RowWrite.Upsert("second", Bytes("x"))], default);

        Assert.Equal(data, (await store.GetAsync(Table, partition, "single", default))!.Data.ToArray());
        Assert.Equal(data, (await store.GetAsync(Table, partition, "first", default))!.Data.ToArray());
    }

    [Fact]
    public async Task Replace_WithLessData_LeavesNothingOfTheOld()
    {
        var store = await StoreAsync();
        var first = await store.CommitAsync(Table, partition, [RowWrite.Insert("k", new byte[200_000])], default);

        await store.CommitAsync(Table, partition, [RowWrite.Replace("k", new byte[64 * 1024], first.Versions[0]!)], default);

        Assert.Equal(64 * 1024, (await store.GetAsync(Table, partition, "k", default))!.Data.Length);
    }

    [Fact]
    public async Task Data_IsCopied_SoTheCallerMayReuseItsBuffer()
    {
        var store = await StoreAsync();
        var buffer = Bytes("before, and some more");

        await store.CommitAsync(Table, partition, [RowWrite.Insert("k", buffer.AsMemory(0, 6))], default);
        buffer.AsSpan().Clear();

        Assert.Equal("before", Text(await store.GetAsync(Table, partition, "k", default)));
    }

    [Fact]
    public async Task Insert_OfARowThatIsThere_IsRefusedAsExists()
    {
        var store = await StoreAsync();
        await store.CommitAsync(Table, partition, [RowWrite.Insert("k", Bytes("one"))], default);

        var result = await store.CommitAsync(Table, partition, [RowWrite.Insert("k", Bytes("two"))], default);

        AssertRefused(result, Refusal.Exists, 0);
        Assert.Equal("one", Text(await store.GetAsync(Table, partition, "k", default)));
    }

    [Fact]
    public async Task Replace_WithTheVersion_WritesAndChangesTheVersion()
    {
        var store = await StoreAsync();
        var first = await store.CommitAsync(Table, partition, [RowWrite.Insert("k", Bytes("one"))], default);

        var second = await store.CommitAsync(Table, partition, [RowWrite.Replace("k", Bytes("two"), first.Versions[0]!)], default);

        Assert.True(second.Committed);
        Assert.NotEqual(first.Versions[0], second.Versions[0]);
        var row = await store.GetAsync(Table, partition, "k", default);
        Assert.Equal(second.Versions[0], row!.Version);
        Assert.Equal("two", Text(row));
    }

    [Fact]
    public async Task Replace_WithAnOldVersion_IsRefusedAsChanged()
    {
        var store = await StoreAsync();
        var first = await store.CommitAsync(Table, partition, [RowWrite.Insert("k", Bytes("one"))], default);
        await store.CommitAsync(Table, partition, [RowWrite.Replace("k", Bytes("two"), first.Versions[0]!)], default);

        var result = await store.CommitAsync(Table, partition, [RowWrite.Replace("k", Bytes("three"), first.Versions[0]!)], default);

        AssertRefused(result, Refusal.Changed, 0);
        Assert.Equal("two", Text(await store.GetAsync(Table, partition, "k", default)));
    }

    [Fact]
    public async Task Replace_OfARowThatIsGone_IsRefusedAsChanged()
    {
        var store = await StoreAsync();
        var first = await store.CommitAsync(Table, partition, [RowWrite.Insert("k", Bytes("one"))], default);
        await store.CommitAsync(Table, partition, [RowWrite.Delete("k")], default);

        var result = await store.CommitAsync(Table, partition, [RowWrite.Replace("k", Bytes("two"), first.Versions[0]!)], default);

        AssertRefused(result, Refusal.Changed, 0);
    }

    [Fact]
    public async Task Replace_OfARowDeletedAndInsertedAgain_IsRefusedAsChanged()
    {
        var store = await StoreAsync();
        var first = await store.CommitAsync(Table, partition, [RowWrite.Insert("k", Bytes("one"))], default);
        await store.CommitAsync(Table, partition, [RowWrite.Delete("k")], default);
        await store.CommitAsync(Table, partition, [RowWrite.Insert("k", Bytes("one"))], default);

        var result = await store.CommitAsync(Table, partition, [RowWrite.Replace("k", Bytes("two"), first.Versions[0]!)], default);

        AssertRefused(result, Refusal.Changed, 0);
    }

    [Fact]
    public async Task Upsert_InsertsAndReplaces()
    {
        var store = await StoreAsync();

        var first = await store.CommitAsync(Table, partition, [RowWrite.Upsert("k", Bytes("one"))], default);
        var second = await store.CommitAsync(Table, partition, [RowWrite.Upsert("k", Bytes("two"))], default);

        Assert.True(first.Committed && second.Committed);
        Assert.NotEqual(first.Versions[0], second.Versions[0]);
        Assert.Equal("two", Text(await store.GetAsync(Table, partition, "k", default)));
    }

    [Fact]
    public async Task Delete_WithAndWithoutAVersion()
    {
        var store = await StoreAsync();
        // Rows of one transaction may have the same version: it tells the states of one row apart.
        var old = await store.CommitAsync(Table, partition, [RowWrite.Insert("a", Bytes("old"))], default);
        var rows = await store.CommitAsync(Table, partition, [RowWrite.Upsert("a", Bytes("a")), RowWrite.Insert("b", Bytes("b"))], default);

        AssertRefused(await store.CommitAsync(Table, partition, [RowWrite.Delete("a", old.Versions[0])], default), Refusal.Changed, 0);
        var withVersion = await store.CommitAsync(Table, partition, [RowWrite.Delete("a", rows.Versions[0])], default);
        var without = await store.CommitAsync(Table, partition, [RowWrite.Delete("b")], default);

        Assert.Null(Assert.Single(withVersion.Versions));
        Assert.True(without.Committed);
        Assert.Null(await store.GetAsync(Table, partition, "a", default));
        Assert.Null(await store.GetAsync(Table, partition, "b", default));
        AssertRefused(await store.CommitAsync(Table, partition, [RowWrite.Delete("b")], default), Refusal.Changed, 0);
    }

    [Fact]
    public async Task Transaction_GivesEachRowsVersionAndNullForDeletes()
    {
        var store = await StoreAsync();
        var before = await store.CommitAsync(Table, partition, [RowWrite.Insert("b", Bytes("b")), RowWrite.Insert("c", Bytes("c"))], default);

        var result = await store.CommitAsync(
            Table,
            partition,
            [
                RowWrite.Insert("a", Bytes("a1")),
                RowWrite.Replace("b", Bytes("b1"), before.Versions[0]!),
                RowWrite.Delete("c", before.Versions[1]),
                RowWrite.Upsert("d", Bytes("d1")),
            ],
            default);

        Assert.True(result.Committed);
        Assert.Equal(4, result.Versions.Count);
        Assert.Null(result.Versions[2]);
        foreach (var (key, index) in new[] { ("a", 0), ("b", 1), ("d", 3) })
        {
            var row = await store.GetAsync(Table, partition, key, default);
            Assert.Equal((result.Versions[index], key + "1"), (row!.Version, Text(row)));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(9)]
    public async Task Transaction_WithOneRefusedWrite_ChangesNothingAndNamesIt(int refused)
    {
        var store = await StoreAsync();
        await store.CommitAsync(Table, partition, [RowWrite.Insert("there", Bytes("one"))], default);
        var writes = Enumerable.Range(0, 10)
            .Select(i => i == refused ? RowWrite.Insert("there", Bytes("two")) : RowWrite.Insert($"new{i}", Bytes("x")))
            .ToArray();

        AssertRefused(await store.CommitAsync(Table, partition, writes, default), Refusal.Exists, refused);

        writes[refused] = RowWrite.Delete("gone");
        AssertRefused(await store.CommitAsync(Table, partition, writes, default), Refusal.Changed, refused);
        writes[refused] = RowWrite.Replace("gone", Bytes("two"), "W/\"datetime'2026-01-01T00%3A00%3A00.0000000Z'\"");
        AssertRefused(await store.CommitAsync(Table, partition, writes, default), Refusal.Changed, refused);

        Assert.Equal(["there"], await KeysAsync(store, "", "~"));
        Assert.Equal("one", Text(await store.GetAsync(Table, partition, "there", default)));
    }

    [Fact]
    public async Task Transaction_WithSeveralRefusedWrites_NamesTheFirst()
    {
        var store = await StoreAsync();
        await store.CommitAsync(Table, partition, [RowWrite.Insert("there", Bytes("one"))], default);

        var result = await store.CommitAsync(
            Table,
            partition,
            [RowWrite.Insert("new", Bytes("x")), RowWrite.Delete("gone"), RowWrite.Insert("there", Bytes("x"))],
            default);

        AssertRefused(result, Refusal.Changed, 1);
    }

    [Fact]
    public async Task Transaction_OfTheMostRows_Commits()
    {
        var store = await StoreAsync();
        var writes = Enumerable.Range(0, StorageLimits.TransactionRows).Select(i => RowWrite.Insert($"k{i:d3}", new byte[StorageLimits.TransactionBytes / 100])).ToArray();

        Assert.True((await store.CommitAsync(Table, partition, writes, default)).Committed);
        Assert.Equal(100, (await KeysAsync(store, "k", "l")).Count);
    }

    [Fact]
    public async Task Transaction_BeyondALimit_ThrowsAndChangesNothing()
    {
        var store = await StoreAsync();

        await Assert.ThrowsAnyAsync<Exception>(() => store.CommitAsync(Table, partition, [.. Enumerable.Range(0, 101).Select(i => RowWrite.Insert($"k{i}", Bytes("x")))], default));
        await Assert.ThrowsAnyAsync<Exception>(() => store.CommitAsync(Table, partition, [.. Enumerable.Range(0, 100).Select(i => RowWrite.Insert($"k{i}", new byte[40_000]))], default));
        await Assert.ThrowsAnyAsync<Exception>(() => store.CommitAsync(Table, partition, [RowWrite.Insert("k", new byte[StorageLimits.RowBytes + 1])], default));
        await Assert.ThrowsAnyAsync<Exception>(() => store.CommitAsync(Table, partition, [RowWrite.Insert("k", Bytes("x")), RowWrite.Upsert("k", Bytes("y"))], default));
        await Assert.ThrowsAnyAsync<Exception>(() => store.CommitAsync(Table, partition, [RowWrite.Insert("good", Bytes("x")), RowWrite.Insert(new string('k', 513), Bytes("y"))], default));
        await Assert.ThrowsAnyAsync<Exception>(() => store.CommitAsync(Table, partition, [], default));

        Assert.Empty(await KeysAsync(store, "", "~"));
    }

    [Theory]
    [InlineData("a/b")]
    [InlineData("a\\b")]
    [InlineData("a#b")]
    [InlineData("a?b")]
    [InlineData("a\tb")]
    [InlineData("a\u0085b")]
    public async Task Key_WithAForbiddenCharacter_Throws(string key)
    {
        var store = await StoreAsync();

        await Assert.ThrowsAnyAsync<Exception>(() => store.CommitAsync(Table, partition, [RowWrite.Insert(key, Bytes("x"))], default));
        await Assert.ThrowsAnyAsync<Exception>(() => store.CommitAsync(Table, partition, [RowWrite.Insert("good", Bytes("x")), RowWrite.Insert(key, Bytes("x"))], default));

        Assert.Empty(await KeysAsync(store, "", "~"));
    }

    [Theory]
    [InlineData("p|01J0000000000000000000000")]
    [InlineData("it's 'quoted'")]
    [InlineData("a b+c&d=e%20f;g,h:i@j!k$l*m(n)o")]
    [InlineData("ünï\u0301cödé 漢字 🙂")]
    [InlineData("{}[]<>\"`^~.")]
    [InlineData("..")]
    public async Task Key_WithAnyAllowedCharacter_IsReadWrittenAndRanged(string key)
    {
        var store = await StoreAsync();

        var first = await store.CommitAsync(Table, partition, [RowWrite.Insert(key, Bytes("one"))], default);
        Assert.Equal("one", Text(await store.GetAsync(Table, partition, key, default)));
        var second = await store.CommitAsync(Table, partition, [RowWrite.Replace(key, Bytes("two"), first.Versions[0]!), RowWrite.Insert("other", Bytes("x"))], default);
        Assert.True(second.Committed);
        Assert.Equal([key], await KeysAsync(store, key, key + "|"));
        Assert.True((await store.CommitAsync(Table, partition, [RowWrite.Delete(key), RowWrite.Delete("other")], default)).Committed);
        Assert.Null(await store.GetAsync(Table, partition, key, default));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(1000)]
    public async Task Range_IsOrderedOrdinally_FromInclusiveToExclusive_WhateverThePageSize(int pageSize)
    {
        var store = await StoreAsync();
        string[] keys = ["B", "a", "a|", "a|1", "a|2", "a}", "b", "é"];
        await store.CommitAsync(Table, partition, [.. keys.Reverse().Select(static key => RowWrite.Insert(key, Bytes(key)))], default);
        await store.CommitAsync(Table, partition + "x", [RowWrite.Insert("a|3", Bytes("another partition's"))], default);

        Assert.Equal(["a|", "a|1", "a|2"], await KeysAsync(store, "a|", "a}", pageSize));
        Assert.Equal(keys, await KeysAsync(store, "", "\uffff", pageSize));
        Assert.Equal(["a|1"], await KeysAsync(store, "a|1", "a|2", pageSize));
        Assert.Empty(await KeysAsync(store, "c", "d", pageSize));
        Assert.Empty(await KeysAsync(store, "b", "a", pageSize));
    }

    [Fact]
    public async Task Range_GivesWholeRows()
    {
        var store = await StoreAsync();
        var result = await store.CommitAsync(Table, partition, [RowWrite.Insert("a", new byte[100_000]), RowWrite.Insert("b", Bytes("b"))], default);

        var rows = new List<Row>();
        await foreach (var row in store.RangeAsync(Table, partition, "a", "c", 10, default))
            rows.Add(row);

        Assert.Equal(result.Versions, rows.Select(static row => row.Version));
        Assert.Equal([100_000, 1], rows.Select(static row => row.Data.Length));
    }

    [Fact]
    public async Task Range_StoppedEarly_IsNoError()
    {
        var store = await StoreAsync();
        await store.CommitAsync(Table, partition, [.. Enumerable.Range(0, 10).Select(static i => RowWrite.Insert($"k{i}", Bytes("x")))], default);

        await foreach (var row in store.RangeAsync(Table, partition, "k", "l", 2, default))
        {
            Assert.Equal("k0", row.Key);
            break;
        }
    }

    [Fact]
    public async Task ConcurrentInserts_OfOneKey_OneWins()
    {
        var store = await StoreAsync();

        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => store.CommitAsync(
            Table,
            partition,
            [RowWrite.Insert("k", Bytes($"{i}")), RowWrite.Insert($"mine{i}", Bytes("x"))],
            default)));

        var winner = Array.FindIndex(results, static result => result.Committed);
        Assert.Single(results, static result => result.Committed);
        Assert.All(results.Where(static result => !result.Committed), static result => AssertRefused(result, Refusal.Exists, 0));
        Assert.Equal(["k", $"mine{winner}"], await KeysAsync(store, "", "~"));
    }

    [Fact]
    public async Task ConcurrentReplacements_LoseNoUpdate()
    {
        var store = await StoreAsync();
        await store.CommitAsync(Table, partition, [RowWrite.Insert("counter", Bytes("0"))], default);

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (var done = 0; done < 5;)
            {
                var row = await store.GetAsync(Table, partition, "counter", default);
                var next = Bytes($"{int.Parse(Text(row)!) + 1}");
                if ((await store.CommitAsync(Table, partition, [RowWrite.Replace("counter", next, row!.Version)], default)).Committed)
                    done++;
            }
        })));

        Assert.Equal("20", Text(await store.GetAsync(Table, partition, "counter", default)));
    }

    [Fact]
    public async Task Cancelled_Throws()
    {
        var store = await StoreAsync();
        var cancelled = new CancellationToken(canceled: true);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.GetAsync(Table, partition, "k", cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.CommitAsync(Table, partition, [RowWrite.Upsert("k", Bytes("x"))], cancelled));
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string? Text(Row? row) => row is null ? null : Encoding.UTF8.GetString(row.Data.Span);

    private static void AssertRefused(CommitResult result, Refusal refusal, int index)
    {
        Assert.Equal((refusal, index), (result.Refusal, result.RefusedIndex));
        Assert.False(result.Committed);
        Assert.Empty(result.Versions);
    }

    private async Task<List<string>> KeysAsync(IRowStore store, string from, string to, int pageSize = 1000)
    {
        var keys = new List<string>();
        await foreach (var row in store.RangeAsync(Table, partition, from, to, pageSize, default))
            keys.Add(row.Key);
        return keys;
    }
}
