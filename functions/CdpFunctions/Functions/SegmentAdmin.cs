using System.Text.Json;
using Cdp.Access;
using Cdp.Problems;
using Cdp.Reading;
using Cdp.Segments;
using Cdp.Segments.Backfill;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Definitions of segments.</summary>
public sealed class SegmentAdmin(
    ApiAccess access, DefinitionStore store, DefinitionsRegistry registry, BackfillProgress backfill, SegmentMembers members, Cursors cursors)
{
    private static readonly string ListScope = Cursors.Scope("segments");

    [Function("PutSegment")]
    public Task<IResult> Put([HttpTrigger(AuthorizationLevel.Anonymous, "put", Route = "v1/segments/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var body = DefinitionBody.Of(await JsonBody.ReadObjectAsync(request), id);
            var (segment, created) = await store.PutSegmentAsync(body, present => Conditions.Check(request, present), request.HttpContext.RequestAborted);
            registry.Expire();
            return Document(segment, created ? StatusCodes.Status201Created : StatusCodes.Status200OK);
        });

    [Function("GetSegment")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = @"v1/segments/{id:regex(^(?!schema\s?$).+$)}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            var set = await store.LoadAsync(cancellation);
            if (set.ById.GetValueOrDefault(id) is not { } segment)
                throw new ProblemException(ProblemType.NotFound, "There is no segment of this id.");
            var count = members.CountAsync(id, cancellation);
            var progress = await backfill.OfAsync(segment, set, cancellation);
            var counted = await count;
            return JsonAnswer.Of(
                json => DefinitionWriter.Write(json, segment, rest => WriteState(rest, segment, progress, counted)), StatusCodes.Status200OK, Conditions.ETag(segment.Head.RowVersion));
        });

    [Function("ListSegments")]
    public Task<IResult> List([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/segments")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var set = await store.LoadAsync(request.HttpContext.RequestAborted);
            return await ListQuery.PageAsync(
                request, cursors, ListScope, parts: 1, after => After(set.Segments, after?[0]).ToAsyncEnumerable(), segment => [segment.Id],
                (json, segment) => DefinitionWriter.Write(json, segment));
        });

    [Function("DeleteSegment")]
    public Task<IResult> Delete([HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/segments/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            await store.DeleteSegmentAsync(id, present => CheckDelete(request, present), request.HttpContext.RequestAborted);
            registry.Expire();
            return Results.NoContent();
        });

    /// <summary>JSON Schema of the language, for editors.</summary>
    [Function("GetSegmentSchema")]
    public Task<IResult> Schema([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/segments/schema")] HttpRequest request) =>
        access.To(request, Scope.Admin, () => Task.FromResult<IResult>(JsonAnswer.Of(json => json.WriteRawValue(SegmentResources.Schema.Span))));

    /// <summary>Not below <c>segments/</c>, where it could be the id of one.</summary>
    [Function("ListSegmentTemplates")]
    public Task<IResult> Templates([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/segment-templates")] HttpRequest request) =>
        access.To(request, Scope.Admin, () => Task.FromResult<IResult>(JsonAnswer.Of(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("data"u8);
            foreach (var template in SegmentResources.Templates)
                json.WriteRawValue(template.Json.Span);
            json.WriteEndArray();
            json.WriteEndObject();
        })));

    /// <summary>A deletion of what is not there is done, whatever it is conditioned on but a version.</summary>
    internal static void CheckDelete(HttpRequest request, string? present)
    {
        if (request.Headers.IfMatch.Count > 0)
            Conditions.Check(request, present);
    }

    internal static IEnumerable<StoredSegment> After(IReadOnlyList<StoredSegment> segments, string? id) =>
        segments.Where(segment => id is null || string.CompareOrdinal(segment.Id, id) > 0);

    private static JsonAnswer Document(StoredSegment segment, int status = StatusCodes.Status200OK) =>
        JsonAnswer.Of(json => DefinitionWriter.Write(json, segment), status, Conditions.ETag(segment.Head.RowVersion));

    private static void WriteState(Utf8JsonWriter json, StoredSegment segment, SegmentProgress progress, long members)
    {
        json.WriteString("state"u8, progress.IsLive ? "live"u8 : "backfilling"u8);
        if (!progress.IsLive)
        {
            json.WriteStartObject("progress"u8);
            json.WriteNumber("done"u8, progress.Done);
            json.WriteNumber("total"u8, progress.Total);
            json.WriteEndObject();
        }

        json.WriteStartObject("members"u8);
        json.WriteNumber("count"u8, members);
        // While a new version is brought in some are members by the one, some by the other.
        if (progress.IsLive)
            json.WriteNumber("version"u8, segment.Head.Version);
        json.WriteEndObject();
    }
}
