using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>Where a request came from.</summary>
public static class ClientAddress
{
    /// <summary>
    /// The first address of X-Forwarded-For, which Azure's front end writes as <c>address:port</c>, else that of the connection;
    /// null where neither is known.
    /// </summary>
    public static string? Of(HttpRequest request)
    {
        var forwarded = request.Headers["X-Forwarded-For"].ToString();
        if (forwarded.Length > 0)
        {
            var first = WithoutPort(forwarded.AsSpan(0, forwarded.IndexOf(',') is var comma and >= 0 ? comma : forwarded.Length).Trim());
            if (System.Net.IPAddress.TryParse(first, out _))
                return first.ToString();
        }

        var address = request.HttpContext.Connection.RemoteIpAddress;
        return (address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address)?.ToString();
    }

    private static ReadOnlySpan<char> WithoutPort(ReadOnlySpan<char> address)
    {
        if (address.StartsWith('['))
            return address.IndexOf(']') is var end and > 0 ? address[1..end] : address;
        // One colon is a port; several are an IPv6 address.
        var colon = address.IndexOf(':');
        return colon >= 0 && address[(colon + 1)..].IndexOf(':') < 0 ? address[..colon] : address;
    }
}
