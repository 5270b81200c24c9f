using Cdp.Access;
using Cdp.Exports;
using Cdp.Problems;
using Cdp.Reading;
using Cdp.Segments.Definitions;
using CdpFunctions.Http;
using CdpFunctions.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Exports on demand, and what became of an export.</summary>
public sealed class ExportCalls(ApiAccess access, ExportStarter starter, ExportStore exports, DefinitionStore definitions, BlobLinks links, Cursors cursors)
{
    /// <summary>202: the export is under way; the answer's <c>Location</c> tells when it is done.</summary>
    [Function("ExportSegment")]
    public Task<IResult> Segment([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/segments/{id}/exports")] HttpRequest request, string id) =>
        access.To(request, Scope.ProfilesRead, async () => Accepted(await starter.StartAsync(id, await JsonBody.ReadObjectAsync(request), request.HttpContext.RequestAborted)));

    /// <summary>The same for all profiles.</summary>
    [Function("ExportProfiles")]
    public Task<IResult> Profiles([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/exports")] HttpRequest request) =>
        access.To(request, Scope.ProfilesRead, async () => Accepted(await starter.StartAllAsync(await JsonBody.ReadObjectAsync(request), request.HttpContext.RequestAborted)));

    /// <summary>With links to its files where it is done: whoever has one can read the file for an hour.</summary>
    [Function("GetExport")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/exports/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            var export = await exports.GetAsync(id, cancellation) ?? throw new ProblemException(ProblemType.NotFound, "There is no export of this id.");
            var download = export.State == ExportState.Done ? await links.OfAsync(export, cancellation) : null;
            return JsonAnswer.Of(json => ExportStatus.Write(json, export, download));
        });

    [Function("ListSegmentExports")]
    public Task<IResult> OfSegment([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/segments/{id}/exports")] HttpRequest request, string id) =>
        access.To(request, Scope.ProfilesRead, async () =>
            (await definitions.LoadAsync(request.HttpContext.RequestAborted)).ById.ContainsKey(id)
                ? await PageAsync(request, id)
                : throw new ProblemException(ProblemType.NotFound, "There is no segment of this id."));

    [Function("ListProfileExports")]
    public Task<IResult> OfProfiles([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/exports")] HttpRequest request) =>
        access.To(request, Scope.ProfilesRead, () => PageAsync(request, ExportRequest.AllProfiles));

    private Task<IResult> PageAsync(HttpRequest request, string segmentId) => ListQuery.PageAsync(
        request, cursors, Cursors.Scope("exports", segmentId), parts: 1, after => exports.ListAsync(segmentId, after?[0], request.HttpContext.RequestAborted),
        static export => [ExportStore.ListPosition(export)], static (json, export) => ExportStatus.Write(json, export, download: null));

    private static JsonAnswer Accepted(ExportDocument export) =>
        JsonAnswer.Of(json => ExportStatus.Write(json, export, download: null), StatusCodes.Status202Accepted, location: "/v1/exports/" + export.Id);
}
