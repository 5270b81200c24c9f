using Cdp.Storage;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>For those who watch over the app; no key needed.</summary>
public sealed class HealthChecks(IRowStore rows, IMessageQueue queue, TimeProvider time)
{
    // Less than a probe waits, and than the storage clients would try.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>The process answers.</summary>
    [Function("Health")]
    public static Task<IResult> Health([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "healthz")] HttpRequest request) =>
        Answer.To(request, () => Task.FromResult(Ok()));

    /// <summary>The storage answers too; 503 where it does not.</summary>
    [Function("Ready")]
    public Task<IResult> Ready([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "readyz")] HttpRequest request) => Answer.To(request, async () =>
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, request.HttpContext.RequestAborted);
        await Task.WhenAll(
            rows.GetAsync(TableName.Config, "sources", "readyz", either.Token),
            queue.BacklogAsync(QueueName.Events, either.Token));
        return Ok();
    });

    private static IResult Ok() => JsonAnswer.Of(static json =>
    {
        json.WriteStartObject();
        json.WriteString("status"u8, "ok"u8);
        json.WriteEndObject();
    });
}
