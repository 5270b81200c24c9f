using System.Collections.Frozen;
using System.Text.Json;
using Cdp.Webhooks.Mapping;

namespace Cdp.Webhooks;

/// <summary>Mappings that come with the app, for what well-known systems send; and the JSON Schema of mappings.</summary>
public static class WebhookPresets
{
    private const string Folder = "webhooks.";

    // In the order of the documentation.
    private static readonly string[] Order = ["shopify", "stripe", "hubspot", "salesforce", "pipedrive", "receipt", "sendgrid"];

    private static readonly Lazy<byte[]> SchemaText = new(() => Load("mapping.schema.json"));
    private static readonly Lazy<FrozenDictionary<string, WebhookPreset>> All = new(ReadAll);

    public static ReadOnlyMemory<byte> Schema => SchemaText.Value;

    public static IReadOnlyList<string> Names => Order;

    public static IEnumerable<WebhookPreset> List => Order.Select(name => All.Value[name]);

    internal static IReadOnlyList<MappingRule>? Find(string name) => All.Value.GetValueOrDefault(name)?.Rules;

    private static FrozenDictionary<string, WebhookPreset> ReadAll() => Order.ToFrozenDictionary(name => name, Read, StringComparer.Ordinal);

    private static WebhookPreset Read(string name)
    {
        using var document = JsonDocument.Parse(Load(name + ".json"));
        var json = document.RootElement;
        var reader = new MappingReader();
        var mapping = json.GetProperty("mapping");
        var compiled = CompiledMapping.Compile(mapping, "mapping", reader, static _ => null)
            ?? throw new InvalidDataException($"The preset {name} is invalid: {string.Join("; ", reader.Errors)}");
        return new WebhookPreset(name, json.GetProperty("title").GetString()!, json.GetRawText(), compiled.Rules);
    }

    private static byte[] Load(string name)
    {
        using var stream = typeof(WebhookPresets).Assembly.GetManifestResourceStream(Folder + name)!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}

/// <summary>A mapping for what one system sends.</summary>
public sealed class WebhookPreset
{
    internal WebhookPreset(string name, string title, string json, IReadOnlyList<MappingRule> rules)
    {
        Name = name;
        Title = title;
        Json = json;
        Rules = rules;
    }

    public string Name { get; }

    public string Title { get; }

    /// <summary>As it is written: title, usual signature, identifier types that it uses, mapping.</summary>
    public string Json { get; }

    internal IReadOnlyList<MappingRule> Rules { get; }
}
