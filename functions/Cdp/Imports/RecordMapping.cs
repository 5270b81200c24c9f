using System.Text.Json;
using Cdp.Collect;
using Cdp.Problems;
using Cdp.Webhooks;

namespace Cdp.Imports;

/// <summary>How records become events where they are none by themselves: by a mapping as webhooks have it.</summary>
internal sealed class RecordMapping
{
    private static readonly Dictionary<string, string> NoHeaders = [];

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = WebhookLimits.Depth, AllowDuplicateProperties = false };

    private readonly CompiledMapping mapping;

    private RecordMapping(CompiledMapping mapping) => this.mapping = mapping;

    /// <exception cref="ProblemException">mapping-invalid, with everything that is wrong.</exception>
    public static void Check(JsonElement json) => CompiledMapping.Compile(json, "mapping");

    /// <exception cref="ProblemException">mapping-invalid: an older version of the app took what this one does not.</exception>
    public static RecordMapping Read(string text)
    {
        using var json = JsonDocument.Parse(text);
        return new RecordMapping(CompiledMapping.Compile(json.RootElement, "mapping"));
    }

    /// <summary>Adds the events of a record; none where no rule is about it.</summary>
    /// <param name="record">A JSON object.</param>
    public Refused? Apply(ReadOnlyMemory<byte> record, ImportBatch batch)
    {
        try
        {
            using var json = JsonDocument.Parse(record, Options);
            var events = mapping.Apply(json.RootElement, record.Span, NoHeaders);
            if (events.Count > ImportLimits.RecordEvents)
                return new Refused(ProblemType.RequestTooLarge, $"The mapping makes more than {ImportLimits.RecordEvents:N0} events of it.", "");
            foreach (var made in events)
            {
                if (made.Refused is { } refused)
                    batch.Refuse(refused);
                else
                    batch.Add(made.Json);
            }

            return null;
        }
        catch (JsonException exception)
        {
            return new Refused(ProblemType.NotJson, "It is JSON that cannot be taken: " + exception.Message, "");
        }
        catch (InvalidOperationException)
        {
            // Names are compared while parsing; a lone surrogate is no text that could be.
            return new Refused(ProblemType.NotJson, "It has a name with half of a surrogate pair.", "");
        }
        catch (ProblemException exception)
        {
            return new Refused(exception.Problem.Type, exception.Problem.Detail, "");
        }
    }
}
