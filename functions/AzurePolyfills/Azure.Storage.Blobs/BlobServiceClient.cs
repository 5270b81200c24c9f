using System.Globalization;
using System.Xml;
using Azure.Core;
using Azure.Storage.Blobs.Models;

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

    /// <param name="startsOn">Null: from now on.</param>
    /// <param name="expiresOn">At most seven days from now.</param>
    public virtual async Task<Response<UserDelegationKey>> GetUserDelegationKeyAsync(
        DateTimeOffset? startsOn, DateTimeOffset expiresOn, CancellationToken cancellationToken = default)
    {
        using var message = pipeline.CreateMessage(RequestMethod.Post, Uri, "?restype=service&comp=userdelegationkey");
        var start = startsOn is { } stated ? $"<Start>{Time(stated)}</Start>" : "";
        message.Request.Headers.Add("Content-Type", "application/xml");
        message.Request.Content = RequestContent.Create(BinaryData.FromString($"<KeyInfo>{start}<Expiry>{Time(expiresOn)}</Expiry></KeyInfo>"));
        await pipeline.SendAsync(message, cancellationToken);
        if (message.Response.Status != 200)
            throw new RequestFailedException(message.Response);
        return Response.FromValue(Read(message.Response), message.Response);
    }

    private static string Time(DateTimeOffset time) => time.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    private static UserDelegationKey Read(Response response)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        using var xml = XmlReader.Create(response.Content.ToStream());
        while (!xml.EOF)
        {
            // Reading an element's content moves on to the next node by itself.
            if (xml is { NodeType: XmlNodeType.Element, Depth: 1 })
                values[xml.Name] = xml.ReadElementContentAsString();
            else
                xml.Read();
        }

        return new UserDelegationKey(values);
    }
}
