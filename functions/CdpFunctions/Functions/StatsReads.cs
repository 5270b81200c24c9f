using Cdp.Access;
using Cdp.Stats;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>What came in, what became of it, and what waits.</summary>
public sealed class StatsReads(ApiAccess access, StatsReader stats)
{
    [Function("GetStats")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/stats")] HttpRequest request) =>
        access.To(request, Scope.StatsRead, () => JsonAnswer.OfAsync(json => stats.WriteAsync(
            json, ListQuery.Time(request, "from"), ListQuery.Time(request, "to"), ListQuery.Text(request, "sourceId"), request.HttpContext.RequestAborted)));
}
