using System.Globalization;
using Azure.Core;
using Azure.Storage.Blobs.Models;

namespace Azure.Storage.Blobs;

internal static class BlobConditions
{
    public static void AddConditions(this HttpMessage message, BlobRequestConditions? conditions)
    {
        if (conditions is null)
            return;
        var headers = message.Request.Headers;
        if (conditions.LeaseId is not null)
            headers.Add("x-ms-lease-id", conditions.LeaseId);
        if (conditions.IfMatch is { } match)
            headers.Add("If-Match", match.ToString("H"));
        if (conditions.IfNoneMatch is { } noneMatch)
            headers.Add("If-None-Match", noneMatch.ToString("H"));
        if (conditions.IfModifiedSince is { } modified)
            headers.Add("If-Modified-Since", modified.ToString("R", CultureInfo.InvariantCulture));
        if (conditions.IfUnmodifiedSince is { } unmodified)
            headers.Add("If-Unmodified-Since", unmodified.ToString("R", CultureInfo.InvariantCulture));
        if (conditions is AppendBlobRequestConditions { IfAppendPositionEqual: { } position })
            headers.Add("x-ms-blob-condition-appendpos", position.ToString(CultureInfo.InvariantCulture));
        if (conditions is AppendBlobRequestConditions { IfMaxSizeLessThanOrEqual: { } size })
            headers.Add("x-ms-blob-condition-maxsize", size.ToString(CultureInfo.InvariantCulture));
    }

    public static void AddContentHeaders(this HttpMessage message, BlobHttpHeaders? headers)
    {
        if (headers?.ContentType is not null)
            message.Request.Headers.Add("x-ms-blob-content-type", headers.ContentType);
        if (headers?.ContentEncoding is not null)
            message.Request.Headers.Add("x-ms-blob-content-encoding", headers.ContentEncoding);
    }
}
