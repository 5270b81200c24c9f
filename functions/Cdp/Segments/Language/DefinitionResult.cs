using System.Text.Json;
using Cdp.Problems;

namespace Cdp.Segments.Language;

/// <summary>A definition, or everything that is wrong with it, up to <see cref="DefinitionLimits.MostErrors"/>.</summary>
public sealed record DefinitionResult<T>(T? Definition, IReadOnlyList<ProblemError> Errors)
    where T : class
{
    /// <summary>Runs a reader over JSON text; what is no JSON at all is an error as well.</summary>
    internal static DefinitionResult<T> Read(ReadOnlyMemory<byte> json, Func<JsonElement, DefinitionReader, T?> parse)
    {
        var read = new DefinitionReader();
        T? definition = null;
        if (json.Length > DefinitionLimits.MostBytes)
        {
            read.Refuse("", $"is larger than {DefinitionLimits.MostBytes} bytes");
        }
        else
        {
            try
            {
                using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 64 });
                definition = parse(document.RootElement, read);
            }
            catch (JsonException exception)
            {
                read.Refuse("", "is not JSON: " + exception.Message);
            }
            catch (InvalidOperationException)
            {
                // A name or a text with a lone surrogate.
                read.Refuse("", "has a text that is not Unicode");
            }
        }

        return new DefinitionResult<T>(read.Errors.Count == 0 ? definition : null, read.Errors);
    }
}
