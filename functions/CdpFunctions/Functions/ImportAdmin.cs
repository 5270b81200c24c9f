using Cdp.Access;
using Cdp.Imports;
using Cdp.Problems;
using Cdp.Reading;
using Cdp.Sources;
using Cdp.Storage;
using CdpFunctions.Http;
using CdpFunctions.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Files that are imported: announced, tried, started, watched, forgotten.</summary>
public sealed class ImportAdmin(
    ApiAccess access, ImportStore imports, ImportProcessor processor, ImportPreview preview, SourceStore sources, IBlobStore blobs, BlobLinks links, Cursors cursors)
{
    private const int DefaultRows = 20;

    private static readonly string ListScope = Cursors.Scope("imports");

    [Function("CreateImport")]
    public Task<IResult> Create([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/imports")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            var input = ImportInput.Read(await JsonBody.ReadObjectAsync(request));
            if (await sources.GetAsync(input.SourceId, cancellation) is null)
            {
                const string reason = "no source of this id";
                throw new ProblemException(new Problem(ProblemType.InvalidField, $"sourceId: {reason}.", [new ProblemError("sourceId", reason)]));
            }

            var import = await imports.CreateAsync(input, cancellation);
            var (url, expires) = await links.WriteAsync(ContainerName.Imports, import.FileName, ImportLimits.Upload, cancellation);
            return JsonAnswer.Of(json => ImportStatus.Write(json, import, upload: new ImportLink(url, expires)), StatusCodes.Status201Created);
        });

    [Function("GetImport")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/imports/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () => await StatusAsync(
            await imports.GetAsync(id, request.HttpContext.RequestAborted) ?? throw NotFound(), StatusCodes.Status200OK, request.HttpContext.RequestAborted));

    [Function("ListImports")]
    public Task<IResult> List([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/imports")] HttpRequest request) =>
        access.To(request, Scope.Admin, () => ListQuery.PageAsync(
            request, cursors, ListScope, parts: 1, after => imports.ListAsync(after?[0], request.HttpContext.RequestAborted), import => [import.Id],
            (json, import) => ImportStatus.Write(json, import)));

    /// <summary>Also brings back one that stands still, and goes on with one that failed.</summary>
    [Function("StartImport")]
    public Task<IResult> Start([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/imports/{id}/start")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            var import = await imports.GetAsync(id, cancellation) ?? throw NotFound();
            if (import.State == ImportState.Waiting && await blobs.ReadAsync(ContainerName.Imports, import.FileName, 0, 1, cancellation) is null)
                throw ImportPreview.NotUploaded();
            return await StatusAsync(await processor.StartAsync(id, cancellation) ?? throw NotFound(), StatusCodes.Status202Accepted, cancellation);
        });

    [Function("PreviewImport")]
    public Task<IResult> Preview([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/imports/{id}/preview")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            var import = await imports.GetAsync(id, cancellation) ?? throw NotFound();
            var result = await preview.TryAsync(import, Rows(request), cancellation);
            return JsonAnswer.Of(result.Write);
        });

    [Function("DeleteImport")]
    public Task<IResult> Delete([HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/imports/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            await processor.DeleteAsync(id, request.HttpContext.RequestAborted);
            return Results.NoContent();
        });

    private async Task<IResult> StatusAsync(ImportDocument import, int status, CancellationToken cancellation)
    {
        ImportLink? upload = null, report = null;
        if (import.State == ImportState.Waiting)
        {
            var (url, expires) = await links.WriteAsync(ContainerName.Imports, import.FileName, ImportLimits.Upload, cancellation);
            upload = new ImportLink(url, expires);
        }

        if (import is { Report: { } name, State: ImportState.Done or ImportState.Failed })
        {
            var (url, expires) = await links.ReadAsync(ContainerName.Imports, name, cancellation);
            report = new ImportLink(url, expires);
        }

        return JsonAnswer.Of(json => ImportStatus.Write(json, import, upload, report), status);
    }

    private static int Rows(HttpRequest request)
    {
        if (ListQuery.Text(request, "rows") is not { } text)
            return DefaultRows;
        if (int.TryParse(text, out var rows) && rows is >= 1 and <= ImportLimits.PreviewRows)
            return rows;
        var reason = $"not a number from 1 to {ImportLimits.PreviewRows}";
        throw new ProblemException(new Problem(ProblemType.InvalidField, $"The query parameter 'rows' is {reason}.", [new ProblemError("rows", reason)]));
    }

    private static ProblemException NotFound() => new(ProblemType.NotFound, "There is no import of this id. It may have been deleted, as all are 30 days after their end.");
}
