namespace Cdp.Deliveries;

/// <summary>How patient deliveries are.</summary>
public sealed record DeliveryPolicy
{
    /// <summary>One request, from connecting to the answer's end.</summary>
    public TimeSpan AttemptTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Tries at once after a failure that came quickly; later ones go through the queue.</summary>
    public int QuickRetries { get; init; } = 2;

    public TimeSpan QuickRetryDelay { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>A failure that took longer is not tried again at once: it would hold up the worker.</summary>
    public TimeSpan QuickFailure { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Until the next try from the queue; doubled with each, with a fifth of chance either way.</summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan MostDelay { get; init; } = TimeSpan.FromHours(1);

    /// <summary>After it was queued a delivery is given up.</summary>
    public TimeSpan GiveUpAfter { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Without a try, because the destination is busy or its breaker open; doubled with each time.</summary>
    public TimeSpan FirstPostponement { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan MostPostponement { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Of the requests in <see cref="BreakerWindow"/>, at least <see cref="BreakerRequests"/>: the share of failures that opens the breaker.</summary>
    public double BreakerRatio { get; init; } = 0.5;

    public int BreakerRequests { get; init; } = 5;

    public TimeSpan BreakerWindow { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the breaker stays open at first; doubled with every probe that fails.</summary>
    public TimeSpan Break { get; init; } = TimeSpan.FromSeconds(15);

    public TimeSpan MostBreak { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Requests to one destination at a time in a process, while it answers quickly and while it does not.</summary>
    public int Concurrency { get; init; } = 12;

    public int SlowConcurrency { get; init; } = 3;

    /// <summary>On average; slower is slow.</summary>
    public TimeSpan Quick { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a delivery that is done with can be looked up.</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromDays(30);

    /// <summary>A worker that has not come back with a result by then is taken for dead.</summary>
    public TimeSpan Claim => ((AttemptTimeout + QuickRetryDelay + QuickRetryDelay) * (1 + QuickRetries)) + TimeSpan.FromSeconds(10);
}
