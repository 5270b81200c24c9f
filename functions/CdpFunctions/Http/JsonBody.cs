using System.Text.Json;
using System.Text.Unicode;
using Cdp.Problems;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>The JSON object in the body of a call that is not a collector's.</summary>
public static class JsonBody
{
    private const int MostBytes = 256 * 1024;

    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false };

    /// <exception cref="ProblemException">not-json, not-an-object, or what <see cref="RequestBody"/> refuses.</exception>
    public static async Task<JsonElement> ReadObjectAsync(HttpRequest request, int mostBytes = MostBytes)
    {
        using var body = await RequestBody.ReadAsync(request, mostBytes);
        if (!Utf8.IsValid(body.Memory.Span))
            throw new ProblemException(ProblemType.NotJson, "The body is not UTF-8.");
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
        catch (InvalidOperationException)
        {
            // Names are compared while parsing; a lone surrogate is no text that could be.
            throw new ProblemException(ProblemType.InvalidField, "The body has a name with half of a surrogate pair.");
        }
    }
}
