using System.Text;
using Cdp.Events;

namespace Cdp.Tests.Events;

public sealed class EventContentTests
{
    private const string Sent =
        """{"type":"track","messageId":"m","sentAt":"2026-01-01T00:00:00Z","timestamp":"2026-01-01T00:00:00Z","event":"Ordered","userId":null,"anonymousId":"a","properties":{"a":1,"b":[1,{"c":"d"}]},"context":{"page":{"path":"/"}}}""";

    [Theory]
    [InlineData("another sentAt", """{"type":"track","messageId":"m","sentAt":"2027-01-01T00:00:00Z","timestamp":"2026-01-01T00:00:00Z","event":"Ordered","userId":null,"anonymousId":"a","properties":{"a":1,"b":[1,{"c":"d"}]},"context":{"page":{"path":"/"}}}""")]
    [InlineData("another order, white space", """{ "event":"Ordered","type":"track","messageId":"m","anonymousId":"a","context":{"page":{"path":"/"}},"properties":{"b":[1, {"c":"d"}],"a":1}}""")]
    [InlineData("what the server adds", """{"type":"track","messageId":"m","receivedAt":"2026-01-01T00:00:00Z","timestamp":"2026-01-01T00:00:09Z","event":"Ordered","anonymousId":"a","properties":{"a":1,"b":[1,{"c":"d"}]},"context":{"page":{"path":"/"},"ip":"127.0.0.1","userAgent":"curl"}}""")]
    [InlineData("a login in between", """{"type":"track","messageId":"m","event":"Ordered","userId":"u","anonymousId":"a","_metadata":{"retry":1},"properties":{"a":1,"b":[1,{"c":"d"}]},"context":{"page":{"path":"/"}}}""")]
    public void Hash_Repetition_IsTheSame(string why, string repeated)
    {
        Assert.True(Hash(Sent) == Hash(repeated), why);
    }

    [Theory]
    [InlineData("another value", """{"type":"track","messageId":"m","event":"Ordered","anonymousId":"a","properties":{"a":2,"b":[1,{"c":"d"}]},"context":{"page":{"path":"/"}}}""")]
    [InlineData("values swapped", """{"type":"track","messageId":"m","event":"Ordered","anonymousId":"a","properties":{"b":1,"a":[1,{"c":"d"}]},"context":{"page":{"path":"/"}}}""")]
    [InlineData("another order in a list", """{"type":"track","messageId":"m","event":"Ordered","anonymousId":"a","properties":{"a":1,"b":[{"c":"d"},1]},"context":{"page":{"path":"/"}}}""")]
    [InlineData("a text, not a number", """{"type":"track","messageId":"m","event":"Ordered","anonymousId":"a","properties":{"a":"1","b":[1,{"c":"d"}]},"context":{"page":{"path":"/"}}}""")]
    [InlineData("another event", """{"type":"track","messageId":"m","event":"Viewed","anonymousId":"a","properties":{"a":1,"b":[1,{"c":"d"}]},"context":{"page":{"path":"/"}}}""")]
    [InlineData("an ip that is not the context's", """{"type":"track","messageId":"m","event":"Ordered","anonymousId":"a","properties":{"a":1,"b":[1,{"c":"d"}],"ip":"1"},"context":{"page":{"path":"/"}}}""")]
    public void Hash_OtherMessage_IsAnother(string why, string other)
    {
        Assert.False(Hash(Sent) == Hash(other), why);
    }

    [Fact]
    public void Hash_ContextTheServerMade_IsAsNone()
    {
        Assert.Equal(Hash("""{"a":1}"""), Hash("""{"a":1,"context":{"ip":"127.0.0.1","userAgent":"curl"}}"""));
    }

    private static ulong Hash(string json) => EventContent.Hash(Encoding.UTF8.GetBytes(json));
}
