using System.Net;
using System.Security.Cryptography;
using System.Text;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Sas;
using CdpFunctions.Tests.Azurite;
using Xunit;

namespace CdpFunctions.Tests.AzurePolyfills;

/// <summary>Signatures as the emulator checks them, asked for with a plain HTTP client.</summary>
public sealed class BlobSasTests : IDisposable
{
    private readonly HttpClient http = new();

    [Fact]
    public async Task ALink_OfAnAccountKey_ReadsItsBlobAlone_UntilItExpires()
    {
        var (container, blob) = await BlobAsync("a folder/name ü+1.csv");
        Assert.True(blob.CanGenerateSasUri);
        var link = blob.GenerateSasUri(BlobSasPermissions.Read, TimeProvider.System.GetUtcNow().AddMinutes(5));

        Assert.Equal("content", await http.GetStringAsync(link));
        await AssertRefusedAsync(new UriBuilder(link) { Query = "" }.Uri);
        await AssertRefusedAsync(Altered(link, "se=2", "se=3"));
        await AssertRefusedAsync(Altered(link, "sp=r", "sp=rw"));
        var other = container.GetBlobClient("other");
        await other.UploadAsync(BinaryData.FromString("secret"));
        await AssertRefusedAsync(new UriBuilder(other.Uri) { Query = link.Query }.Uri);
        await AssertRefusedAsync(blob.GenerateSasUri(BlobSasPermissions.Read, TimeProvider.System.GetUtcNow().AddSeconds(-5)));
        await AssertRefusedAsync(blob.GenerateSasUri(BlobSasPermissions.Write, TimeProvider.System.GetUtcNow().AddMinutes(5)));
        await AssertRefusedAsync(blob.GenerateSasUri(new BlobSasBuilder(BlobSasPermissions.Read, TimeProvider.System.GetUtcNow().AddMinutes(9)) { StartsOn = TimeProvider.System.GetUtcNow().AddMinutes(5) }));
        using var put = new HttpRequestMessage(HttpMethod.Put, link) { Content = new StringContent("x"), Headers = { { "x-ms-blob-type", "BlockBlob" } } };
        using var answer = await http.SendAsync(put);
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Throws<InvalidOperationException>(() => blob.GenerateSasUri(new BlobSasBuilder(BlobSasPermissions.Read, default) { BlobContainerName = "another" }));
    }

    /// <summary>The key is one that the emulator would give: it derives them from what is in them, so it recognises it without Entra ID.</summary>
    [Fact]
    public async Task ALink_OfAnIdentity_ReadsItsBlobAlone_UntilItExpires()
    {
        var (_, blob) = await BlobAsync("folder/part-00000.csv.gz");
        var service = WithIdentity("account");
        Assert.False(service.GetBlobContainerClient("c").GetBlobClient("b").CanGenerateSasUri);
        Assert.Throws<InvalidOperationException>(() => service.GetBlobContainerClient("c").GetBlobClient("b").GenerateSasUri(BlobSasPermissions.Read, default));
        var now = TimeProvider.System.GetUtcNow();
        var key = (await service.GetUserDelegationKeyAsync(now.AddMinutes(-5), now.AddMinutes(30))).Value;
        Uri Link(DateTimeOffset expires, string? account = null) => new UriBuilder(blob.Uri)
        {
            Query = new BlobSasBuilder(BlobSasPermissions.Read, expires) { BlobContainerName = blob.BlobContainerName, BlobName = blob.Name, Protocol = SasProtocol.HttpsAndHttp }
                .ToSasQueryParameters(key, account ?? blob.AccountName).ToString(),
        }.Uri;

        Assert.Equal(("object", "tenant", "b"), (key.SignedObjectId, key.SignedTenantId, key.SignedService));
        Assert.Equal("content", await http.GetStringAsync(Link(now.AddMinutes(5))));
        await AssertRefusedAsync(Link(now.AddSeconds(-5)));
        await AssertRefusedAsync(Link(now.AddMinutes(5), "another"));
        await AssertRefusedAsync(Altered(Link(now.AddMinutes(5)), "skoid=object", "skoid=other"));
    }

    public void Dispose() => http.Dispose();

    private static Uri Altered(Uri link, string part, string with)
    {
        Assert.Contains(part, link.Query, StringComparison.Ordinal);
        return new UriBuilder(link) { Query = link.Query.Replace(part, with, StringComparison.Ordinal) }.Uri;
    }

    private static async Task<(BlobContainerClient Container, BlobClient Blob)> BlobAsync(string name)
    {
        var container = new BlobServiceClient(await AzuriteFixture.ConnectionStringAsync()).GetBlobContainerClient(AzuriteFixture.NewName());
        await container.CreateIfNotExistsAsync();
        var blob = container.GetBlobClient(name);
        await blob.UploadAsync(BinaryData.FromString("content"));
        return (container, blob);
    }

    private async Task AssertRefusedAsync(Uri link)
    {
        using var answer = await http.GetAsync(link);
        Assert.Contains(answer.StatusCode, new[] { HttpStatusCode.Forbidden, HttpStatusCode.NotFound, HttpStatusCode.Unauthorized });
    }

    /// <summary>An account that an identity opens, of which only the service of keys is there.</summary>
    internal static BlobServiceClient WithIdentity(string account) => new(
        new Uri($"https://{account}.blob.core.windows.net"),
        new Token(),
        new BlobClientOptions { Transport = new HttpClientTransport(new HttpClient(new KeyService())) });

    private sealed class Token : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) => new("token", TimeProvider.System.GetUtcNow().AddHours(1));

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) => new(GetToken(requestContext, cancellationToken));
    }

    private sealed class KeyService : HttpMessageHandler
    {
        private const string Version = "2020-12-06";

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Assert.Equal((HttpMethod.Post, "?restype=service&comp=userdelegationkey"), (request.Method, request.RequestUri!.Query));
            var asked = System.Xml.Linq.XElement.Parse(await request.Content!.ReadAsStringAsync(cancellationToken));
            var (start, expiry) = (asked.Element("Start")?.Value ?? "2026-03-01T06:00:00Z", asked.Element("Expiry")!.Value);
            var value = HMACSHA256.HashData("azurite-user-delegation-signing-seed-v1"u8, Encoding.UTF8.GetBytes($"object\ntenant\n{start}\n{expiry}\nb\n{Version}"));
            return new HttpResponseMessage(HttpStatusCode.OK)
            {
                Content = new StringContent(
                    $"<?xml version=\"1.0\" encoding=\"utf-8\"?><UserDelegationKey><SignedOid>object</SignedOid><SignedTid>tenant</SignedTid><SignedStart>{start}</SignedStart><SignedExpiry>{expiry}</SignedExpiry><SignedService>b</SignedService><SignedVersion>{Version}</SignedVersion><Value>{Convert.ToBase64String(value)}</Value></UserDelegationKey>",
                    Encoding.UTF8,
                    "application/xml"),
            };
        }
    }
}
