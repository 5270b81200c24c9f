using System.Net;
using System.Net.Sockets;

namespace Cdp.Destinations;

/// <summary>
/// Which addresses a destination may have: those of the public internet. Everything inside would let who may define destinations ask the app's own network, and the
/// metadata service that hands out its identity.
/// </summary>
public static class AddressGuard
{
    private static readonly IPNetwork[] Refused =
    [
        .. new[]
        {
            // https://www.iana.org/assignments/iana-ipv4-special-registry
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
            "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
            // Azure's own platform service: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
            "168.63.129.16/32",
            // Inside 2000::/3: Teredo and 6to4, which carry IPv4 addresses, and documentation.
            "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        }.Select(static text => IPNetwork.Parse(text)),
    ];

    // All that is assigned for public use. https://www.iana.org/assignments/ipv6-address-space
    private static readonly IPNetwork PublicIPv6 = IPNetwork.Parse("2000::/3");

    public static bool IsPublic(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        if (address.AddressFamily == AddressFamily.InterNetworkV6 && !PublicIPv6.Contains(address))
            return false;
        foreach (var network in Refused)
        {
            if (network.BaseAddress.AddressFamily == address.AddressFamily && network.Contains(address))
                return false;
        }

        return true;
    }

    /// <summary>What can be told from a URL alone; what its name leads to is checked when it is connected to. Null where nothing is wrong.</summary>
    public static string? Refusal(string text, bool allowPrivate)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.Host.Length == 0)
            return "not an absolute URL such as https://hooks.example.com/cdp";
        if (url.UserInfo.Length > 0)
            return "has a user name: give credentials as secrets";
        if (url.Fragment.Length > 0)
            return "has a fragment, which is never sent";
        if (allowPrivate)
            return null;
        if (url.Scheme != Uri.UriSchemeHttps)
            return "not https";
        var host = url.IdnHost.TrimEnd('.');
        var isInside = IPAddress.TryParse(host.Trim('[', ']'), out var address)
            ? !IsPublic(address)
            : !host.Contains('.', StringComparison.Ordinal) || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
                || host.EndsWith(".internal", StringComparison.OrdinalIgnoreCase) || host.EndsWith(".local", StringComparison.OrdinalIgnoreCase);
        return isInside ? "inside a private network: set Cdp__AllowPrivateDestinations to true to allow that" : null;
    }
}

/// <summary>The address that a destination's name leads to is none that may be connected to.</summary>
public sealed class RefusedAddressException() : Exception("The URL leads into a private network. Where that is meant, set Cdp__AllowPrivateDestinations to true.");
