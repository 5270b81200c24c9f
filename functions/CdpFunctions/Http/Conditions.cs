using Cdp.Problems;
using Cdp.Storage;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary><c>ETag</c>, <c>If-Match</c> and <c>If-None-Match</c> (RFC 9110 section 13) over the versions of rows.</summary>
public static class Conditions
{
    private const string Any = "*";

    /// <summary>A strong validator: every write gives a row another version.</summary>
    public static string ETag(string version) => $"\"{Hash128.Of("", version)}\"";

    /// <param name="version">Of what is there now; null where nothing is.</param>
    /// <exception cref="ProblemException">precondition-failed</exception>
    public static void Check(HttpRequest request, string? version)
    {
        var etag = version is null ? null : ETag(version);
        var match = request.Headers.IfMatch.ToString();
        if (match.Length > 0 && !Lists(match, etag))
            throw Failed("If-Match names another version than the present one. Read it again and decide anew.");
        var noneMatch = request.Headers.IfNoneMatch.ToString();
        if (noneMatch.Length > 0 && Lists(noneMatch, etag))
            throw Failed("If-None-Match forbids to replace what is there.");
    }

    public static ProblemException Failed(string detail) => new(ProblemType.PreconditionFailed, detail);

    private static bool Lists(string header, string? etag) =>
        etag is not null && header.Split(',', StringSplitOptions.TrimEntries).Any(tag => tag == Any || tag == etag);
}
