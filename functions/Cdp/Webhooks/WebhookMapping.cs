using System.Runtime.CompilerServices;
using System.Text.Json;
using Cdp.Collect;
using Cdp.Problems;
using Cdp.Webhooks.Mapping;

namespace Cdp.Webhooks;

/// <summary>How a source's payloads become events, as it was written: JSON that has been checked.</summary>
/// <remarks>Compiled when it is first used, once for each snapshot of the sources.</remarks>
/// <param name="Json">The mapping's text.</param>
public sealed record WebhookMapping(string Json)
{
    private static readonly ConditionalWeakTable<WebhookMapping, CompiledMapping> Compiled = [];

    /// <param name="path">Where the mapping stands in the request, such as <c>mapping</c>.</param>
    /// <exception cref="ProblemException">mapping-invalid, with everything that is wrong.</exception>
    public static WebhookMapping Read(JsonElement json, string path)
    {
        var mapping = new WebhookMapping(json.GetRawText());
        Compiled.Add(mapping, CompiledMapping.Compile(json, path));
        return mapping;
    }

    public override string ToString() => $"mapping of {Json.Length} characters";

    /// <exception cref="ProblemException">mapping-invalid: an older version of the app took what this one does not.</exception>
    internal CompiledMapping Compile() => Compiled.GetValue(this, static mapping =>
    {
        using var document = JsonDocument.Parse(mapping.Json);
        return CompiledMapping.Compile(document.RootElement, "mapping");
    });
}

/// <summary>A mapping, ready to be applied. Immutable.</summary>
internal sealed class CompiledMapping
{
    private readonly IReadOnlyList<MappingRule> rules;

    private CompiledMapping(IReadOnlyList<MappingRule> rules) => this.rules = rules;

    public IReadOnlyList<MappingRule> Rules => rules;

    /// <exception cref="ProblemException">mapping-invalid</exception>
    public static CompiledMapping Compile(JsonElement json, string path)
    {
        var reader = new MappingReader();
        var compiled = Compile(json, path, reader, WebhookPresets.Find);
        if (reader.Errors.Count == 0)
            return compiled!;
        var text = string.Join("; ", reader.Errors.Select(error => $"{error.Path}: {error.Reason}"));
        throw new ProblemException(new Problem(ProblemType.MappingInvalid, $"The mapping cannot be taken. {text}.", reader.Errors));
    }

    /// <summary>Null where it cannot be compiled; the reader has the reasons.</summary>
    /// <param name="presets">The rules of a preset; null where there is none of the name.</param>
    public static CompiledMapping? Compile(JsonElement json, string path, MappingReader reader, Func<string, IReadOnlyList<MappingRule>?> presets)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            reader.Refuse(path, "not-an-object");
            return null;
        }

        if (json.GetRawText().Length > WebhookLimits.MappingBytes)
        {
            reader.Refuse(path, $"larger than {WebhookLimits.MappingBytes:N0} characters");
            return null;
        }

        string? preset = null;
        IReadOnlyList<MappingRule> inherited = [];
        List<string> without = [];
        var own = new List<MappingRule>();
        foreach (var member in json.EnumerateObject())
        {
            var at = path + "." + member.Name;
            switch (member.Name)
            {
                case "preset":
                    preset = reader.Text(member.Value, at, blank: false);
                    if (preset is not null && presets(preset) is { } found)
                        inherited = found;
                    else if (preset is not null)
                        reader.Refuse(at, "none of " + string.Join(", ", WebhookPresets.Names));
                    break;
                case "without":
                    without = reader.Texts(member.Value, at);
                    break;
                case "events":
                    ReadRules(member.Value, at, reader, own);
                    break;
                default:
                    reader.Refuse(at, "unknown");
                    break;
            }
        }

        if (preset is null && own.Count == 0)
            reader.Refuse(path + ".events", "missing: a mapping has a preset, or at least one event");
        return reader.Errors.Count > 0 ? null : Combine(inherited, without, own, path, reader);
    }

    /// <summary>Makes the events of one payload.</summary>
    /// <param name="raw">The payload's text.</param>
    /// <param name="skipped">Filled with the rules that gave nothing; null where nobody asks.</param>
    /// <exception cref="ProblemException">request-too-large: they are too many, or too large together.</exception>
    public List<MappedEvent> Apply(JsonElement payload, ReadOnlySpan<byte> raw, IReadOnlyDictionary<string, string> headers, List<SkippedRule>? skipped = null)
    {
        var scope = new MappingScope(payload, headers);
        var events = new List<MappedEvent>();
        try
        {
            foreach (var rule in rules)
            {
                if (!rule.Apply(scope, raw, events, skipped, CollectLimits.BatchEvents))
                    throw new ProblemException(ProblemType.RequestTooLarge, $"The mapping makes more than {CollectLimits.BatchEvents:N0} events of this payload.");
            }
        }
        catch (MappedTooLargeException exception)
        {
            throw new ProblemException(ProblemType.RequestTooLarge, exception.Message);
        }

        return events;
    }

    private static void ReadRules(JsonElement json, string path, MappingReader reader, List<MappingRule> rules)
    {
        if (json.ValueKind != JsonValueKind.Array)
        {
            reader.Refuse(path, "not-a-list");
            return;
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        var index = 0;
        foreach (var item in json.EnumerateArray())
        {
            var at = $"{path}[{index}]";
            if (reader.Rule(item, at, index++) is not { } rule)
                continue;
            if (!names.Add(rule.Name))
                reader.Refuse(at + ".name", "listed twice");
            rules.Add(rule);
        }
    }

    /// <summary>The preset's rules but for those that are left out or replaced by one of the same name, then the others.</summary>
    private static CompiledMapping? Combine(IReadOnlyList<MappingRule> inherited, List<string> without, List<MappingRule> own, string path, MappingReader reader)
    {
        var combined = new List<MappingRule>();
        foreach (var rule in inherited)
        {
            if (!without.Contains(rule.Name))
                combined.Add(own.Find(mine => mine.Name == rule.Name) ?? rule);
        }

        for (var i = 0; i < without.Count; i++)
        {
            if (!inherited.Any(rule => rule.Name == without[i]))
                reader.Refuse($"{path}.without[{i}]", "no event of the preset; there are " + string.Join(", ", inherited.Select(rule => rule.Name)));
        }

        combined.AddRange(own.Where(mine => !combined.Contains(mine)));
        if (combined.Count > WebhookLimits.Rules)
            reader.Refuse(path + ".events", $"more than {WebhookLimits.Rules} with those of the preset");
        return reader.Errors.Count > 0 ? null : new CompiledMapping(combined);
    }
}
