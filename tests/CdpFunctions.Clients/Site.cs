using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Clients;

/// <summary>A shop's web site, on an origin of its own: the same page at every path, and the SDKs under <c>/sdk</c>.</summary>
internal sealed class Site : IAsyncDisposable
{
    private readonly WebApplication server = Servers.Create();

    private Site(string modules, string html) => server.Run(async context =>
    {
        var path = context.Request.Path.Value!;
        if (path.StartsWith("/sdk/", StringComparison.Ordinal))
        {
            context.Response.ContentType = "text/javascript";
            await context.Response.SendFileAsync(Path.Combine(modules, path["/sdk/".Length..]));
        }
        else
        {
            context.Response.ContentType = "text/html; charset=utf-8";
            await context.Response.WriteAsync(html);
        }
    });

    /// <summary>Without a slash at the end.</summary>
    public string Address => Servers.AddressOf(server);

    /// <param name="head">What stands in the page's head besides its title.</param>
    /// <param name="body">And in its body.</param>
    public static async Task<Site> StartAsync(string head, string body = "")
    {
        var site = new Site(await ClientPackages.ModulesAsync(), $"""
            <!doctype html>
            <html lang="de">
            <head><meta charset="utf-8"><title>Schöne Schuhe</title><link rel="icon" href="data:,">
            {head}
            </head>
            <body>{body}</body>
            </html>
            """);
        await site.server.StartAsync();
        return site;
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();
}
