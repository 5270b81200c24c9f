using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Cdp.Problems;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>A problem document (RFC 9457) with the members type, title, status, detail, errors, requestId.</summary>
/// <remarks>
/// A refusal that says when to come back carries <c>Retry-After</c>; a 429 also <c>x-ratelimit-reset</c>, which is what
/// analytics.js before 1.84 reads. Both in seconds.
/// </remarks>
public sealed class ProblemResult(Problem problem) : IResult
{
    public Problem Problem { get; } = problem;

    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        Answer.AssignRequestId(httpContext);
        var response = httpContext.Response;
        response.StatusCode = Problem.Type.Status;
        response.ContentType = "application/problem+json";
        if (Problem.RetryAfterSeconds is { } seconds)
        {
            response.Headers.RetryAfter = seconds.ToString();
            if (Problem.Type.Status == StatusCodes.Status429TooManyRequests)
                response.Headers["x-ratelimit-reset"] = seconds.ToString();
        }

        var buffer = new ArrayBufferWriter<byte>(512);
        Write(buffer, Answer.RequestId(httpContext));
        response.ContentLength = buffer.WrittenCount;
        await response.Body.WriteAsync(buffer.WrittenMemory, httpContext.RequestAborted);
    }

    private void Write(ArrayBufferWriter<byte> buffer, string requestId)
    {
        using var json = new Utf8JsonWriter(buffer, Options);
        json.WriteStartObject();
        json.WriteString("type"u8, Problem.Type.Uri);
        json.WriteString("title"u8, Problem.Type.Title);
        json.WriteNumber("status"u8, Problem.Type.Status);
        json.WriteString("detail"u8, Problem.Detail);
        if (Problem.Errors is { Count: > 0 } errors)
        {
            json.WriteStartArray("errors"u8);
            foreach (var error in errors)
            {
                json.WriteStartObject();
                json.WriteString("path"u8, error.Path);
                json.WriteString("reason"u8, error.Reason);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteString("requestId"u8, requestId);
        json.WriteEndObject();
    }
}
