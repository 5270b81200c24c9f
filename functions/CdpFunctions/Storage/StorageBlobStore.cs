using System.Globalization;
using System.Runtime.CompilerServices;
using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using Cdp.Storage;

namespace CdpFunctions.Storage;

/// <summary>Whole blobs as block blobs, logs as append blobs.</summary>
/// <remarks>
/// The client repeats a call that timed out. Where the first append had taken effect, the repetition finds the blob ending
/// elsewhere and is refused: then a refusal means that the data is there already. A crash between creating a log and its first
/// append leaves it empty; an append at 0 still succeeds there.
/// </remarks>
public sealed class StorageBlobStore : IBlobStore
{
    private readonly BlobContainerClient[] containers;

    public StorageBlobStore(BlobServiceClient service)
    {
        containers = [.. Enum.GetValues<ContainerName>().Select(container => service.GetBlobContainerClient(StorageNames.Of(container)))];
    }

    public Task PutAsync(ContainerName container, string name, ReadOnlyMemory<byte> data, CancellationToken cancellation) =>
        containers[(int)container].GetBlobClient(name).UploadAsync(BinaryData.FromBytes(data), overwrite: true, cancellation);

    public async Task<ReadOnlyMemory<byte>?> GetAsync(ContainerName container, string name, CancellationToken cancellation)
    {
        try
        {
            var download = await containers[(int)container].GetBlobClient(name).DownloadContentAsync(cancellation);
            return download.Value.Content.ToMemory();
        }
        catch (RequestFailedException missing) when (missing.ErrorCode == BlobErrorCode.BlobNotFound)
        {
            return null;
        }
    }

    public async Task<BlobPiece?> ReadAsync(ContainerName container, string name, long from, int count, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var blob = containers[(int)container].GetBlobClient(name);
        try
        {
            var download = (await blob.DownloadContentAsync(new BlobDownloadOptions { Range = new HttpRange(from, count) }, cancellation)).Value;
            return new BlobPiece(download.Content.ToMemory(), WholeLength(download.Details.ContentRange), download.Details.ETag.ToString());
        }
        catch (RequestFailedException missing) when (missing.ErrorCode == BlobErrorCode.BlobNotFound)
        {
            return null;
        }
        catch (RequestFailedException beyond) when (beyond.ErrorCode == BlobErrorCode.InvalidRange)
        {
            // The answer says nothing else. An empty blob has no range at all.
        }

        try
        {
            var properties = (await blob.GetPropertiesAsync(cancellationToken: cancellation)).Value;
            // Written to in between: it has bytes there by now.
            return properties.ContentLength > from
                ? await ReadAsync(container, name, from, count, cancellation)
                : new BlobPiece(default, properties.ContentLength, properties.ETag.ToString());
        }
        catch (RequestFailedException missing) when (missing.Status == 404)
        {
            return null;
        }
    }

    public Task DeleteAsync(ContainerName container, string name, CancellationToken cancellation) =>
        containers[(int)container].GetBlobClient(name).DeleteIfExistsAsync(cancellationToken: cancellation);

    public async Task<bool> AppendAsync(ContainerName container, string name, long position, ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        var log = containers[(int)container].GetAppendBlobClient(name);
        try
        {
            if (position == 0)
                await log.CreateIfNotExistsAsync(new AppendBlobCreateOptions(), cancellation);
            using var block = BinaryData.FromBytes(data).ToStream();
            var here = new AppendBlobRequestConditions { IfAppendPositionEqual = position };
            await log.AppendBlockAsync(block, new AppendBlobAppendBlockOptions { Conditions = here }, cancellation);
            return true;
        }
        catch (RequestFailedException refused) when (
            refused.ErrorCode == BlobErrorCode.AppendPositionConditionNotMet
            || refused.ErrorCode == BlobErrorCode.BlobNotFound
            || refused.ErrorCode == BlobErrorCode.InvalidBlobType)
        {
            return false;
        }
    }

    public async IAsyncEnumerable<string> ListAsync(ContainerName container, string prefix, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (var blob in containers[(int)container].GetBlobsAsync(BlobTraits.None, BlobStates.None, prefix, cancellation))
            yield return blob.Name;
    }

    /// <summary>Of <c>bytes 0-99/1234</c>.</summary>
    private static long WholeLength(string contentRange) => long.Parse(contentRange.AsSpan(contentRange.IndexOf('/', StringComparison.Ordinal) + 1), CultureInfo.InvariantCulture);
}
