using Cdp.Access;
using Cdp.Catalog;
using Cdp.Reading;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>The names of events, properties and traits that were seen.</summary>
public sealed class CatalogReads(ApiAccess access, CatalogStore catalog, Cursors cursors)
{
    /// <summary>A page of event names; with the first one the traits.</summary>
    [Function("GetCatalog")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/catalog")] HttpRequest request) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            var (limit, source) = (ListQuery.Limit(request), ListQuery.Text(request, "sourceId"));
            var scope = Cursors.Scope("catalog", source ?? "");
            var after = (await cursors.ReadAsync(scope, ListQuery.Cursor(request), 1, cancellation))?[0];
            var page = new List<CatalogEntry>();
            string? next = null;
            await foreach (var entry in catalog.EntriesAsync(after, source, cancellation))
            {
                if (page.Count == limit)
                {
                    next = await cursors.WriteAsync(scope, [page[^1].Position], cancellation);
                    break;
                }

                page.Add(entry);
            }

            var identify = after is null ? await catalog.IdentifyAsync(source, cancellation) : null;
            return JsonAnswer.Of(json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("data"u8);
                foreach (var entry in page)
                    entry.Write(json);
                json.WriteEndArray();
                if (after is null)
                {
                    json.WriteStartArray("traits"u8);
                    identify?.WriteTraits(json);
                    json.WriteEndArray();
                }

                if (next is not null)
                    json.WriteString("next"u8, next);
                json.WriteEndObject();
            });
        });

    [Function("ForgetCatalog")]
    public Task<IResult> Forget([HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/catalog")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            await catalog.ForgetAsync(ListQuery.Text(request, "sourceId"), request.HttpContext.RequestAborted);
            return Results.NoContent();
        });
}
