using System.Threading.RateLimiting;
using Cdp.Destinations;
using Cdp.Events;
using Polly;
using Polly.CircuitBreaker;
using Polly.RateLimiting;
using Polly.Retry;
using Polly.Timeout;

namespace Cdp.Deliveries;

/// <summary>
/// What one process knows of a destination: how many requests are under way to it, how quickly it answers, whether its breaker is open, whether it asked for a pause.
/// A delivery for which there is no room goes back into the queue instead of waiting here, so that no destination takes the places of others.
/// </summary>
public sealed class DestinationLine : IDisposable
{
    private static readonly ResiliencePropertyKey<int> Try = new("try");

    // The failure came quickly enough to try again at once.
    private static readonly ResiliencePropertyKey<bool> Quickly = new("quickly");

    private readonly Lock gate = new();
    private readonly DeliveryPolicy policy;
    private readonly TimeProvider time;
    private readonly ResiliencePipeline<SendResult> pipeline;
    private readonly TokenBucketRateLimiter limiter;
    private int underWay;
    private double averageMillis;
    private Instant? pausedUntil;
    private Instant? openUntil;

    public DestinationLine(DeliveryLimits limits, DeliveryPolicy policy, TimeProvider time)
    {
        this.policy = policy;
        this.time = time;
        // Slow until it has shown that it is not.
        averageMillis = 2 * policy.Quick.TotalMilliseconds;
        limiter = Limiter(limits.RatePerSecond);
        pipeline = Build();
    }

    /// <summary>Nothing is sent until then, because it fails or asked for it; null where it may be tried.</summary>
    public Instant? ClosedUntil(Instant now)
    {
        lock (gate)
        {
            var until = openUntil is { } open && (pausedUntil is not { } pause || open > pause) ? open : pausedUntil;
            return until > now ? until : null;
        }
    }

    /// <summary>Of the breaker alone; past where the next request decides.</summary>
    public Instant? OpenUntil
    {
        get
        {
            lock (gate)
                return openUntil;
        }
    }

    /// <summary>False where there is no room.</summary>
    public bool TryEnter()
    {
        lock (gate)
        {
            limiter.TryReplenish();
            // While the breaker is ajar one request decides. A token may be gone before it is taken: then the limiter refuses.
            if (openUntil is not null ? underWay > 0 : limiter.GetStatistics() is { CurrentAvailablePermits: 0 })
                return false;
            if (underWay >= (averageMillis <= policy.Quick.TotalMilliseconds ? policy.Concurrency : policy.SlowConcurrency))
                return false;
            underWay++;
            return true;
        }
    }

    /// <summary>Whether there is room or not.</summary>
    public void Enter()
    {
        lock (gate)
            underWay++;
    }

    public void Leave()
    {
        lock (gate)
            underWay--;
    }

    /// <summary>Sends through time-out, breaker, rate limit and quick retries.</summary>
    /// <param name="send">One try; it gets its number from 0 on. It is told of its end by a cancellation, and throws then.</param>
    /// <exception cref="RateLimiterRejectedException">It is too soon. Tries may have been made before.</exception>
    /// <exception cref="BrokenCircuitException">It is not to be tried now. Tries may have been made before.</exception>
    /// <exception cref="TimeoutRejectedException">The last try took too long.</exception>
    public async Task<SendResult> SendAsync(Func<int, CancellationToken, Task<SendResult>> send, CancellationToken cancellation)
    {
        var context = ResilienceContextPool.Shared.Get(cancellation);
        try
        {
            context.Properties.Set(Try, 0);
            return await pipeline.ExecuteAsync(
                static async (context, state) =>
                {
                    context.Properties.TryGetValue(Try, out var number);
                    context.Properties.Set(Try, number + 1);
                    var (send, line) = state;
                    var began = line.time.GetTimestamp();
                    var result = await send(number, context.CancellationToken);
                    var took = line.time.GetElapsedTime(began);
                    context.Properties.Set(Quickly, took < line.policy.QuickFailure);
                    line.Note(result, took);
                    return result;
                },
                context, (send, this));
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    /// <summary>A try that was cut off.</summary>
    public void NoteTimeout()
    {
        lock (gate)
            Average(policy.AttemptTimeout);
    }

    public void Dispose() => limiter.Dispose();

    private void Note(SendResult result, TimeSpan took)
    {
        lock (gate)
        {
            Average(took);
            var pause = result.RetryAfter ?? (result.Status == SendStatus.Throttled ? policy.FirstPostponement : TimeSpan.Zero);
            if (pause > TimeSpan.Zero)
                pausedUntil = Instant.Now(time).Plus(pause);
        }
    }

    private void Average(TimeSpan took) => averageMillis += 0.3 * (took.TotalMilliseconds - averageMillis);

    private ResiliencePipeline<SendResult> Build() => new ResiliencePipelineBuilder<SendResult> { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions<SendResult>
        {
            ShouldHandle = args => new ValueTask<bool>(
                policy.QuickRetries > 0 && args.Outcome.Result is { Status: SendStatus.Retry, RetryAfter: null } && args.Context.Properties.TryGetValue(Quickly, out var quick) && quick),
            MaxRetryAttempts = Math.Max(1, policy.QuickRetries),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            Delay = policy.QuickRetryDelay,
        })
        .AddRateLimiter(new RateLimiterStrategyOptions { RateLimiter = args => Take(args.Context.CancellationToken) })
        .AddCircuitBreaker(new CircuitBreakerStrategyOptions<SendResult>
        {
            ShouldHandle = static args => new ValueTask<bool>(args.Outcome.Result is { Status: SendStatus.Retry } || args.Outcome.Exception is TimeoutRejectedException),
            FailureRatio = policy.BreakerRatio,
            MinimumThroughput = Math.Max(2, policy.BreakerRequests),
            SamplingDuration = policy.BreakerWindow,
            BreakDurationGenerator = args => new ValueTask<TimeSpan>(Doubled(policy.Break, args.HalfOpenAttempts, policy.MostBreak)),
            OnOpened = args =>
            {
                lock (gate)
                    openUntil = Instant.Now(time).Plus(args.BreakDuration);
                return default;
            },
            OnClosed = _ =>
            {
                lock (gate)
                    openUntil = null;
                return default;
            },
        })
        .AddTimeout(new TimeoutStrategyOptions { Timeout = policy.AttemptTimeout })
        .Build();

    private ValueTask<RateLimitLease> Take(CancellationToken cancellation)
    {
        limiter.TryReplenish();
        return limiter.AcquireAsync(1, cancellation);
    }

    internal static TimeSpan Doubled(TimeSpan first, int times, TimeSpan most) =>
        TimeSpan.FromTicks((long)Math.Min(most.Ticks, first.Ticks * Math.Pow(2, Math.Min(times, 40))));

    /// <summary>A twentieth of a second's worth at a time, or one request in as long as it takes.</summary>
    private static TokenBucketRateLimiter Limiter(double rate)
    {
        var period = TimeSpan.FromSeconds(Math.Max(0.05, 1 / rate));
        var tokens = Math.Max(1, (int)Math.Round(rate * period.TotalSeconds));
        return new TokenBucketRateLimiter(new TokenBucketRateLimiterOptions
        {
            TokenLimit = Math.Max(tokens, (int)Math.Ceiling(rate)),
            TokensPerPeriod = tokens,
            ReplenishmentPeriod = period,
            QueueLimit = 0,
            // Filled when it is asked: a timer would keep it for ever.
            AutoReplenishment = false,
        });
    }
}
