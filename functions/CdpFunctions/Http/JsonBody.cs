using System.Text.Json;
using Cdp.Problems;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>The JSON object in the body of a call that is not a collector's.</summary>
public static class JsonBody
{
    private const int MostBytes = 256 * 1024;

    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false };

    /// <exception cref="ProblemException">not-json, not-an-object, or what <see cref="RequestBody"/> refuses.</exception>
    public static async Task<JsonElement> ReadObjectAsync(HttpRequest request)
    {
        using var body = await RequestBody.ReadAsync(request, MostBytes);
        try
        {
            using var document = JsonDocument.Parse(body.Memory, Options);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document.RootElement.Clone()
                : throw new ProblemException(ProblemType.NotAnObject, "The body has to be a JSON object.");
        }
        catch (JsonException exception)
        {
            throw new ProblemException(ProblemType.NotJson, exception.Message);
        }
    }
}
