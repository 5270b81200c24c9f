using Cdp.Access;
using Cdp.Problems;
using Cdp.Reading;
using Cdp.Segments.Definitions;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Definitions of computed traits; the predefined ones are not among them.</summary>
public sealed class ComputedTraitAdmin(ApiAccess access, DefinitionStore store, DefinitionsRegistry registry, Cursors cursors)
{
    private static readonly string ListScope = Cursors.Scope("computed-traits");

    [Function("PutComputedTrait")]
    public Task<IResult> Put([HttpTrigger(AuthorizationLevel.Anonymous, "put", Route = "v1/computed-traits/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var body = DefinitionBody.Of(await JsonBody.ReadObjectAsync(request), id);
            var (trait, created) = await store.PutComputedTraitAsync(body, present => Conditions.Check(request, present), request.HttpContext.RequestAborted);
            registry.Expire();
            return Document(trait, created ? StatusCodes.Status201Created : StatusCodes.Status200OK);
        });

    [Function("GetComputedTrait")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/computed-traits/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
            (await store.LoadAsync(request.HttpContext.RequestAborted)).ComputedTraits.FirstOrDefault(trait => trait.Id == id) is { } found
                ? Document(found)
                : throw new ProblemException(ProblemType.NotFound, "There is no computed trait of this id."));

    [Function("ListComputedTraits")]
    public Task<IResult> List([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/computed-traits")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var set = await store.LoadAsync(request.HttpContext.RequestAborted);
            return await ListQuery.PageAsync(
                request, cursors, ListScope, parts: 1,
                after => set.ComputedTraits.Where(trait => after is null || string.CompareOrdinal(trait.Id, after[0]) > 0).ToAsyncEnumerable(),
                trait => [trait.Id], DefinitionWriter.Write);
        });

    [Function("DeleteComputedTrait")]
    public Task<IResult> Delete([HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/computed-traits/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            await store.DeleteComputedTraitAsync(id, present => SegmentAdmin.CheckDelete(request, present), request.HttpContext.RequestAborted);
            registry.Expire();
            return Results.NoContent();
        });

    private static JsonAnswer Document(StoredComputedTrait trait, int status = StatusCodes.Status200OK) =>
        JsonAnswer.Of(json => DefinitionWriter.Write(json, trait), status, Conditions.ETag(trait.Head.RowVersion));
}
