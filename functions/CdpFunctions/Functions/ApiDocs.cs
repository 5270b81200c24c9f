using CdpFunctions.Http;
using CdpFunctions.OpenApi;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>What the HTTP surface is, for machines and for people; no key needed.</summary>
public static class ApiDocs
{
    [Function("OpenApi")]
    public static Task<IResult> OpenApi([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "openapi.json")] HttpRequest request) =>
        Answer.To(request, () => Task.FromResult(Results.Text(ApiDocument.Text, "application/json")));

    [Function("Docs")]
    public static Task<IResult> Docs([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "docs")] HttpRequest request) =>
        Answer.To(request, () =>
        {
            // The page has styles of its own and needs nothing else.
            request.HttpContext.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'";
            return Task.FromResult(Results.Text(ApiPage.Html, "text/html; charset=utf-8"));
        });
}
