using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using CdpFunctions.Tests.Azurite;
using Xunit;

namespace CdpFunctions.Tests.AzurePolyfills;

public sealed class BlobClientTests
{
    [Fact]
    public async Task Upload_WithoutOverwrite_IsRefusedWhereTheBlobIs()
    {
        var container = await CreateAsync();
        var blob = container.GetBlobClient("b");

        var uploaded = (await blob.UploadAsync(BinaryData.FromString("one"))).Value;
        await AssertFailsAsync(409, BlobErrorCode.BlobAlreadyExists, () => blob.UploadAsync(BinaryData.FromString("two")));
        Assert.Equal("one", (await blob.DownloadContentAsync()).Value.Content.ToString());
        await blob.UploadAsync(BinaryData.FromString("two"), overwrite: true);

        var downloaded = (await blob.DownloadContentAsync()).Value;
        Assert.Equal("two", downloaded.Content.ToString());
        Assert.Equal(3, downloaded.Details.ContentLength);
        Assert.NotEqual(uploaded.ETag, downloaded.Details.ETag);
    }

    [Fact]
    public async Task Upload_WithConditions_IsRefusedWhereTheyFail()
    {
        var blob = (await CreateAsync()).GetBlobClient("b");
        var first = (await blob.UploadAsync(BinaryData.FromString("one"))).Value.ETag;
        await blob.UploadAsync(BinaryData.FromString("two"), new BlobUploadOptions { Conditions = new BlobRequestConditions { IfMatch = first } });

        await AssertFailsAsync(412, BlobErrorCode.ConditionNotMet, () => blob.UploadAsync(BinaryData.FromString("three"), new BlobUploadOptions { Conditions = new BlobRequestConditions { IfMatch = first } }));
        Assert.Equal("two", (await blob.DownloadContentAsync()).Value.Content.ToString());
    }

    [Fact]
    public async Task Download_AsAStream_WholeOrARange()
    {
        var container = await CreateAsync();
        var blob = container.GetBlobClient("b");
        var data = new byte[300_000];
        new Random(1).NextBytes(data);
        await blob.UploadAsync(BinaryData.FromBytes(data));

        Assert.Equal(data, await ReadAsync(null));
        Assert.Equal(data[1000..1010], await ReadAsync(new BlobDownloadOptions { Range = new HttpRange(1000, 10) }));
        await AssertFailsAsync(404, BlobErrorCode.BlobNotFound, () => container.GetBlobClient("missing").DownloadStreamingAsync());

        async Task<byte[]> ReadAsync(BlobDownloadOptions? options)
        {
            using var download = (await blob.DownloadStreamingAsync(options)).Value;
            using var read = new MemoryStream();
            await download.Content.CopyToAsync(read);
            return read.ToArray();
        }
    }

    [Fact]
    public async Task Download_OfARange_SaysOfWhat()
    {
        var container = await CreateAsync();
        var blob = container.GetBlobClient("b");
        await blob.UploadAsync(BinaryData.FromString("0123456789"));

        var download = (await blob.DownloadContentAsync(new BlobDownloadOptions { Range = new HttpRange(8, 100) })).Value;

        Assert.Equal(("89", "bytes 8-9/10", 2), (download.Content.ToString(), download.Details.ContentRange, download.Details.ContentLength));
    }

    [Fact]
    public async Task Properties_Exists_AndDelete()
    {
        var container = await CreateAsync();
        var blob = container.GetBlobClient("b");
        Assert.False((await blob.ExistsAsync()).Value);
        Assert.False((await blob.DeleteIfExistsAsync()).Value);
        await AssertFailsAsync(404, BlobErrorCode.BlobNotFound, () => blob.GetPropertiesAsync());
        await AssertFailsAsync(404, BlobErrorCode.BlobNotFound, () => blob.DownloadContentAsync());

        await blob.UploadAsync(BinaryData.FromString("{}"), new BlobUploadOptions { HttpHeaders = new BlobHttpHeaders { ContentType = "application/json" } });

        var properties = (await blob.GetPropertiesAsync()).Value;
        Assert.Equal((2L, "application/json", BlobType.Block), (properties.ContentLength, properties.ContentType, properties.BlobType));
        Assert.True((await blob.ExistsAsync()).Value);
        Assert.True((await blob.DeleteIfExistsAsync()).Value);
        Assert.False((await blob.ExistsAsync()).Value);
    }

    [Theory]
    [InlineData("a/b/c.jsonl")]
    [InlineData("a b+c&d=e%20f;g,h:i@j!k$l*m(n)o'p")]
    [InlineData("é 漢字 🙂")]
    [InlineData("a?b#c")]
    public async Task Names_OfAnyCharacter(string name)
    {
        var container = await CreateAsync();
        var blob = container.GetBlobClient(name);

        await blob.UploadAsync(BinaryData.FromString("x"));

        Assert.Equal((name, container.Name), (blob.Name, blob.BlobContainerName));
        Assert.Equal("x", (await blob.DownloadContentAsync()).Value.Content.ToString());
        Assert.Equal([name], await NamesAsync(container, null));
        Assert.Equal([name], await NamesAsync(container, name));
    }

