using System.Runtime.CompilerServices;
using Cdp.Access;
using Cdp.Failures;
using Cdp.Problems;
using Cdp.Reading;
using Cdp.Sources;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Events that were accepted and are on no timeline, or not in full: seen, sent again, forgotten.</summary>
public sealed class FailureAdmin(ApiAccess access, FailureLog failures, FailureRedriver redriver, SourceStore sources, Cursors cursors)
{
    /// <summary>In place of a source's id: failures of messages that could not be read so far.</summary>
    private const string NoSource = "-";

    private const int LongestId = 512;

    [Function("ListFailures")]
    public Task<IResult> List([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/failures")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var stated = ListQuery.Text(request, "sourceId");
            IReadOnlyList<string> ids = stated is null
                ? ["", .. (await sources.ListAsync(request.HttpContext.RequestAborted)).Select(source => source.Id)]
                : [SourceOf(stated)];
            return await ListQuery.PageAsync(
                request, cursors, Cursors.Scope("failures", stated ?? ""), parts: 2, after => AllAsync(ids, after, request.HttpContext.RequestAborted),
                failure => [failure.SourceId, failure.Id], FailureDocument.Write);
        });

    [Function("RedriveFailure")]
    public Task<IResult> Redrive([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/failures/redrive")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var fields = new JsonFields(await JsonBody.ReadObjectAsync(request));
            var sourceId = fields.Text("sourceId", LongestId) ?? NoSource;
            var id = fields.Text("id", LongestId, required: true);
            fields.RefuseOthers();
            fields.ThrowIfInvalid();
            return IsId(id!) && await redriver.RedriveAsync(SourceOf(sourceId), id!, request.HttpContext.RequestAborted)
                ? Results.StatusCode(StatusCodes.Status202Accepted)
                : throw new ProblemException(ProblemType.NotFound, "There is no such failure.");
        });

    [Function("DeleteFailure")]
    public Task<IResult> Delete([HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/failures/{sourceId}/{id}")] HttpRequest request, string sourceId, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            if (IsId(id))
                await failures.DeleteAsync(SourceOf(sourceId), id, request.HttpContext.RequestAborted);
            return Results.NoContent();
        });

    private async IAsyncEnumerable<Failure> AllAsync(IReadOnlyList<string> ids, IReadOnlyList<string>? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        foreach (var id in ids)
        {
            var order = after is null ? 1 : string.CompareOrdinal(id, after[0]);
            if (order < 0)
                continue;
            await foreach (var failure in failures.ListAsync(id, order == 0 ? after![1] : null, cancellation))
                yield return failure;
        }
    }

    private static string SourceOf(string stated) => stated == NoSource ? "" : stated;

    // As FailureLog makes them: not every text may stand in a row key.
    private static bool IsId(string id) => id.Length <= LongestId && id.All(static c => char.IsAsciiLetterOrDigit(c) || c is '|' or '-');
}
