using Azure.Core;
using Azure.Storage.Blobs.Models;

namespace Azure.Storage.Blobs.Specialized;

public class AppendBlobClient : BlobBaseClient
{
    internal AppendBlobClient(StoragePipeline pipeline, Uri uri, string container, string name)
        : base(pipeline, uri, container, name)
    {
    }

    protected AppendBlobClient()
    {
    }

    public virtual int AppendBlobMaxAppendBlockBytes => 100 * 1024 * 1024;

    public virtual int AppendBlobMaxBlocks => 50_000;

    public virtual async Task<Response<BlobContentInfo>> CreateAsync(AppendBlobCreateOptions options, CancellationToken cancellationToken = default)
    {
        using var message = CreatePut(options);
        var response = await SendAsync(message, cancellationToken);
        return Response.FromValue(new BlobContentInfo(response), response);
    }

    /// <returns>The answer where the blob was created, null where it was there.</returns>
    public virtual async Task<Response<BlobContentInfo>> CreateIfNotExistsAsync(AppendBlobCreateOptions options, CancellationToken cancellationToken = default)
    {
        var conditions = new AppendBlobRequestConditions { IfNoneMatch = ETag.All };
        using var message = CreatePut(new AppendBlobCreateOptions { HttpHeaders = options?.HttpHeaders, Conditions = conditions });
        await Pipeline.SendAsync(message, cancellationToken);
        if (message.Response.Status is 201)
            return Response.FromValue(new BlobContentInfo(message.Response), message.Response);
        var failure = new RequestFailedException(message.Response);
        return failure.ErrorCode == BlobErrorCode.BlobAlreadyExists ? null! : throw failure;
    }

    /// <param name="content">Seekable: it is read from its position to its end, again for each retry.</param>
    public virtual async Task<Response<BlobAppendInfo>> AppendBlockAsync(Stream content, AppendBlobAppendBlockOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        using var message = Pipeline.CreateMessage(RequestMethod.Put, Uri, "?comp=appendblock");
        message.AddConditions(options?.Conditions);
        message.Request.Headers.Add("Content-Type", "application/octet-stream");
        message.Request.Content = RequestContent.Create(content);
        var response = await SendAsync(message, cancellationToken);
        return Response.FromValue(new BlobAppendInfo(response), response);
    }

    private HttpMessage CreatePut(AppendBlobCreateOptions? options)
    {
        var message = Pipeline.CreateMessage(RequestMethod.Put, Uri);
        message.Request.Headers.Add("x-ms-blob-type", "AppendBlob");
        message.AddContentHeaders(options?.HttpHeaders);
        message.AddConditions(options?.Conditions);
        message.Request.Content = RequestContent.Create(ReadOnlyMemory<byte>.Empty);
        return message;
    }
}

public static class SpecializedBlobExtensions
{
    public static AppendBlobClient GetAppendBlobClient(this BlobContainerClient client, string blobName) => client.GetAppendBlobClientCore(blobName);
}
