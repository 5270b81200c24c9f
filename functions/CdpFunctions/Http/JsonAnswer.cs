using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>
/// A JSON answer, written whole before anything is sent, so that what goes wrong while writing can still become a problem document.
/// Not to be cached: it is about persons, or about now.
/// </summary>
public sealed class JsonAnswer : IResult
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = 1000, SkipValidation = false };

    private readonly ArrayBufferWriter<byte> body = new();
    private readonly int status;

    private JsonAnswer(int status) => this.status = status;

    /// <summary>Sent as <c>ETag</c>.</summary>
    public string? ETag { get; init; }

    /// <summary>Where to look for what was asked for.</summary>
    public string? Location { get; init; }

    public static JsonAnswer Of(Action<Utf8JsonWriter> write, int status = StatusCodes.Status200OK, string? etag = null, string? location = null)
    {
        var answer = new JsonAnswer(status) { ETag = etag, Location = location };
        using var json = new Utf8JsonWriter(answer.body, Options);
        write(json);
        json.Flush();
        return answer;
    }

    public static async Task<IResult> OfAsync(Func<Utf8JsonWriter, Task> write)
    {
        var answer = new JsonAnswer(StatusCodes.Status200OK);
        await using var json = new Utf8JsonWriter(answer.body, Options);
        await write(json);
        await json.FlushAsync();
        return answer;
    }

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.StatusCode = status;
        response.ContentType = "application/json";
        response.ContentLength = body.WrittenCount;
        response.Headers.CacheControl = "no-store";
        if (ETag is not null)
            response.Headers.ETag = ETag;
        if (Location is not null)
            response.Headers.Location = Location;
        await response.Body.WriteAsync(body.WrittenMemory, httpContext.RequestAborted);
    }
}
