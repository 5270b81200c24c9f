using Azure.Core;

namespace Azure.Storage.Blobs;

public class BlobServiceClient
{
    private readonly StoragePipeline pipeline;

    public BlobServiceClient(string connectionString)
        : this(connectionString, null)
    {
    }

    public BlobServiceClient(string connectionString, BlobClientOptions? options)
    {
        ArgumentNullException.ThrowIfNull(connectionString);
        options ??= new BlobClientOptions();
        var account = StorageAccount.Parse(connectionString);
        pipeline = StoragePipeline.WithKey(account, account.Blob!, options, options.VersionString);
    }

    public BlobServiceClient(Uri serviceUri, TokenCredential credential, BlobClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(serviceUri);
        ArgumentNullException.ThrowIfNull(credential);
        options ??= new BlobClientOptions();
        pipeline = StoragePipeline.WithToken(serviceUri, credential, options, options.VersionString);
    }

    protected BlobServiceClient() => pipeline = null!;

    public virtual string AccountName => pipeline.AccountName;

    public virtual Uri Uri => pipeline.Endpoint;

    public virtual BlobContainerClient GetBlobContainerClient(string blobContainerName)
    {
        ArgumentNullException.ThrowIfNull(blobContainerName);
        return new BlobContainerClient(pipeline, pipeline.Locate(blobContainerName), blobContainerName);
    }
}