    [Fact]
    public async Task List_PagesWithAPrefix()
    {
        var container = await CreateAsync();
        foreach (var i in Enumerable.Range(0, 7))
            await container.GetBlobClient($"a/{i}").UploadAsync(BinaryData.FromString("xx"));
        await container.GetBlobClient("b").UploadAsync(BinaryData.FromString("x"));

        var pages = new List<int>();
        await foreach (var page in container.GetBlobsAsync(BlobTraits.None, BlobStates.None, "a/", default).AsPages(pageSizeHint: 3))
            pages.Add(page.Values.Count);

        Assert.Equal([3, 3, 1], pages);
        await foreach (var blob in container.GetBlobsAsync(BlobTraits.None, BlobStates.None, "a/6", default))
            Assert.Equal((2L, BlobType.Block), (blob.Properties.ContentLength, blob.Properties.BlobType!.Value));
    }

    [Fact]
    public async Task AppendBlob_GrowsOnlyWhereItsConditionsHold()
    {
        var container = await CreateAsync();
        var log = container.GetAppendBlobClient("log");
        await AssertFailsAsync(404, BlobErrorCode.BlobNotFound, () => AppendAsync("x", 0));

        await log.CreateAsync(new AppendBlobCreateOptions { Conditions = new AppendBlobRequestConditions { IfNoneMatch = ETag.All } });
        await AssertFailsAsync(409, BlobErrorCode.BlobAlreadyExists, () => log.CreateAsync(new AppendBlobCreateOptions { Conditions = new AppendBlobRequestConditions { IfNoneMatch = ETag.All } }));
        Assert.Null(await log.CreateIfNotExistsAsync(new AppendBlobCreateOptions()));
        var first = await AppendAsync("one", 0);
        await AssertFailsAsync(412, BlobErrorCode.AppendPositionConditionNotMet, () => AppendAsync("one", 0));
        var second = await AppendAsync("two", 3);

        Assert.Equal(("0", 1), (first.BlobAppendOffset, first.BlobCommittedBlockCount));
        Assert.Equal(("3", 2), (second.BlobAppendOffset, second.BlobCommittedBlockCount));
        Assert.Equal("onetwo", (await log.DownloadContentAsync()).Value.Content.ToString());
        var properties = (await log.GetPropertiesAsync()).Value;
        Assert.Equal((BlobType.Append, 2, 6L), (properties.BlobType, properties.BlobCommittedBlockCount, properties.ContentLength));
        Assert.Equal(201, (await container.GetAppendBlobClient("new").CreateIfNotExistsAsync(new AppendBlobCreateOptions())).GetRawResponse().Status);

        async Task<BlobAppendInfo> AppendAsync(string text, long position)
        {
            using var content = BinaryData.FromString(text).ToStream();
            var here = new AppendBlobRequestConditions { IfAppendPositionEqual = position };
            return (await log.AppendBlockAsync(content, new AppendBlobAppendBlockOptions { Conditions = here })).Value;
        }
    }

    [Fact]
    public async Task Container_IsCreatedOnce_AndMissingIsReported()
    {
        var container = new BlobServiceClient(await AzuriteFixture.ConnectionStringAsync()).GetBlobContainerClient(AzuriteFixture.NewName());

        Assert.False((await container.ExistsAsync()).Value);
        await AssertFailsAsync(404, BlobErrorCode.ContainerNotFound, () => container.GetBlobClient("b").UploadAsync(BinaryData.FromString("x")));
        Assert.Equal(201, (await container.CreateIfNotExistsAsync()).GetRawResponse().Status);
        Assert.Null(await container.CreateIfNotExistsAsync());
        Assert.True((await container.ExistsAsync()).Value);
    }

    private static async Task<BlobContainerClient> CreateAsync()
    {
        var container = new BlobServiceClient(await AzuriteFixture.ConnectionStringAsync()).GetBlobContainerClient(AzuriteFixture.NewName());
        await container.CreateIfNotExistsAsync();
        return container;
    }

    private static async Task<List<string>> NamesAsync(BlobContainerClient container, string? prefix)
    {
        var names = new List<string>();
        await foreach (var blob in container.GetBlobsAsync(BlobTraits.None, BlobStates.None, prefix, default))
            names.Add(blob.Name);
        return names;
    }

    private static async Task AssertFailsAsync(int status, BlobErrorCode code, Func<Task> call)
    {
        var failure = await Assert.ThrowsAsync<RequestFailedException>(call);
        Assert.Equal((status, code), (failure.Status, (BlobErrorCode)failure.ErrorCode!));
    }
}
