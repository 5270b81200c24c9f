using Cdp.Access;
using Cdp.Problems;
using Cdp.Sources;
using Cdp.TrackingPlans;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>What a source is expected to send, and what it sent otherwise. A plan has the version of its source.</summary>
public sealed class TrackingPlanAdmin(ApiAccess access, SourceStore sources, ViolationRecorder violations)
{
    [Function("PutTrackingPlan")]
    public Task<IResult> Put([HttpTrigger(AuthorizationLevel.Anonymous, "put", Route = "v1/sources/{id}/tracking-plan")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var plan = TrackingPlanDocument.Read(await JsonBody.ReadObjectAsync(request));
            var (_, version, before) = await sources.ChangeAsync(
                id,
                (present, version) =>
                {
                    if (present is null)
                        throw NoSource();
                    Conditions.Check(request, present.TrackingPlan is null ? null : version);
                    return present with { TrackingPlan = plan };
                },
                request.HttpContext.RequestAborted);
            return Document(plan, version, before?.TrackingPlan is null ? StatusCodes.Status201Created : StatusCodes.Status200OK);
        });

    [Function("GetTrackingPlan")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/sources/{id}/tracking-plan")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () => await sources.GetAsync(id, request.HttpContext.RequestAborted) is ({ TrackingPlan: { } plan }, var version)
            ? Document(plan, version)
            : throw new ProblemException(ProblemType.NotFound, "There is no source of this id, or it has no tracking plan."));

    /// <summary>The counts of violations go with it.</summary>
    [Function("DeleteTrackingPlan")]
    public Task<IResult> Delete([HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/sources/{id}/tracking-plan")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            if (await sources.GetAsync(id, request.HttpContext.RequestAborted) is null)
                return Results.NoContent();
            await sources.ChangeAsync(
                id,
                (present, version) =>
                {
                    if (present is null)
                        throw NoSource();
                    if (request.Headers.IfMatch.Count > 0)
                        Conditions.Check(request, present.TrackingPlan is null ? null : version);
                    return present with { TrackingPlan = null };
                },
                request.HttpContext.RequestAborted);
            await violations.ForgetAsync(id, request.HttpContext.RequestAborted);
            return Results.NoContent();
        });

    [Function("GetViolations")]
    public Task<IResult> GetViolations([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/sources/{id}/violations")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () => await sources.GetAsync(id, request.HttpContext.RequestAborted) is null
            ? throw NoSource()
            : await JsonAnswer.OfAsync(json => violations.WriteAsync(json, id, request.HttpContext.RequestAborted)));

    private static JsonAnswer Document(TrackingPlan plan, string version, int status = StatusCodes.Status200OK) =>
        JsonAnswer.Of(json => TrackingPlanDocument.Write(json, plan), status, Conditions.ETag(version));

    private static ProblemException NoSource() => new(ProblemType.NotFound, "There is no source of this id.");
}
