using Azure.Core;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;

namespace Azure.Storage.Blobs;

public class BlobClient : BlobBaseClient
{
    internal BlobClient(StoragePipeline pipeline, Uri uri, string container, string name)
        : base(pipeline, uri, container, name)
    {
    }

    protected BlobClient()
    {
    }

    public virtual Task<Response<BlobContentInfo>> UploadAsync(BinaryData content) => UploadAsync(content, overwrite: false);

    public virtual Task<Response<BlobContentInfo>> UploadAsync(BinaryData content, CancellationToken cancellationToken) =>
        UploadAsync(content, overwrite: false, cancellationToken);

    public virtual Task<Response<BlobContentInfo>> UploadAsync(BinaryData content, bool overwrite = false, CancellationToken cancellationToken = default) =>
        UploadAsync(
            content,
            new BlobUploadOptions { Conditions = overwrite ? null : new BlobRequestConditions { IfNoneMatch = ETag.All } },
            cancellationToken);

    public virtual async Task<Response<BlobContentInfo>> UploadAsync(BinaryData content, BlobUploadOptions? options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        using var message = Pipeline.CreateMessage(RequestMethod.Put, Uri);
        message.Request.Headers.Add("x-ms-blob-type", "BlockBlob");
        message.AddContentHeaders(options?.HttpHeaders);
        message.AddConditions(options?.Conditions);
        message.Request.Headers.Add("Content-Type", "application/octet-stream");
        message.Request.Content = RequestContent.Create(content);
        var response = await SendAsync(message, cancellationToken);
        return Response.FromValue(new BlobContentInfo(response), response);
    }
}
