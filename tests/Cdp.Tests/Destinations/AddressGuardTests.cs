using System.Net;
using System.Net.Sockets;
using System.Text;
using Cdp.Destinations;

namespace Cdp.Tests.Destinations;

public sealed class AddressGuardTests
{
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.8.9.10")]
    [InlineData("0.0.0.0")]
    [InlineData("10.1.2.3")]
    [InlineData("100.64.0.1")]
    [InlineData("169.254.169.254")]
    [InlineData("168.63.129.16")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.168.1.1")]
    [InlineData("224.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::1")]
    [InlineData("::")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::ffff:169.254.169.254")]
    [InlineData("::ffff:10.0.0.1")]
    [InlineData("::127.0.0.1")]
    [InlineData("64:ff9b::a9fe:a9fe")]
    [InlineData("2002:7f00:1::")]
    [InlineData("2001:0:4136:e378:8000:63bf:3fff:fdd2")]
    [InlineData("fe80::1")]
    [InlineData("fc00::1")]
    [InlineData("fd00:ec2::254")]
    [InlineData("ff02::1")]
    public void Inside_IsNoAddressOfADestination(string address) => Assert.False(AddressGuard.IsPublic(IPAddress.Parse(address)));

    [Theory]
    [InlineData("93.184.216.34")]
    [InlineData("172.32.0.1")]
    [InlineData("172.15.255.255")]
    [InlineData("100.63.255.255")]
    [InlineData("::ffff:93.184.216.34")]
    [InlineData("2606:2800:220:1:248:1893:25c8:1946")]
    public void Outside_Is(string address) => Assert.True(AddressGuard.IsPublic(IPAddress.Parse(address)));

    [Theory]
    [InlineData("https://hooks.example.com/in?x=1", null)]
    [InlineData("https://8.8.8.8/", null)]
    [InlineData("http://hooks.example.com/in", "not https")]
    [InlineData("https://localhost/in", "inside")]
    [InlineData("https://a.localhost/in", "inside")]
    [InlineData("https://metadata.google.internal/", "inside")]
    [InlineData("https://printer.local/", "inside")]
    [InlineData("https://intranet/", "inside")]
    [InlineData("https://127.0.0.1/", "inside")]
    [InlineData("https://2130706433/", "inside")]
    [InlineData("https://0x7f.1/", "inside")]
    [InlineData("https://0177.0.0.1/", "inside")]
    [InlineData("https://[::1]/", "inside")]
    [InlineData("https://[::ffff:169.254.169.254]/", "inside")]
    [InlineData("https://169.254.169.254/metadata", "inside")]
    [InlineData("https://user:pw@hooks.example.com/", "has a user name")]
    [InlineData("https://hooks.example.com/#a", "has a fragment")]
    [InlineData("ftp://hooks.example.com/", "not an absolute URL")]
    [InlineData("file:///etc/passwd", "not an absolute URL")]
    [InlineData("hooks.example.com", "not an absolute URL")]
    public void Url_IsRefusedForWhatCanBeSeenOfIt(string url, string? reason)
    {
        var refusal = AddressGuard.Refusal(url, allowPrivate: false);
        if (reason is null)
            Assert.Null(refusal);
        else
            Assert.StartsWith(reason, refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void Url_InsideIsTaken_WhereASettingSaysSo() => Assert.Null(AddressGuard.Refusal("http://127.0.0.1:8080/in", allowPrivate: true));

    [Fact]
    public async Task Name_ThatLeadsInside_IsNotConnectedTo_AlsoNotBesideAPublicAddress()
    {
        using var server = new CountingServer();
        foreach (var addresses in (IPAddress[][])[[IPAddress.Loopback], [IPAddress.Parse("93.184.216.34"), IPAddress.Loopback], [IPAddress.Parse("::ffff:127.0.0.1")]])
        {
            using var http = new DestinationHttp(allowPrivate: false, TimeProvider.System, (_, _) => Task.FromResult(addresses));
            var result = await SendAsync(http, $"http://hooks.example.com:{server.Port}/");
            Assert.Equal(SendStatus.Refused, result.Status);
            Assert.Contains("private network", result.Exchange.Error, StringComparison.Ordinal);
        }

        Assert.Equal(0, server.Connections);
    }

    [Fact]
    public async Task Redirect_IsNotFollowed()
    {
        using var server = new CountingServer("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/metadata\r\nContent-Length: 0\r\n\r\n");
        using var http = new DestinationHttp(allowPrivate: true, TimeProvider.System);
        var result = await SendAsync(http, $"http://127.0.0.1:{server.Port}/");
        Assert.Equal((SendStatus.Refused, 302), (result.Status, result.Exchange.Status));
        Assert.Contains("redirect", result.Exchange.Error, StringComparison.Ordinal);
        Assert.Equal(1, server.Connections);
    }

    [Theory]
    [InlineData("200 OK", SendStatus.Delivered, null)]
    [InlineData("400 Bad Request", SendStatus.Refused, null)]
    [InlineData("404 Not Found", SendStatus.Refused, null)]
    [InlineData("408 Request Timeout", SendStatus.Retry, null)]
    [InlineData("429 Too Many Requests\r\nRetry-After: 7", SendStatus.Throttled, 7)]
    [InlineData("500 Oh", SendStatus.Retry, null)]
    [InlineData("503 Busy\r\nRetry-After: 100000000", SendStatus.Retry, 86400)]
    public async Task Answer_SaysWhetherItIsTriedAgain(string status, SendStatus expected, int? after)
    {
        using var server = new CountingServer($"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        using var http = new DestinationHttp(allowPrivate: true, TimeProvider.System);
        var result = await SendAsync(http, $"http://127.0.0.1:{server.Port}/");
        Assert.Equal((expected, after), (result.Status, (int?)result.RetryAfter?.TotalSeconds));
    }

    [Fact]
    public async Task Answer_WithoutEnd_IsReadToALimit()
    {
        using var server = new CountingServer("HTTP/1.1 200 OK\r\n\r\n" + new string('x', 200_000));
        using var http = new DestinationHttp(allowPrivate: true, TimeProvider.System);
        var result = await SendAsync(http, $"http://127.0.0.1:{server.Port}/");
        Assert.Equal(SendStatus.Delivered, result.Status);
        Assert.InRange(result.Exchange.ResponseBytes!.Value, DestinationHttp.MostResponseBytes, DestinationHttp.MostResponseBytes + 8192);
        Assert.Equal(4096, result.Exchange.ResponseBody!.Length);
    }

    private static async Task<SendResult> SendAsync(DestinationHttp http, string url)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, url);
        return await http.SendAsync(request, Encoding.UTF8.GetBytes("{}"), "application/json", CancellationToken.None);
    }

    /// <summary>Gives every connection the same answer, after it has read something.</summary>
    private sealed class CountingServer : IDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);
        private readonly byte[] answer;
        private int connections;

        public CountingServer(string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        {
            this.answer = Encoding.ASCII.GetBytes(answer);
            listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public int Connections => Volatile.Read(ref connections);

        public void Dispose() => listener.Dispose();

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    using var client = await listener.AcceptTcpClientAsync();
                    Interlocked.Increment(ref connections);
                    await using var stream = client.GetStream();
                    _ = await stream.ReadAtLeastAsync(new byte[4096], 1, throwOnEndOfStream: false);
                    await stream.WriteAsync(answer);
                }
            }
            catch (Exception closed) when (closed is ObjectDisposedException or SocketException or IOException)
            {
                // The test is over, or the client has read enough.
            }
        }
    }
}
