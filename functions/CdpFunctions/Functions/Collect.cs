using Cdp.Collect;
using Cdp.Events;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>The collectors that Segment's and RudderStack's clients post to.</summary>
public sealed class Collect(Collector collector, CdpOptions options)
{
    [Function("CollectEvent")]
    public Task<IResult> One(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", "options", Route = "v1/{type:regex(^(t|i|p|s|g|a|track|identify|page|screen|group|alias|merge)$)}")] HttpRequest request,
        string type)
    {
        var eventType = TypeOf(type);
        return CollectorRequest.Answer(request, eventType.Name(), async () =>
        {
            using var body = await CollectorRequest.BodyAsync(request, CollectLimits.RequestBytes);
            await collector.CollectAsync(CollectorRequest.Call(request, eventType, body.Memory), request.HttpContext.RequestAborted);
            return CollectedResult.Success;
        });
    }

    /// <summary><c>b</c> is the browser's batch, with its limit; <c>import</c> is a batch of the past.</summary>
    [Function("CollectBatch")]
    public Task<IResult> Batch(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", "options", Route = "v1/{kind:regex(^(batch|b|import)$)}")] HttpRequest request, string kind)
    {
        var limit = kind.Equals("b", StringComparison.OrdinalIgnoreCase) ? CollectLimits.RequestBytes : (int)options.MaxBatchBytes;
        return Batch(request, kind.ToLowerInvariant(), limit, historical: kind.Equals("import", StringComparison.OrdinalIgnoreCase));
    }

    [Function("CollectBeacon")]
    public Task<IResult> Beacon([HttpTrigger(AuthorizationLevel.Anonymous, "post", "options", Route = "beacon/v1/batch")] HttpRequest request) =>
        Batch(request, "beacon", (int)options.MaxBatchBytes, historical: false);

    /// <summary>The browser SDK's metrics about itself: taken, so that it does not retry, and stored nowhere.</summary>
    [Function("CollectMetrics")]
    public static Task<IResult> Metrics([HttpTrigger(AuthorizationLevel.Anonymous, "post", "options", Route = "v1/m")] HttpRequest request) =>
        CollectorRequest.Answer(request, "m", () => Task.FromResult<IResult>(CollectedResult.Success));

    private Task<IResult> Batch(HttpRequest request, string endpoint, int limit, bool historical) => CollectorRequest.Answer(request, endpoint, async () =>
    {
        using var body = await CollectorRequest.BodyAsync(request, limit);
        return CollectedResult.Of(await collector.CollectAsync(CollectorRequest.Call(request, null, body.Memory, historical), request.HttpContext.RequestAborted));
    });

    // The browser SDK names a type by its first letter; m alone is its metrics.
    private static EventType TypeOf(string route) => char.ToLowerInvariant(route[0]) switch
    {
        't' => EventType.Track,
        'i' => EventType.Identify,
        'p' => EventType.Page,
        's' => EventType.Screen,
        'g' => EventType.Group,
        'a' => EventType.Alias,
        _ => EventType.Merge,
    };
}
