using Cdp.Collect;
using Cdp.Tests.Collect;

namespace Cdp.Tests.Issues;

/// <summary>SDKs write the messageId last. A rejection could not be told whose it was, where the fault stood before it.</summary>
public sealed class R13RejectedMessageIdTests
{
    [Fact]
    public async Task Rejection_NamesTheMessage_WhereverItsIdStands()
    {
        var large = new string('x', CollectLimits.EventBytes);
        var many = string.Join(',', Enumerable.Range(0, 5000).Select(i => $"\"k{i}\":{i}"));
        var deep = string.Concat(Enumerable.Repeat("""{"a":""", 70)) + "1" + new string('}', 70);
        var outcome = await new CollectorHarness().CollectAsync(
            $$$"""
            {"batch":[
              {"type":"track","event":"e","userId":{"messageId":"inner"},"messageId":"m0"},
              {"type":"track","event":"e","userId":"u","a":1,"a":2,"messageId":"m1"},
              {"type":"track","event":"e","userId":"u","timestamp":"soon","messageId":"m2"},
              {"type":"track","event":"e","userId":"u","properties":{{{deep}}},"messageId":"m3"},
              {"type":"track","event":"e","userId":"u","x":"{{{large}}}","messageId":"m4"},
              {"type":"track","event":"e","userId":"u","properties":{{{{many}}}},"messageId":"m5"},
              {"type":"track","event":"e","messageId":"m6","userId":true,"messageId":"again"},
              {"type":"track","event":"e","userId":true,"messageId":7},
              {"type":"track","event":"e","userId":true,"messageId":"\ud800"},
              {"type":"page","userId":"u"}
            ]}
            """,
            null);
        Assert.Equal(["m0", "m1", "m2", "m3", "m4", "m5", "m6", null, null], outcome.Rejected.Select(rejection => rejection.MessageId));
    }
}
