using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>
/// Cross-origin access for collectors: any page may send, so the origin is echoed, on errors too. Which origins a source takes
/// is the source's own rule, and its refusal has to be readable by the page's developer.
/// </summary>
public static class Cors
{
    /// <summary>By name: <c>*</c> does not cover Authorization. https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name</summary>
    private const string AllowedHeaders =
        "authorization, content-type, content-encoding, x-retry-count, anonymousid, sentat, "
        + "rsa-recovered, rsa-retry-attempt, rsa-since-last-attempt, rsa-since-first-attempt, rsa-retry-reason";

    private const string AllowedMethods = "GET, POST, OPTIONS";

    private const string ExposedHeaders = "Retry-After, x-ratelimit-reset";

    /// <summary>A day; browsers cap it (Chromium at two hours).</summary>
    private const string MaxAge = "86400";

    /// <summary>Adds the headers to the answer, whatever it will be.</summary>
    public static void Allow(HttpRequest request)
    {
        var headers = request.HttpContext.Response.Headers;
        headers.Vary = "Origin";
        var origin = request.Headers.Origin;
        if (origin.Count == 0)
            return;
        headers.AccessControlAllowOrigin = origin;
        headers.AccessControlExposeHeaders = ExposedHeaders;
    }

    /// <summary>The answer to a preflight request.</summary>
    public static IResult Preflight(HttpRequest request)
    {
        Answer.AssignRequestId(request.HttpContext);
        Allow(request);
        var headers = request.HttpContext.Response.Headers;
        headers.AccessControlAllowMethods = AllowedMethods;
        headers.AccessControlAllowHeaders = AllowedHeaders;
        headers.AccessControlMaxAge = MaxAge;
        return Results.NoContent();
    }
}
