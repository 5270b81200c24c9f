using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace CdpFunctions.Local.Runtime;

/// <summary>Which ports of this machine are in use.</summary>
internal static class LocalPorts
{
    public static bool IsListening(int port) =>
        Array.Exists(IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners(), endpoint => endpoint.Port == port);

    /// <summary>Says so before anything is started, rather than at the end of a start.</summary>
    /// <exception cref="LocalHostException">Something listens on the port.</exception>
    public static void ThrowIfTaken(int port)
    {
        try
        {
            using var probe = new TcpListener(IPAddress.Loopback, port);
            probe.Start();
        }
        catch (SocketException error) when (error.SocketErrorCode is SocketError.AddressAlreadyInUse)
        {
            throw new LocalHostException($"Port {port} is taken: stop what listens there, or choose another port with --port.", error);
        }
        catch (SocketException error)
        {
            throw new LocalHostException($"Port {port} cannot be opened ({error.Message}): choose another port with --port.", error);
        }
    }
}
