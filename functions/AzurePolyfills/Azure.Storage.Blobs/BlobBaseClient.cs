using Azure.Core;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Sas;

namespace Azure.Storage.Blobs.Specialized;

public class BlobBaseClient
{
    private readonly StoragePipeline pipeline;

    internal BlobBaseClient(StoragePipeline pipeline, Uri uri, string container, string name)
    {
        this.pipeline = pipeline;
        Uri = uri;
        BlobContainerName = container;
        Name = name;
    }

    protected BlobBaseClient()
    {
        pipeline = null!;
        Uri = null!;
        BlobContainerName = null!;
        Name = null!;
    }

    public virtual string AccountName => pipeline.AccountName;

    public virtual string BlobContainerName { get; }

    public virtual string Name { get; }

    public virtual Uri Uri { get; }

    /// <summary>Only who has the account's key can sign with it.</summary>
    public virtual bool CanGenerateSasUri => pipeline.Account is not null;

    internal StoragePipeline Pipeline => pipeline;

    public virtual Uri GenerateSasUri(BlobSasPermissions permissions, DateTimeOffset expiresOn) => GenerateSasUri(new BlobSasBuilder(permissions, expiresOn));

    public virtual Uri GenerateSasUri(BlobSasBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var account = pipeline.Account ?? throw new InvalidOperationException("The client has no account key to sign with.");
        builder.BlobContainerName ??= BlobContainerName;
        builder.BlobName ??= Name;
        if (builder.BlobContainerName != BlobContainerName || builder.BlobName != Name)
            throw new InvalidOperationException("The builder is for another blob than this one.");
        return new UriBuilder(Uri) { Query = builder.Sign(account).ToString() }.Uri;
    }

    public virtual Task<Response<BlobDownloadResult>> DownloadContentAsync() => DownloadContentAsync(null, default);

    public virtual Task<Response<BlobDownloadResult>> DownloadContentAsync(CancellationToken cancellationToken) => DownloadContentAsync(null, cancellationToken);

    public virtual async Task<Response<BlobDownloadResult>> DownloadContentAsync(BlobDownloadOptions? options = null, CancellationToken cancellationToken = default)
    {
        using var message = CreateGet(options);
        var response = await SendAsync(message, cancellationToken);
        return Response.FromValue(new BlobDownloadResult(response), response);
    }

    public virtual async Task<Response<BlobDownloadStreamingResult>> DownloadStreamingAsync(BlobDownloadOptions? options = null, CancellationToken cancellationToken = default)
    {
        using var message = CreateGet(options);
        message.BufferResponse = false;
        var response = await SendAsync(message, cancellationToken);
        return Response.FromValue(new BlobDownloadStreamingResult(response, message.ExtractResponseContent()!), response);
    }

    public virtual async Task<Response<BlobProperties>> GetPropertiesAsync(BlobRequestConditions? conditions = null, CancellationToken cancellationToken = default)
    {
        using var message = pipeline.CreateMessage(RequestMethod.Head, Uri);
        message.AddConditions(conditions);
        var response = await SendAsync(message, cancellationToken);
        return Response.FromValue(new BlobProperties(response), response);
    }

    public virtual async Task<Response<bool>> ExistsAsync(CancellationToken cancellationToken = default)
    {
        using var message = pipeline.CreateMessage(RequestMethod.Head, Uri);
        await pipeline.SendAsync(message, cancellationToken);
        if (message.Response.Status is 200)
            return Response.FromValue(true, message.Response);
        return Missing(new RequestFailedException(message.Response)) ? Response.FromValue(false, message.Response) : throw new RequestFailedException(message.Response);
    }

    public virtual async Task<Response<bool>> DeleteIfExistsAsync(
        DeleteSnapshotsOption snapshotsOption = DeleteSnapshotsOption.None,
        BlobRequestConditions? conditions = null,
        CancellationToken cancellationToken = default)
    {
        using var message = pipeline.CreateMessage(RequestMethod.Delete, Uri);
        if (snapshotsOption != DeleteSnapshotsOption.None)
            message.Request.Headers.Add("x-ms-delete-snapshots", snapshotsOption == DeleteSnapshotsOption.IncludeSnapshots ? "include" : "only");
        message.AddConditions(conditions);
        await pipeline.SendAsync(message, cancellationToken);
        if (message.Response.Status is 202)
            return Response.FromValue(true, message.Response);
        var failure = new RequestFailedException(message.Response);
        return Missing(failure) ? Response.FromValue(false, message.Response) : throw failure;
    }

    internal async Task<Response> SendAsync(HttpMessage message, CancellationToken cancellationToken)
    {
        await pipeline.SendAsync(message, cancellationToken);
        if (message.Response.Status is 200 or 201 or 206)
            return message.Response;
        if (!message.BufferResponse && message.Response.ContentStream is { } unread)
        {
            var body = new MemoryStream();
            await unread.CopyToAsync(body, cancellationToken);
            body.Position = 0;
            message.Response.ContentStream = body;
        }

        throw new RequestFailedException(message.Response);
    }

    private static bool Missing(RequestFailedException failure) =>
        failure.ErrorCode == BlobErrorCode.BlobNotFound || failure.ErrorCode == BlobErrorCode.ContainerNotFound;

    private HttpMessage CreateGet(BlobDownloadOptions? options)
    {
        var message = pipeline.CreateMessage(RequestMethod.Get, Uri);
        if (options is not null && options.Range != default)
            message.Request.Headers.Add("x-ms-range", options.Range.ToString());
        message.AddConditions(options?.Conditions);
        return message;
    }
}
