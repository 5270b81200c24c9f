using Azure;
using Azure.Identity;
using Cdp.Problems;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>
/// How every HTTP trigger answers: <c>return Answer.To(request, () => ...)</c>. Gives the answer its <c>Cdp-Request-Id</c> and
/// turns refusals (<see cref="ProblemException"/>) and storage that does not answer into problem documents. Anything else is a
/// fault of the app: answered 500 and thrown on, so that the host logs it.
/// </summary>
public static class Answer
{
    public const string RequestIdHeader = "Cdp-Request-Id";

    // Unique without asking the operating system for random bytes at every request.
    private static readonly string Process = Guid.NewGuid().ToString("N")[..16];

    private static long requests;

    private static readonly Problem StorageUnavailable =
        new(ProblemType.StorageUnavailable, "The storage does not answer at the moment. Send the request again.", RetryAfterSeconds: 1);

    public static async Task<IResult> To(HttpRequest request, Func<Task<IResult>> body)
    {
        AssignRequestId(request.HttpContext);
        try
        {
            return await body();
        }
        catch (Exception exception) when (ProblemOf(exception, request.HttpContext.RequestAborted) is not null)
        {
            return new ProblemResult(ProblemOf(exception, request.HttpContext.RequestAborted)!);
        }
        catch when (!request.HttpContext.Response.HasStarted)
        {
            // The worker's HTTP proxy sends whatever status stands here before the host learns of the exception: never a 200.
            request.HttpContext.Response.StatusCode = StatusCodes.Status500InternalServerError;
            throw;
        }
    }

    /// <summary>The id of this request, as its answer's header and its problem document carry it.</summary>
    public static string RequestId(HttpContext context) => context.Response.Headers[RequestIdHeader].ToString();

    /// <summary>Idempotent; <see cref="To"/> does it.</summary>
    public static void AssignRequestId(HttpContext context)
    {
        if (!context.Response.Headers.ContainsKey(RequestIdHeader))
            context.Response.Headers[RequestIdHeader] = Process + Interlocked.Increment(ref requests).ToString("x8");
    }

    /// <summary>What to tell the client about an exception; null for those that are faults of the app, or nobody waits any more.</summary>
    public static Problem? ProblemOf(Exception exception, CancellationToken aborted) => exception switch
    {
        ProblemException refused => refused.Problem,
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } tooLarge => new(ProblemType.RequestTooLarge, tooLarge.Message),
        BadHttpRequestException malformed => new(ProblemType.NotJson, malformed.Message),
        _ => IsStorageFailure(exception, aborted) ? StorageUnavailable : null,
    };

    // Azure.Core throws RequestFailedException with status 0 where no connection was possible, an AggregateException of these when
    // all its retries failed, and TaskCanceledException where its own network time-out passed. 408 and 429 are "busy" as 503 is.
    private static bool IsStorageFailure(Exception exception, CancellationToken aborted) => exception switch
    {
        RequestFailedException failed => failed.Status is 0 or 408 or 429 or >= 500,
        AggregateException several => several.InnerExceptions.Count > 0 && several.InnerExceptions.All(e => IsStorageFailure(e, aborted)),
        AuthenticationFailedException => true,
        OperationCanceledException => !aborted.IsCancellationRequested,
        _ => false,
    };
}
