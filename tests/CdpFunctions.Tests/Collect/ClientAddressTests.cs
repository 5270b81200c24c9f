using System.Net;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace CdpFunctions.Tests.Collect;

public sealed class ClientAddressTests
{
    [Theory]
    [InlineData("203.0.113.9", "203.0.113.9")]
    [InlineData("203.0.113.9:4711", "203.0.113.9")]
    [InlineData("203.0.113.9:4711, 10.0.0.1", "203.0.113.9")]
    [InlineData("2001:db8::1", "2001:db8::1")]
    [InlineData("[2001:db8::1]:4711", "2001:db8::1")]
    [InlineData("[2001:db8::1], 10.0.0.1", "2001:db8::1")]
    [InlineData("unknown", "10.9.8.7")]
    [InlineData("[", "10.9.8.7")]
    [InlineData("", "10.9.8.7")]
    public void The_first_forwarded_address_counts_else_the_connections(string forwarded, string expected)
    {
        var context = new DefaultHttpContext();
        context.Connection.RemoteIpAddress = IPAddress.Parse("::ffff:10.9.8.7");
        context.Request.Headers["X-Forwarded-For"] = forwarded;
        Assert.Equal(expected, ClientAddress.Of(context.Request));
    }
}
