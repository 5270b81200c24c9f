using Cdp.Access;
using Cdp.Problems;
using Cdp.Reading;
using Cdp.Sources;
using Cdp.TrackingPlans;
using Cdp.Webhooks;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Sources and their write keys.</summary>
public sealed class SourceAdmin(
    ApiAccess access, SourceStore sources, SourceRegistry registry, ViolationRecorder violations, WebhookReceiver webhooks, Cursors cursors, TimeProvider time)
{
    private static readonly string ListScope = Cursors.Scope("sources");

    [Function("PutSource")]
    public Task<IResult> Put([HttpTrigger(AuthorizationLevel.Anonymous, "put", Route = "v1/sources/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            CheckId(id);
            var body = await JsonBody.ReadObjectAsync(request);
            var (source, version, before) = await sources.ChangeAsync(
                id,
                (present, version) =>
                {
                    Conditions.Check(request, version);
                    return SourceDocument.Read(id, body, present, time.GetUtcNow());
                },
                request.HttpContext.RequestAborted);
            registry.Expire();
            return Document(source, version, before is null ? StatusCodes.Status201Created : StatusCodes.Status200OK);
        });

    [Function("GetSource")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/sources/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () => await sources.GetAsync(id, request.HttpContext.RequestAborted) is var (source, version)
            ? Document(source, version)
            : throw NotFound());

    [Function("ListSources")]
    public Task<IResult> List([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/sources")] HttpRequest request) =>
        access.To(request, Scope.Admin, () => ListQuery.PageAsync(
            request, cursors, ListScope, parts: 1, after => AllAsync(after?[0], request.HttpContext.RequestAborted), source => [source.Id], SourceDocument.Write));

    [Function("DeleteSource")]
    public Task<IResult> Delete([HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/sources/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            string? condition = null;
            if (request.Headers.IfMatch.Count > 0)
            {
                condition = (await sources.GetAsync(id, request.HttpContext.RequestAborted))?.Version;
                Conditions.Check(request, condition);
            }

            if (!await sources.DeleteAsync(id, condition, request.HttpContext.RequestAborted))
                throw Conditions.Failed("The source was changed by somebody else. Read it again and decide anew.");
            registry.Expire();
            if (SourceIds.IsValid(id))
                await violations.ForgetAsync(id, request.HttpContext.RequestAborted);
            return Results.NoContent();
        });

    /// <summary>What a payload would become by the source's mapping, or by one that is tried before it is saved.</summary>
    [Function("PreviewSource")]
    public Task<IResult> Preview([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/sources/{id}/preview")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var (source, _) = await sources.GetAsync(id, request.HttpContext.RequestAborted) ?? throw NotFound();
            var body = await JsonBody.ReadObjectAsync(request, WebhookLimits.PayloadBytes + WebhookLimits.MappingBytes);
            var given = PreviewInput.Read(body);
            var preview = await webhooks.PreviewAsync(source, given.Mapping, given.Payload, given.Headers, request.HttpContext.RequestAborted);
            return JsonAnswer.Of(preview.Write);
        });

    [Function("CreateWriteKey")]
    public Task<IResult> CreateWriteKey([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/sources/{id}/write-keys")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var key = new WriteKey(SourceIds.NewWriteKey(), time.GetUtcNow(), Enabled: true);
            await sources.ChangeAsync(id, (present, _) => present is null ? throw NotFound() : present with { WriteKeys = [.. present.WriteKeys, key] }, request.HttpContext.RequestAborted);
            return JsonAnswer.Of(
                json =>
                {
                    json.WriteStartObject();
                    json.WriteString("writeKey"u8, key.Key);
                    json.WriteEndObject();
                },
                StatusCodes.Status201Created);
        });

    /// <summary>Disables rather than deletes: which key an old event came by can still be told. The whole key is taken for its prefix too.</summary>
    [Function("DisableWriteKey")]
    public Task<IResult> DisableWriteKey(
        [HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/sources/{id}/write-keys/{prefix}")] HttpRequest request, string id, string prefix) =>
        access.To(request, Scope.Admin, async () =>
        {
            if (await sources.GetAsync(id, request.HttpContext.RequestAborted) is not null)
            {
                await sources.ChangeAsync(
                    id,
                    (present, _) => (present ?? throw NotFound()) with
                    {
                        WriteKeys = [.. present.WriteKeys.Select(key => key.Prefix == prefix || key.Key == prefix ? key with { Enabled = false } : key)],
                    },
                    request.HttpContext.RequestAborted);
            }

            return Results.NoContent();
        });

    private async IAsyncEnumerable<Source> AllAsync(string? after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        foreach (var source in await sources.ListAsync(cancellation))
        {
            if (after is null || string.CompareOrdinal(source.Id, after) > 0)
                yield return source;
        }
    }

    private static JsonAnswer Document(Source source, string version, int status = StatusCodes.Status200OK) =>
        JsonAnswer.Of(json => SourceDocument.Write(json, source), status, Conditions.ETag(version));

    private static void CheckId(string id)
    {
        if (!SourceIds.IsValid(id))
        {
            const string reason = "not lower-case letters, digits and hyphens, at most 63, the first no hyphen, and none of preview, schema, overlap, lookup";
            throw new ProblemException(new Problem(ProblemType.InvalidField, $"The source's id is {reason}.", [new ProblemError("id", reason)]));
        }
    }

    private static ProblemException NotFound() => new(ProblemType.NotFound, "There is no source of this id.");
}
