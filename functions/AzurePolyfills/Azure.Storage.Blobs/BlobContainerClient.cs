using System.Globalization;
using System.Xml;
using Azure.Core;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;

namespace Azure.Storage.Blobs;

public class BlobContainerClient
{
    private readonly StoragePipeline pipeline;

    internal BlobContainerClient(StoragePipeline pipeline, Uri uri, string name)
    {
        this.pipeline = pipeline;
        Uri = uri;
        Name = name;
    }

    protected BlobContainerClient()
    {
        pipeline = null!;
        Uri = null!;
        Name = null!;
    }

    public virtual string AccountName => pipeline.AccountName;

    public virtual string Name { get; }

    public virtual Uri Uri { get; }

    /// <returns>The answer where the container was created, null where it was there.</returns>
    public virtual async Task<Response<BlobContainerInfo>> CreateIfNotExistsAsync(
        PublicAccessType publicAccessType,
        IDictionary<string, string>? metadata,
        CancellationToken cancellationToken)
    {
        using var message = pipeline.CreateMessage(RequestMethod.Put, Uri, "?restype=container");
        if (publicAccessType != PublicAccessType.None)
            message.Request.Headers.Add("x-ms-blob-public-access", publicAccessType == PublicAccessType.Blob ? "blob" : "container");
        if (metadata is not null)
            foreach (var (name, value) in metadata)
                message.Request.Headers.Add("x-ms-meta-" + name, value);
        await pipeline.SendAsync(message, cancellationToken);
        if (message.Response.Status is 201)
            return Response.FromValue(new BlobContainerInfo(message.Response), message.Response);
        var failure = new RequestFailedException(message.Response);
        return failure.ErrorCode == BlobErrorCode.ContainerAlreadyExists ? null! : throw failure;
    }

    public virtual Task<Response<BlobContainerInfo>> CreateIfNotExistsAsync(
        PublicAccessType publicAccessType = PublicAccessType.None,
        IDictionary<string, string>? metadata = null,
        BlobContainerEncryptionScopeOptions? encryptionScopeOptions = null,
        CancellationToken cancellationToken = default) =>
        encryptionScopeOptions is null
            ? CreateIfNotExistsAsync(publicAccessType, metadata, cancellationToken)
            : throw new NotSupportedException("Encryption scopes are not part of the stand-in.");

    public virtual async Task<Response<bool>> ExistsAsync(CancellationToken cancellationToken = default)
    {
        using var message = pipeline.CreateMessage(RequestMethod.Get, Uri, "?restype=container");
        await pipeline.SendAsync(message, cancellationToken);
        if (message.Response.Status is 200)
            return Response.FromValue(true, message.Response);
        var failure = new RequestFailedException(message.Response);
        return failure.ErrorCode == BlobErrorCode.ContainerNotFound ? Response.FromValue(false, message.Response) : throw failure;
    }

    public virtual BlobClient GetBlobClient(string blobName) => new(pipeline, Locate(blobName), Name, blobName);

    public virtual AsyncPageable<BlobItem> GetBlobsAsync(BlobTraits traits, BlobStates states, string? prefix, CancellationToken cancellationToken)
    {
        if (traits != BlobTraits.None || states != BlobStates.None)
            throw new NotSupportedException("Traits and states are not part of the stand-in.");
        return new BlobPages(pipeline, Uri, prefix, cancellationToken);
    }

    protected internal virtual AppendBlobClient GetAppendBlobClientCore(string blobName) => new(pipeline, Locate(blobName), Name, blobName);

    /// <summary>Slashes in a blob's name stay slashes in its address, everything else is escaped.</summary>
    private Uri Locate(string blobName)
    {
        ArgumentException.ThrowIfNullOrEmpty(blobName);
        return StoragePipeline.Append(Uri, Uri.EscapeDataString(blobName).Replace("%2F", "/", StringComparison.Ordinal));
    }

    private sealed class BlobPages(StoragePipeline pipeline, Uri container, string? prefix, CancellationToken cancellationToken) : AsyncPageable<BlobItem>(cancellationToken)
    {
        public override async IAsyncEnumerable<Page<BlobItem>> AsPages(string? continuationToken = null, int? pageSizeHint = null)
        {
            var next = continuationToken;
            do
            {
                var query = "?restype=container&comp=list";
                if (!string.IsNullOrEmpty(prefix))
                    query += "&prefix=" + Uri.EscapeDataString(prefix);
                if (!string.IsNullOrEmpty(next))
                    query += "&marker=" + Uri.EscapeDataString(next);
                if (pageSizeHint is { } most)
                    query += "&maxresults=" + most.ToString(CultureInfo.InvariantCulture);
                using var message = pipeline.CreateMessage(RequestMethod.Get, container, query);
                await pipeline.SendAsync(message, CancellationToken);
                var response = message.Response;
                if (response.Status != 200)
                    throw new RequestFailedException(response);
                var (items, marker) = Read(response);
                next = marker;
                yield return Page<BlobItem>.FromValues(items, next, response);
            }
            while (!string.IsNullOrEmpty(next));
        }

        private static (List<BlobItem> Items, string? NextMarker) Read(Response response)
        {
            var items = new List<BlobItem>();
            string? marker = null;
            var properties = new BlobItemProperties();
            var name = "";
            using var xml = XmlReader.Create(response.Content.ToStream());
            while (!xml.EOF)
            {
                if (xml is { NodeType: XmlNodeType.EndElement, Name: "Blob" })
                    items.Add(new BlobItem(name, properties));
                if (xml.NodeType != XmlNodeType.Element)
                {
                    xml.Read();
                    continue;
                }

                switch (xml.Name)
                {
                    case "Blob":
                        properties = new BlobItemProperties();
                        xml.Read();
                        break;
                    case "Name":
                        // Names that XML cannot hold come percent-encoded.
                        var encoded = string.Equals(xml.GetAttribute("Encoded"), "true", StringComparison.OrdinalIgnoreCase);
                        name = xml.ReadElementContentAsString();
                        if (encoded)
                            name = Uri.UnescapeDataString(name);
                        break;
                    case "NextMarker":
                        marker = xml.ReadElementContentAsString();
                        break;
                    case "Content-Length":
                        properties.ContentLength = long.Parse(xml.ReadElementContentAsString(), CultureInfo.InvariantCulture);
                        break;
                    case "Last-Modified":
                        properties.LastModified = DateTimeOffset.Parse(xml.ReadElementContentAsString(), CultureInfo.InvariantCulture);
                        break;
                    case "Creation-Time":
                        properties.CreatedOn = DateTimeOffset.Parse(xml.ReadElementContentAsString(), CultureInfo.InvariantCulture);
                        break;
                    case "BlobType":
                        properties.BlobType = BlobItemProperties.ParseType(xml.ReadElementContentAsString());
                        break;
                    case "Etag":
                        properties.ETag = new ETag(xml.ReadElementContentAsString());
                        break;
                    default:
                        xml.Read();
                        break;
                }
            }

            return (items, marker);
        }
    }
}
