using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cdp.ComputedTraits;
using Cdp.Segments;
using Cdp.Segments.Language;

namespace Cdp.Tests.Segments;

/// <summary>The JSON Schema and the parser describe the same language.</summary>
public sealed class SchemaTests
{
    private static readonly JsonElement Schema = JsonDocument.Parse(SegmentResources.Schema).RootElement;
    private static readonly JsonSchemaSubset Validator = new(Schema);

    [Fact]
    public void Members_AreThoseOfTheParser_BothWays()
    {
        foreach (var kind in Grammar.Kinds)
            Same(Grammar.Conditions[kind], Members(kind));
        Same(Grammar.Kinds, Schema.GetProperty("$defs").GetProperty("condition").GetProperty("oneOf").EnumerateArray().Select(r => r.GetProperty("$ref").GetString()![8..]));
        Same(Grammar.Step, Members("step"));
        Same(Grammar.Absence, Members("absence"));
        Same(Grammar.FilterOperators, Members("filter"));
        Same(Grammar.NumericOperators, Members("numeric"));
        Same(Grammar.Between, Members("between"));
        Same(Grammar.On, Members("on"));
        Same(Grammar.Hours, Members("hours"));
        Same(Grammar.Export, Members("export"));
        Same(Grammar.Backfill, Members("backfill"));
        Same([.. Grammar.ComputedTrait, .. Grammar.ServerMembers], Members("computedTrait"));
        Same([.. Grammar.Segment, .. Grammar.ServerMembers], Schema.GetProperty("properties").EnumerateObject().Select(p => p.Name));
        Same(ComputedTraitDefinition.ComputationNames, Choices("computedTrait", "compute"));
        Same(Grammar.ExportFormats, Choices("export", "format"));
        Same(Grammar.ExportModes, Choices("export", "mode"));
        Same(Grammar.ExportCompressions, Choices("export", "compression"));
    }

    [Fact]
    public void RandomDefinitions_AreValidForBoth()
    {
        const int seed = 11;
        var random = new Random(seed);
        for (var i = 0; i < 1_000; i++)
        {
            var generate = new RandomDefinitions(random);
            Both(generate.Segment("s", ["t"], ["c"]), valid: true);
            Both(generate.Computed("c"), valid: true, "computedTrait");
        }
    }

    /// <summary>A member is added, renamed, taken away or given another value somewhere: what the one refuses the other refuses too.</summary>
    [Fact]
    public void ChangedDefinitions_AreJudgedAlike()
    {
        const int seed = 12;
        var random = new Random(seed);
        var refused = 0;
        for (var i = 0; i < 3_000; i++)
        {
            var node = JsonNode.Parse(new RandomDefinitions(random).Segment("s", ["t"], ["c"]))!;
            Change(node, random);
            refused += Both(node.ToJsonString()) ? 0 : 1;
        }

        Assert.InRange(refused, 1_000, 2_999);
    }

    [Fact]
    public void Templates_AreValid_AndEveryOneIsWhatItSays()
    {
        Assert.Equal(8, SegmentResources.Templates.Count);
        foreach (var template in SegmentResources.Templates)
            Both(Encoding.UTF8.GetString(template.Json.Span), valid: true);
        Assert.Empty(SegmentReferences.Check([.. SegmentResources.Templates.Select(t => t.Definition)]));
    }

    private static void Change(JsonNode root, Random random)
    {
        var objects = new List<JsonObject>();
        Collect(root["where"], objects);
        var at = objects[random.Next(objects.Count)];
        var name = at.Count == 0 ? "x" : at.ElementAt(random.Next(at.Count)).Key;
        JsonNode value = random.Next(6) switch { 0 => "x", 1 => 5, 2 => true, 3 => new JsonObject(), 4 => new JsonArray(), _ => "1d" };
        switch (random.Next(3))
        {
            case 0:
                at["unknown"] = value;
                break;
            case 1:
                at.Remove(name);
                break;
            default:
                at[name] = value;
                break;
        }
    }

    private static void Collect(JsonNode? node, List<JsonObject> objects)
    {
        if (node is JsonObject json)
        {
            objects.Add(json);
            foreach (var (_, member) in json)
                Collect(member, objects);
        }
        else if (node is JsonArray list)
        {
            foreach (var item in list)
                Collect(item, objects);
        }
    }

    private static bool Both(string json, bool? valid = null, string? definition = null)
    {
        using var document = JsonDocument.Parse(json);
        var bySchema = definition is null ? Validator.IsValid(document.RootElement) : Validator.IsValid(document.RootElement, definition);
        var bytes = Encoding.UTF8.GetBytes(json);
        var errors = definition is null ? SegmentDefinition.Parse(bytes).Errors : ComputedTraitDefinition.Parse(bytes).Errors;
        // What a schema cannot say: that a window ends after it begins, an absence before it expires, and which time zones there are.
        var byParser = errors.All(e => e.Reason is "ends before it begins" || e.Reason.StartsWith("contradicts within: it ends", StringComparison.Ordinal)
            || e.Reason.Contains("is not an IANA time zone", StringComparison.Ordinal));
        Assert.True(bySchema == byParser, $"schema {bySchema}, parser {byParser} ({string.Join("; ", errors)}): {json}");
        if (valid is not null)
            Assert.Equal(valid, byParser);
        return byParser;
    }

    private static IEnumerable<string> Members(string definition) =>
        Schema.GetProperty("$defs").GetProperty(definition).GetProperty("properties").EnumerateObject().Select(p => p.Name);

    private static IEnumerable<string?> Choices(string definition, string member) =>
        Schema.GetProperty("$defs").GetProperty(definition).GetProperty("properties").GetProperty(member).GetProperty("enum").EnumerateArray().Select(c => c.GetString());

    private static void Same(IEnumerable<string> parser, IEnumerable<string?> schema) => Assert.Equal(parser.Order(StringComparer.Ordinal), schema.Order(StringComparer.Ordinal));
}
