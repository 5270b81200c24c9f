using System.Text;
using System.Text.Json;
using Cdp.Webhooks;
using Cdp.Webhooks.Mapping;

namespace Cdp.Tests.Webhooks;

/// <summary>Payloads as providers document them, and what mappings make of them.</summary>
internal static class Fixtures
{
    private static readonly Dictionary<string, string> None = [];

    public static string Read(string name) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Payloads", name + ".json"));

    public static WebhookMapping Mapping(string json) => WebhookMapping.Read(JsonDocument.Parse(json).RootElement, "mapping");

    public static List<MappedEvent> Apply(string mapping, string payload, IReadOnlyDictionary<string, string>? headers = null, List<SkippedRule>? skipped = null)
    {
        using var document = WebhookReceiver.Parse(Encoding.UTF8.GetBytes(payload));
        return Mapping(mapping).Compile().Apply(document.RootElement, Encoding.UTF8.GetBytes(payload), headers ?? None, skipped);
    }

    /// <summary>The one event that an event of a mapping makes of a payload, as text.</summary>
    public static string One(string rule, string payload)
    {
        var made = Assert.Single(Apply($$"""{"events":[{{rule}}]}""", payload));
        return made.Refused is { } refused ? refused.Path + ": " + refused.Detail : Encoding.UTF8.GetString(made.Json);
    }

    public static Dictionary<string, string> Headers(params (string Name, string Value)[] headers) =>
        headers.ToDictionary(header => header.Name, header => header.Value, StringComparer.OrdinalIgnoreCase);
}
