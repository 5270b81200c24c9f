using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>How clients reach this app.</summary>
/// <param name="HostAndPath">Host, port where it is not the scheme's, and path, without a slash at the end.</param>
public readonly record struct PublicAddress(string Scheme, string HostAndPath)
{
    /// <summary>
    /// The configured address, else the request's. Behind the Functions host and Azure's front end that is what the first of them
    /// saw: X-Forwarded-Proto and X-Forwarded-Host.
    /// </summary>
    public static PublicAddress Of(HttpRequest request, Uri? configured)
    {
        if (configured is not null)
            return new PublicAddress(configured.Scheme, configured.Authority + configured.AbsolutePath.TrimEnd('/'));
        var scheme = First(request.Headers["X-Forwarded-Proto"].ToString());
        var host = First(request.Headers["X-Forwarded-Host"].ToString());
        return new PublicAddress(scheme is "http" or "https" ? scheme : request.Scheme, host.Length > 0 ? host : request.Host.ToString());
    }

    private static string First(string list) => (list.IndexOf(',') is var comma and >= 0 ? list[..comma] : list).Trim();
}
