using System.Text;
using Cdp.Storage;
using Xunit;

namespace Cdp.Tests.Storage;

/// <summary>What every <see cref="IBlobStore"/> does.</summary>
public abstract class BlobStoreContract
{
    private const ContainerName Raw = ContainerName.Raw;

    // Several stores share containers between their tests: each test has a folder of its own.
    private readonly string folder = Guid.NewGuid().ToString("n") + "/";

    protected abstract Task<IBlobStore> StoreAsync();

    [Fact]
    public async Task Put_ThenGet_GivesTheSame_AndReplaces()
    {
        var store = await StoreAsync();
        Assert.Null(await store.GetAsync(Raw, folder + "b", default));

        await store.PutAsync(Raw, folder + "b", "one"u8.ToArray(), default);
        Assert.Equal("one", Text(await store.GetAsync(Raw, folder + "b", default)));
        await store.PutAsync(Raw, folder + "b", "2"u8.ToArray(), default);

        Assert.Equal("2", Text(await store.GetAsync(Raw, folder + "b", default)));
        Assert.Null(await store.GetAsync(ContainerName.Overflow, folder + "b", default));
    }

    [Fact]
    public async Task Put_OfNothing_IsAnEmptyBlob()
    {
        var store = await StoreAsync();

        await store.PutAsync(Raw, folder + "b", default, default);

        Assert.Equal("", Text(await store.GetAsync(Raw, folder + "b", default)));
    }

    /// <summary>The largest that is written whole: a part of an export.</summary>
    [Fact]
    public async Task Put_OfTwentyMegabytes_GivesTheSame()
    {
        var store = await StoreAsync();
        var data = new byte[20 * 1024 * 1024];
        new Random(1).NextBytes(data);

        await store.PutAsync(ContainerName.Exports, folder + "part", data, default);

        Assert.True((await store.GetAsync(ContainerName.Exports, folder + "part", default))!.Value.Span.SequenceEqual(data));
        await store.DeleteAsync(ContainerName.Exports, folder + "part", default);
    }

    [Fact]
    public async Task Read_GivesAStretch_WithTheWholeLengthAndTheVersion()
    {
        var store = await StoreAsync();
        Assert.Null(await store.ReadAsync(Raw, folder + "b", 0, 10, default));
        await store.PutAsync(Raw, folder + "b", "0123456789"u8.ToArray(), default);

        var first = (await store.ReadAsync(Raw, folder + "b", 0, 4, default))!;
        var last = (await store.ReadAsync(Raw, folder + "b", 8, 100, default))!;
        var beyond = (await store.ReadAsync(Raw, folder + "b", 10, 1, default))!;

        Assert.Equal(("0123", 10), (Text(first.Data), first.Length));
        Assert.Equal(("89", 10), (Text(last.Data), last.Length));
        Assert.Equal(("", 10), (Text(beyond.Data), beyond.Length));
        Assert.NotEmpty(first.Version);
        Assert.Equal([first.Version, first.Version], [last.Version, beyond.Version]);
        await store.PutAsync(Raw, folder + "b", "0123456789"u8.ToArray(), default);
        Assert.NotEqual(first.Version, (await store.ReadAsync(Raw, folder + "b", 0, 4, default))!.Version);
    }

    [Fact]
    public async Task Read_OfAnEmptyBlob_IsNothing()
    {
        var store = await StoreAsync();
        await store.PutAsync(Raw, folder + "b", default, default);

        var read = (await store.ReadAsync(Raw, folder + "b", 0, 10, default))!;

        Assert.Equal(("", 0), (Text(read.Data), read.Length));
    }

    [Fact]
    public async Task Delete_RemovesOrDoesNothing()
    {
        var store = await StoreAsync();
        await store.PutAsync(Raw, folder + "b", "one"u8.ToArray(), default);

        await store.DeleteAsync(Raw, folder + "b", default);
        await store.DeleteAsync(Raw, folder + "b", default);

        Assert.Null(await store.GetAsync(Raw, folder + "b", default));
    }

    [Fact]
    public async Task Append_AtTheEnd_Grows()
    {
        var store = await StoreAsync();

        Assert.True(await store.AppendAsync(Raw, folder + "log", 0, "one\n"u8.ToArray(), default));
        Assert.True(await store.AppendAsync(Raw, folder + "log", 4, "two\n"u8.ToArray(), default));

        Assert.Equal("one\ntwo\n", Text(await store.GetAsync(Raw, folder + "log", default)));
    }

    [Fact]
    public async Task Append_Elsewhere_WritesNothing()
    {
        var store = await StoreAsync();
        Assert.False(await store.AppendAsync(Raw, folder + "log", 4, "x"u8.ToArray(), default));
        Assert.Null(await store.GetAsync(Raw, folder + "log", default));
        await store.AppendAsync(Raw, folder + "log", 0, "one\n"u8.ToArray(), default);

        Assert.False(await store.AppendAsync(Raw, folder + "log", 0, "one\n"u8.ToArray(), default));
        Assert.False(await store.AppendAsync(Raw, folder + "log", 3, "x"u8.ToArray(), default));
        Assert.False(await store.AppendAsync(Raw, folder + "log", 5, "x"u8.ToArray(), default));

        Assert.Equal("one\n", Text(await store.GetAsync(Raw, folder + "log", default)));
    }

    [Fact]
    public async Task Append_ToAWholeBlob_WritesNothing()
    {
        var store = await StoreAsync();
        await store.PutAsync(Raw, folder + "b", "whole"u8.ToArray(), default);

        Assert.False(await store.AppendAsync(Raw, folder + "b", 0, "x"u8.ToArray(), default));
        Assert.False(await store.AppendAsync(Raw, folder + "b", 5, "x"u8.ToArray(), default));

        Assert.Equal("whole", Text(await store.GetAsync(Raw, folder + "b", default)));
    }

    [Fact]
    public async Task ConcurrentAppends_AtOnePosition_OneWins()
    {
        var store = await StoreAsync();

        var creations = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => store.AppendAsync(Raw, folder + "log", 0, "ab"u8.ToArray(), default)));
        var appends = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => store.AppendAsync(Raw, folder + "log", 2, "cd"u8.ToArray(), default)));

        Assert.Single(creations, static won => won);
        Assert.Single(appends, static won => won);
        Assert.Equal("abcd", Text(await store.GetAsync(Raw, folder + "log", default)));
    }

    [Fact]
    public async Task List_GivesNamesWithThePrefix_InOrder()
    {
        var store = await StoreAsync();
        string[] names = ["a", "a/1.jsonl", "a/2 b+c%d&e='f'.jsonl", "a/ü 🙂", "b"];
        foreach (var name in names.Reverse())
            await store.PutAsync(Raw, folder + name, "x"u8.ToArray(), default);

        Assert.Equal(names.Select(name => folder + name), await NamesAsync(store, folder));
        Assert.Equal(names[1..4].Select(name => folder + name), await NamesAsync(store, folder + "a/"));
        Assert.Empty(await NamesAsync(store, folder + "c"));
        foreach (var name in names)
            Assert.NotNull(await store.GetAsync(Raw, folder + name, default));
    }

    private static string? Text(ReadOnlyMemory<byte>? data) => data is null ? null : Encoding.UTF8.GetString(data.Value.Span);

    private static async Task<List<string>> NamesAsync(IBlobStore store, string prefix)
    {
        var names = new List<string>();
        await foreach (var name in store.ListAsync(Raw, prefix, default))
            names.Add(name);
        return names;
    }
}
