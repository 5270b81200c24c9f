using System.Globalization;

namespace Azure.Storage.Blobs.Models;

public enum PublicAccessType
{
    None = 0,
    BlobContainer = 1,
    Blob = 2,
}

[Flags]
public enum BlobTraits
{
    None = 0,
}

[Flags]
public enum BlobStates
{
    None = 0,
}

public enum DeleteSnapshotsOption
{
    None = 0,
    IncludeSnapshots = 1,
    OnlySnapshots = 2,
}

public enum BlobType
{
    Block = 0,
    Page = 1,
    Append = 2,
}

public class BlobRequestConditions : RequestConditions
{
    public string? LeaseId { get; set; }
}

public class AppendBlobRequestConditions : BlobRequestConditions
{
    public long? IfMaxSizeLessThanOrEqual { get; set; }

    public long? IfAppendPositionEqual { get; set; }
}

public class AppendBlobCreateOptions
{
    public BlobHttpHeaders? HttpHeaders { get; set; }

    public AppendBlobRequestConditions? Conditions { get; set; }
}

public class AppendBlobAppendBlockOptions
{
    public AppendBlobRequestConditions? Conditions { get; set; }
}

public class BlobUploadOptions
{
    public BlobHttpHeaders? HttpHeaders { get; set; }

    public BlobRequestConditions? Conditions { get; set; }
}

public class BlobDownloadOptions
{
    public HttpRange Range { get; set; }

    public BlobRequestConditions? Conditions { get; set; }
}

public class BlobContainerEncryptionScopeOptions
{
}

public class BlobHttpHeaders
{
    public string? ContentType { get; set; }

    public string? ContentEncoding { get; set; }
}

public class BlobContainerInfo
{
    internal BlobContainerInfo(Response response) => (ETag, LastModified) = (response.Headers.ETag ?? default, response.LastModified());

    public ETag ETag { get; }

    public DateTimeOffset LastModified { get; }
}

public class BlobContentInfo
{
    internal BlobContentInfo(Response response) => (ETag, LastModified) = (response.Headers.ETag ?? default, response.LastModified());

    public ETag ETag { get; }

    public DateTimeOffset LastModified { get; }
}

public class BlobAppendInfo
{
    internal BlobAppendInfo(Response response)
    {
        ETag = response.Headers.ETag ?? default;
        LastModified = response.LastModified();
        BlobAppendOffset = response.Headers.TryGetValue("x-ms-blob-append-offset", out var offset) ? offset : "";
        BlobCommittedBlockCount = response.Headers.TryGetValue("x-ms-blob-committed-block-count", out var count)
            ? int.Parse(count, CultureInfo.InvariantCulture)
            : 0;
    }

    public ETag ETag { get; }

    public DateTimeOffset LastModified { get; }

    public string BlobAppendOffset { get; }

    public int BlobCommittedBlockCount { get; }
}

public class BlobProperties
{
    internal BlobProperties(Response response)
    {
        ETag = response.Headers.ETag ?? default;
        LastModified = response.LastModified();
        ContentLength = response.ContentLength();
        ContentType = response.Headers.ContentType!;
        BlobType = response.Headers.TryGetValue("x-ms-blob-type", out var type) ? BlobItemProperties.ParseType(type) : BlobType.Block;
        BlobCommittedBlockCount = response.Headers.TryGetValue("x-ms-blob-committed-block-count", out var count)
            ? int.Parse(count, CultureInfo.InvariantCulture)
            : 0;
    }

    public ETag ETag { get; }

    public DateTimeOffset LastModified { get; }

    public long ContentLength { get; }

    public string ContentType { get; }

    public BlobType BlobType { get; }

    public int BlobCommittedBlockCount { get; }
}

public class BlobDownloadDetails
{
    internal BlobDownloadDetails(Response response)
    {
        ContentRange = response.Headers.TryGetValue("Content-Range", out var range) ? range : null!;
        ETag = response.Headers.ETag ?? default;
        LastModified = response.LastModified();
        ContentLength = response.ContentLength();
        ContentType = response.Headers.ContentType!;
    }

    public ETag ETag { get; }

    public DateTimeOffset LastModified { get; }

    public long ContentLength { get; }

    public string ContentType { get; }

    /// <summary>Of an answer to a request for a range: <c>bytes 0-99/1234</c>.</summary>
    public string ContentRange { get; }
}

public class BlobDownloadResult
{
    internal BlobDownloadResult(Response response) => (Content, Details) = (response.Content, new BlobDownloadDetails(response));

    public BinaryData Content { get; }

    public BlobDownloadDetails Details { get; }
}

