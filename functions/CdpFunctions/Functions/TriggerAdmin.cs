using Cdp.Access;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Reading;
using Cdp.Segments.Definitions;
using Cdp.Triggers;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Triggers, and the channels that they use.</summary>
public sealed class TriggerAdmin(ApiAccess access, TriggerStore store, TriggerRegistry registry, DefinitionsRegistry definitions, DestinationRegistry destinations, Cursors cursors, TimeProvider time)
{
    private static readonly string ListScope = Cursors.Scope("triggers");
    private static readonly string ChannelScope = Cursors.Scope("channels");

    [Function("PutTrigger")]
    public Task<IResult> Put([HttpTrigger(AuthorizationLevel.Anonymous, "put", Route = "v1/triggers/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var read = TriggerDocument.Read(id, await JsonBody.ReadObjectAsync(request), Instant.Now(time));
            var (trigger, version, created) = await store.PutAsync(read, present => Conditions.Check(request, present), request.HttpContext.RequestAborted);
            Expire();
            return Document(trigger, version, created ? StatusCodes.Status201Created : StatusCodes.Status200OK);
        });

    [Function("GetTrigger")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/triggers/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
            await store.GetAsync(id, request.HttpContext.RequestAborted) is var (trigger, version)
                ? Document(trigger, version, StatusCodes.Status200OK)
                : throw new ProblemException(ProblemType.NotFound, "There is no trigger of this id."));

    [Function("ListTriggers")]
    public Task<IResult> List([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/triggers")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var all = await store.ListAsync(request.HttpContext.RequestAborted);
            return await ListQuery.PageAsync(
                request, cursors, ListScope, parts: 1, after => all.Where(t => after is null || string.CompareOrdinal(t.Id, after[0]) > 0).ToAsyncEnumerable(),
                static trigger => [trigger.Id], TriggerDocument.Write);
        });

    /// <summary>It is gone at once; its log is removed within days.</summary>
    [Function("DeleteTrigger")]
    public Task<IResult> Delete([HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/triggers/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            await store.DeleteAsync(id, present => SegmentAdmin.CheckDelete(request, present), request.HttpContext.RequestAborted);
            Expire();
            return Results.NoContent();
        });

    [Function("PutChannel")]
    public Task<IResult> PutChannel([HttpTrigger(AuthorizationLevel.Anonymous, "put", Route = "v1/channels/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var read = TriggerDocument.ReadChannel(id, await JsonBody.ReadObjectAsync(request), Instant.Now(time));
            var (channel, version, created) = await store.PutChannelAsync(read, present => Conditions.Check(request, present), request.HttpContext.RequestAborted);
            Expire();
            return Document(channel, version, created ? StatusCodes.Status201Created : StatusCodes.Status200OK);
        });

    [Function("GetChannel")]
    public Task<IResult> GetChannel([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/channels/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
            await store.GetChannelAsync(id, request.HttpContext.RequestAborted) is var (channel, version)
                ? Document(channel, version, StatusCodes.Status200OK)
                : throw new ProblemException(ProblemType.NotFound, "There is no channel of this id."));

    [Function("ListChannels")]
    public Task<IResult> ListChannels([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/channels")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var all = await store.ListChannelsAsync(request.HttpContext.RequestAborted);
            return await ListQuery.PageAsync(
                request, cursors, ChannelScope, parts: 1, after => all.Where(c => after is null || string.CompareOrdinal(c.Id, after[0]) > 0).ToAsyncEnumerable(),
                static channel => [channel.Id], TriggerDocument.Write);
        });

    /// <summary>Triggers that use it hold everything back from then on.</summary>
    [Function("DeleteChannel")]
    public Task<IResult> DeleteChannel([HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/channels/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            await store.DeleteChannelAsync(id, present => SegmentAdmin.CheckDelete(request, present), request.HttpContext.RequestAborted);
            Expire();
            return Results.NoContent();
        });

    private void Expire()
    {
        registry.Expire();
        definitions.Expire();
        // Which events are worth telling depends on triggers too.
        destinations.Expire();
    }

    private static JsonAnswer Document(Trigger trigger, string version, int status) => JsonAnswer.Of(json => TriggerDocument.Write(json, trigger), status, Conditions.ETag(version));

    private static JsonAnswer Document(Channel channel, string version, int status) => JsonAnswer.Of(json => TriggerDocument.Write(json, channel), status, Conditions.ETag(version));
}
