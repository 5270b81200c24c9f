using System.Text.Json;
using Cdp.Problems;
using Cdp.Segments.Definitions;

namespace CdpFunctions.Http;

/// <summary>The definition in a body, under the id in the path.</summary>
public static class DefinitionBody
{
    /// <exception cref="ProblemException">segment-invalid where the body has another id, or a text that is none.</exception>
    public static JsonElement Of(JsonElement body, string id)
    {
        try
        {
            if (body.TryGetProperty("id", out var stated) && (stated.ValueKind != JsonValueKind.String || stated.GetString() != id))
                throw Invalid("id", "is another one than in the path");
            return DefinitionWriter.Normalise(body, id);
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException)
        {
            throw Invalid("", "has a text that is not Unicode");
        }
    }

    private static ProblemException Invalid(string path, string reason) =>
        new(new Problem(ProblemType.SegmentInvalid, $"The definition {path} {reason}.", [new ProblemError(path, reason)]));
}
