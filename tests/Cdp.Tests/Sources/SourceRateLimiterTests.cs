using Cdp.Sources;
using Cdp.Tests.Collect;

namespace Cdp.Tests.Sources;

public sealed class SourceRateLimiterTests
{
    private readonly ManualTime time = new(DateTimeOffset.UnixEpoch);
    private readonly SourceRateLimiter limiter;

    public SourceRateLimiterTests() => limiter = new SourceRateLimiter(time);

    [Fact]
    public void A_source_without_a_limit_has_none() => Assert.Equal(0, Take(Source(null), 1_000_000));

    [Fact]
    public void A_seconds_worth_may_come_at_once_and_then_the_rate_holds()
    {
        var source = Source(10);
        Assert.Equal(0, Take(source, 4));
        Assert.Equal(0, Take(source, 6));
        Assert.Equal(1, Take(source, 1));
        time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal(0, Take(source, 1));
        Assert.Equal(1, Take(source, 1));
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(0, Take(source, 10));
        Assert.Equal(1, Take(source, 10));
    }

    [Fact]
    public void A_batch_larger_than_a_seconds_worth_goes_through_and_is_paid_back()
    {
        var source = Source(10);
        Assert.Equal(0, Take(source, 100));
        Assert.Equal(10, Take(source, 1));
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(1, Take(source, 1));
        time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal(0, Take(source, 1));
    }

    [Fact]
    public void Sources_do_not_share()
    {
        Assert.Equal(0, Take(Source(1), 1));
        Assert.Equal(0, Take(Source(1) with { Id = "app" }, 1));
        Assert.Equal(1, Take(Source(1), 1));
    }

    [Fact]
    public void A_rate_below_one_lets_single_events_through()
    {
        Assert.Equal(0, Take(Source(0.1), 1));
        Assert.Equal(10, Take(Source(0.1), 1));
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(0, Take(Source(0.1), 1));
    }

    private int Take(Source source, int events) => limiter.TryTake(source, events, out var seconds) == (seconds == 0) ? seconds : -1;

    private static Source Source(double? rate) => new("web", "", "http", true, [], RateLimit: rate is { } r ? new RateLimit(r) : null);
}
