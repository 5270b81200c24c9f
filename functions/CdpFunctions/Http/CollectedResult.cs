using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Cdp.Collect;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>The answer to a call that was taken: <c>{"success":true}</c>, for a batch with what was accepted and rejected.</summary>
public sealed class CollectedResult : IResult
{
    /// <summary>To a single call.</summary>
    public static readonly CollectedResult Success = new("{\"success\":true}"u8.ToArray());

    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly ReadOnlyMemory<byte> text;

    private CollectedResult(ReadOnlyMemory<byte> text) => this.text = text;

    public static CollectedResult Of(Collected collected)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            json.WriteBoolean("success"u8, true);
            json.WriteNumber("accepted"u8, collected.Accepted);
            json.WriteStartArray("rejected"u8);
            foreach (var rejection in collected.Rejected)
            {
                json.WriteStartObject();
                json.WriteNumber("index"u8, rejection.Index);
                if (rejection.MessageId is not null)
                    json.WriteString("messageId"u8, rejection.MessageId);
                json.WriteString("type"u8, rejection.Type.Uri);
                json.WriteString("detail"u8, rejection.Detail);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return new CollectedResult(buffer.WrittenMemory);
    }

    public Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.ContentType = "application/json";
        response.ContentLength = text.Length;
        return response.Body.WriteAsync(text, httpContext.RequestAborted).AsTask();
    }
}
