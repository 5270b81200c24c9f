using System.Collections.Concurrent;

namespace Cdp.Sources;

/// <summary>
/// A token bucket per source, for this instance of the app. It holds a second's worth of events. A batch larger than that is let
/// through when the bucket is full, and those after it wait until its debt is paid: no size of batch is refused for ever.
/// </summary>
public sealed class SourceRateLimiter(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, Bucket> buckets = new(StringComparer.Ordinal);

    /// <summary>Takes tokens for events.</summary>
    /// <param name="retryAfterSeconds">When to come back; 0 where they were taken.</param>
    public bool TryTake(Source source, int events, out int retryAfterSeconds)
    {
        retryAfterSeconds = 0;
        if (source.RateLimit is not { EventsPerSecond: > 0 } limit)
            return true;
        var bucket = buckets.GetOrAdd(source.Id, static (_, now) => new Bucket(now), time.GetTimestamp());
        return bucket.TryTake(time, limit.EventsPerSecond, events, out retryAfterSeconds);
    }

    private sealed class Bucket(long created)
    {
        private readonly Lock gate = new();
        private double tokens = double.MaxValue;
        private long filledAt = created;

        public bool TryTake(TimeProvider time, double rate, int events, out int retryAfterSeconds)
        {
            lock (gate)
            {
                var now = time.GetTimestamp();
                // At least one event, however slow the rate.
                var capacity = Math.Max(rate, 1);
                tokens = Math.Min(capacity, tokens + (time.GetElapsedTime(filledAt, now).TotalSeconds * rate));
                filledAt = now;
                var needed = Math.Min(events, capacity);
                if (tokens < needed)
                {
                    retryAfterSeconds = (int)Math.Clamp(Math.Ceiling((needed - tokens) / rate), 1, int.MaxValue);
                    return false;
                }

                tokens -= events;
                retryAfterSeconds = 0;
                return true;
            }
        }
    }
}
