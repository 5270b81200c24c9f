using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace CdpFunctions.Clients;

/// <summary>Servers of a test, on free ports of this machine.</summary>
internal static class Servers
{
    public static WebApplication Create()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        return builder.Build();
    }

    public static string AddressOf(WebApplication server) => server.Urls.First();
}
