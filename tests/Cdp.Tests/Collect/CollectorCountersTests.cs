using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Sources;
using Cdp.Stats;

namespace Cdp.Tests.Collect;

/// <summary>Every event that arrives is counted, and once more as accepted or, with its reason, as rejected.</summary>
public sealed class CollectorCountersTests : IDisposable
{
    // A source of its own: other tests count at the same time.
    private readonly string source = "s" + Guid.NewGuid().ToString("N");
    private readonly ConcurrentDictionary<string, long> counts = new(StringComparer.Ordinal);
    private readonly MeterListener listener = new();
    private readonly CollectorHarness harness;

    public CollectorCountersTests()
    {
        harness = new CollectorHarness(new Source(source, "", "http", true, [new(CollectorHarness.Key, DateTimeOffset.UnixEpoch, true)], RateLimit: new(10)));
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == Telemetry.MeterName)
                l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, n, tags, _) =>
        {
            var values = tags.ToArray().ToDictionary(t => t.Key, t => t.Value?.ToString(), StringComparer.Ordinal);
            if (values.GetValueOrDefault("source") == source)
                counts.AddOrUpdate(instrument.Name + " " + values.GetValueOrDefault("reason"), n, (_, sum) => sum + n);
        });
        listener.Start();
    }

    [Fact]
    public async Task Batches_and_single_calls_are_counted()
    {
        await harness.CollectAsync("""{"batch":[{"type":"page","userId":"u"},{"type":"page","userId":"u"},{"type":"dance"},{"type":"page"}]}""", null);
        await Assert.ThrowsAsync<ProblemException>(() => harness.CollectAsync("""{"batch":[{"type":"dance"},7]}""", null));
        await Assert.ThrowsAsync<ProblemException>(() => harness.CollectAsync("{", EventType.Track));
        await harness.CollectAsync("""{"event":"e","userId":"u"}""", EventType.Track);
        await Assert.ThrowsAsync<ProblemException>(() => harness.CollectAsync($$"""{"batch":[{{string.Join(',', Enumerable.Repeat("""{"type":"page","userId":"u"}""", 9))}}]}""", null));
        Assert.Equal(
            [
                "cdp.events.accepted =3", "cdp.events.received =17", "cdp.events.rejected no-identity=1", "cdp.events.rejected not-an-object=1", "cdp.events.rejected not-json=1",
                "cdp.events.rejected rate-limited=9", "cdp.events.rejected unknown-type=2",
            ],
            counts.Select(c => c.Key + "=" + c.Value).Order(StringComparer.Ordinal));
    }

    public void Dispose() => listener.Dispose();
}
