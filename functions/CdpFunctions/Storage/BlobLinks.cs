using Azure.Storage.Blobs;
using Azure.Storage.Sas;
using Cdp.Exports;
using Cdp.Storage;

namespace CdpFunctions.Storage;

/// <summary>
/// Links that anybody who has one can read a file with, or upload one, for a while. Signed with the account's key where the app has it (a connection string, the
/// emulator), else with a key that the service gives to the app's identity.
/// </summary>
public sealed class BlobLinks(BlobServiceClient service, TimeProvider time)
{
    /// <summary>How long a link is good: enough for a download, short enough for one that ends up in a log.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    /// <summary>The links of an export that is done.</summary>
    public async Task<ExportDownload> OfAsync(ExportDocument export, CancellationToken cancellation)
    {
        var expires = After(Lifetime);
        string[] names = [export.ManifestName, .. export.Parts.Select(part => export.Folder + part.Name)];
        var links = await ReadAsync(ContainerName.Exports, names, expires, cancellation);
        return new ExportDownload(expires, links[0], links[1..]);
    }

    /// <summary>A link to each of some blobs, whether it is there or not.</summary>
    public Task<Uri[]> ReadAsync(ContainerName container, IReadOnlyList<string> names, DateTimeOffset expires, CancellationToken cancellation) =>
        LinkAsync(container, names, BlobSasPermissions.Read, expires, cancellation);

    /// <summary>A link to read one blob, and when it ends.</summary>
    public async Task<(Uri Link, DateTimeOffset ExpiresAt)> ReadAsync(ContainerName container, string name, CancellationToken cancellation)
    {
        var expires = After(Lifetime);
        return ((await ReadAsync(container, [name], expires, cancellation))[0], expires);
    }

    /// <summary>A link to write one blob, of this name and no other, with, and when it ends. It can neither read nor delete.</summary>
    public async Task<(Uri Link, DateTimeOffset ExpiresAt)> WriteAsync(ContainerName container, string name, TimeSpan lifetime, CancellationToken cancellation)
    {
        var expires = After(lifetime);
        return ((await LinkAsync(container, [name], BlobSasPermissions.Create | BlobSasPermissions.Write, expires, cancellation))[0], expires);
    }

    // Signatures know no fractions of a second.
    private DateTimeOffset After(TimeSpan lifetime) => DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().Add(lifetime).ToUnixTimeSeconds());

    private async Task<Uri[]> LinkAsync(
        ContainerName container, IReadOnlyList<string> names, BlobSasPermissions permissions, DateTimeOffset expires, CancellationToken cancellation)
    {
        var folder = service.GetBlobContainerClient(StorageNames.Of(container));
        if (names.Count == 0)
            return [];
        if (folder.GetBlobClient(names[0]).CanGenerateSasUri)
            return [.. names.Select(name => folder.GetBlobClient(name)).Select(blob => blob.GenerateSasUri(Permission(blob, permissions, expires)))];
        // From now on, by the service's clock: a start by ours could be in its future.
        var key = (await service.GetUserDelegationKeyAsync(null, expires, cancellation)).Value;
        return
        [
            .. names.Select(name => folder.GetBlobClient(name))
                .Select(blob => new UriBuilder(blob.Uri) { Query = Permission(blob, permissions, expires).ToSasQueryParameters(key, service.AccountName).ToString() }.Uri),
        ];
    }

    private static BlobSasBuilder Permission(BlobClient blob, BlobSasPermissions permissions, DateTimeOffset expires) => new(permissions, expires)
    {
        BlobContainerName = blob.BlobContainerName,
        BlobName = blob.Name,
        Resource = "b",
        // The emulator has no certificate.
        Protocol = blob.Uri.Scheme == Uri.UriSchemeHttps ? SasProtocol.Https : SasProtocol.HttpsAndHttp,
    };
}