public class BlobDownloadStreamingResult : IDisposable
{
    internal BlobDownloadStreamingResult(Response response, Stream content) => (Content, Details) = (content, new BlobDownloadDetails(response));

    public BlobDownloadDetails Details { get; }

    public Stream Content { get; }

    public void Dispose()
    {
        Content.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>A key that Entra ID's users and identities sign with instead of the account's.</summary>
public class UserDelegationKey
{
    internal UserDelegationKey(Dictionary<string, string> values)
    {
        SignedObjectId = values["SignedOid"];
        SignedTenantId = values["SignedTid"];
        SignedStartsOn = DateTimeOffset.Parse(values["SignedStart"], CultureInfo.InvariantCulture);
        SignedExpiresOn = DateTimeOffset.Parse(values["SignedExpiry"], CultureInfo.InvariantCulture);
        SignedService = values["SignedService"];
        SignedVersion = values["SignedVersion"];
        Value = values["Value"];
    }

    public string SignedObjectId { get; }

    public string SignedTenantId { get; }

    public DateTimeOffset SignedStartsOn { get; }

    public DateTimeOffset SignedExpiresOn { get; }

    public string SignedService { get; }

    public string SignedVersion { get; }

    public string Value { get; }
}

public class BlobItem
{
    internal BlobItem(string name, BlobItemProperties properties) => (Name, Properties) = (name, properties);

    public string Name { get; }

    public BlobItemProperties Properties { get; }
}

public class BlobItemProperties
{
    internal BlobItemProperties()
    {
    }

    public long? ContentLength { get; internal set; }

    public DateTimeOffset? LastModified { get; internal set; }

    public DateTimeOffset? CreatedOn { get; internal set; }

    public BlobType? BlobType { get; internal set; }

    public ETag? ETag { get; internal set; }

    internal static BlobType ParseType(string value) => value switch
    {
        "BlockBlob" => Models.BlobType.Block,
        "PageBlob" => Models.BlobType.Page,
        "AppendBlob" => Models.BlobType.Append,
        _ => throw new FormatException($"Unknown blob type {value}."),
    };
}

public readonly struct BlobErrorCode(string value) : IEquatable<BlobErrorCode>
{
    private readonly string value = value;

    public static BlobErrorCode AppendPositionConditionNotMet { get; } = new("AppendPositionConditionNotMet");

    public static BlobErrorCode BlobAlreadyExists { get; } = new("BlobAlreadyExists");

    public static BlobErrorCode BlobNotFound { get; } = new("BlobNotFound");

    public static BlobErrorCode ConditionNotMet { get; } = new("ConditionNotMet");

    public static BlobErrorCode ContainerAlreadyExists { get; } = new("ContainerAlreadyExists");

    public static BlobErrorCode ContainerBeingDeleted { get; } = new("ContainerBeingDeleted");

    public static BlobErrorCode ContainerNotFound { get; } = new("ContainerNotFound");

    public static BlobErrorCode InvalidBlobType { get; } = new("InvalidBlobType");

    public static BlobErrorCode InvalidRange { get; } = new("InvalidRange");

    public static implicit operator BlobErrorCode(string value) => new(value);

    public static bool operator ==(BlobErrorCode left, BlobErrorCode right) => left.Equals(right);

    public static bool operator !=(BlobErrorCode left, BlobErrorCode right) => !left.Equals(right);

    public static bool operator ==(BlobErrorCode code, string? value) => Same(code.value, value);

    public static bool operator !=(BlobErrorCode code, string? value) => !Same(code.value, value);

    public static bool operator ==(string? value, BlobErrorCode code) => Same(code.value, value);

    public static bool operator !=(string? value, BlobErrorCode code) => !Same(code.value, value);

    public bool Equals(BlobErrorCode other) => Same(value, other.value);

    public bool Equals(string? other) => Same(value, other);

    public override bool Equals(object? obj) => obj is BlobErrorCode other && Equals(other);

    public override int GetHashCode() => value is null ? 0 : StringComparer.OrdinalIgnoreCase.GetHashCode(value);

    public override string ToString() => value;

    private static bool Same(string? a, string? b) => string.Equals(a, b, StringComparison.OrdinalIgnoreCase);
}

internal static class BlobHeaders
{
    public static DateTimeOffset LastModified(this Response response) =>
        response.Headers.TryGetValue("Last-Modified", out var text) ? DateTimeOffset.Parse(text, CultureInfo.InvariantCulture) : default;

    public static long ContentLength(this Response response) =>
        response.Headers.TryGetValue("Content-Length", out var text) ? long.Parse(text, CultureInfo.InvariantCulture) : 0;
}
