using Cdp.Storage;
using CdpFunctions.Storage;
using CdpFunctions.Tests.AzurePolyfills;
using CdpFunctions.Tests.Runtime;
using Xunit;

namespace CdpFunctions.Tests.Storage;

public sealed class BlobLinksTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 6, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task WithAnIdentity_LinksAreSignedWithAKeyOfTheService_AndForHttpsAlone()
    {
        var links = await new BlobLinks(BlobSasTests.WithIdentity("account"), new ManualTime(Now))
            .ReadAsync(ContainerName.Exports, ["vip/20260301T060000000Z/manifest.json", "vip/20260301T060000000Z/part-00000.csv"], Now.AddHours(1), default);

        Assert.Equal(
            ["https://account.blob.core.windows.net/exports/vip/20260301T060000000Z/manifest.json", "https://account.blob.core.windows.net/exports/vip/20260301T060000000Z/part-00000.csv"],
            links.Select(static link => link.GetLeftPart(UriPartial.Path)));
        Assert.All(links, static link =>
        {
            var query = System.Web.HttpUtility.ParseQueryString(link.Query);
            Assert.Equal(("r", "b", "https", "2026-03-01T07:00:00Z", "object", "tenant"), (query["sp"], query["sr"], query["spr"], query["se"], query["skoid"], query["sktid"]));
            Assert.NotEmpty(query["sig"]!);
        });
        Assert.NotEqual(links[0].Query, links[1].Query);
    }

    [Fact]
    public async Task AnUploadLink_WritesOneBlob_AndNothingElse()
    {
        var (link, expires) = await new BlobLinks(BlobSasTests.WithIdentity("account"), new ManualTime(Now)).WriteAsync(ContainerName.Imports, "files/imp_1.csv", TimeSpan.FromHours(12), default);

        Assert.Equal(("https://account.blob.core.windows.net/imports/files/imp_1.csv", Now.AddHours(12)), (link.GetLeftPart(UriPartial.Path), expires));
        var query = System.Web.HttpUtility.ParseQueryString(link.Query);
        Assert.Equal(("cw", "b", "https", "2026-03-01T18:00:00Z"), (query["sp"], query["sr"], query["spr"], query["se"]));
    }

    [Fact]
    public async Task OfNothing_IsNothing() =>
        Assert.Empty(await new BlobLinks(BlobSasTests.WithIdentity("account"), new ManualTime(Now)).ReadAsync(ContainerName.Exports, [], Now, default));
}
