using CdpFunctions.Local.Runtime;
using Xunit;

namespace CdpFunctions.Tests.Runtime;

public sealed class PollingBackoffTests
{
    [Fact]
    public void Next_QueueStaysEmpty_DoublesUpToTheMaximum_AndStartsAgainAfterAMessage()
    {
        var backoff = new PollingBackoff(TimeSpan.FromSeconds(1), () => 0.5);
        double[] pauses = [.. Enumerable.Range(0, 6).Select(_ => backoff.Next().TotalMilliseconds)];
        Assert.Equal([100, 200, 400, 800, 1000, 1000], pauses);
        backoff.Reset();
        Assert.Equal(100, backoff.Next().TotalMilliseconds);
    }

    [Fact]
    public void Next_Jitter_StaysWithinAFifth()
    {
        var low = new PollingBackoff(TimeSpan.FromMinutes(1), () => 0);
        var high = new PollingBackoff(TimeSpan.FromMinutes(1), () => 1);
        Assert.Equal([100, 180, 340], Enumerable.Range(0, 3).Select(_ => low.Next().TotalMilliseconds));
        Assert.Equal([100, 220, 460], Enumerable.Range(0, 3).Select(_ => high.Next().TotalMilliseconds));
    }
}
