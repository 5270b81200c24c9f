using Cdp.Access;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Reading;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>API keys. The key itself is in the answer to its creation and nowhere else.</summary>
public sealed class ApiKeyAdmin(ApiAccess access, ApiKeyStore keys, Cursors cursors, IdGenerator ids, TimeProvider time)
{
    private static readonly string ListScope = Cursors.Scope("api-keys");

    [Function("CreateApiKey")]
    public Task<IResult> Create([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/api-keys")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var (name, scopes) = ApiKeyDocument.Read(await JsonBody.ReadObjectAsync(request));
            var text = ApiKey.NewText();
            var key = ApiKey.Create(ids.Next(ApiKey.IdPrefix), name, text, scopes, time.GetUtcNow());
            if (!await keys.AddAsync(key, request.HttpContext.RequestAborted))
                throw new InvalidOperationException("A new id was taken already.");
            return JsonAnswer.Of(json => ApiKeyDocument.Write(json, key, text), StatusCodes.Status201Created);
        });

    [Function("ListApiKeys")]
    public Task<IResult> List([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/api-keys")] HttpRequest request) =>
        access.To(request, Scope.Admin, () => ListQuery.PageAsync(
            request, cursors, ListScope, parts: 1, after => AllAsync(after?[0], request.HttpContext.RequestAborted), key => [key.Id], (json, key) => ApiKeyDocument.Write(json, key)));

    [Function("GetApiKey")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/api-keys/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () => await keys.GetAsync(id, request.HttpContext.RequestAborted) is { } key
            ? JsonAnswer.Of(json => ApiKeyDocument.Write(json, key))
            : throw new ProblemException(ProblemType.NotFound, "There is no API key of this id."));

    [Function("DeleteApiKey")]
    public Task<IResult> Delete([HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/api-keys/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            await keys.DeleteAsync(id, request.HttpContext.RequestAborted);
            return Results.NoContent();
        });

    private async IAsyncEnumerable<ApiKey> AllAsync(string? after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        foreach (var key in await keys.ListAsync(cancellation))
        {
            if (after is null || string.CompareOrdinal(key.Id, after) > 0)
                yield return key;
        }
    }
}
