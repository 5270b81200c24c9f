using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cdp.Problems;
using Cdp.Secrets;
using Cdp.Sources;
using Cdp.Tests.Collect;
using Cdp.Webhooks;
using FsCheck;
using FsCheck.Fluent;
using static Cdp.Tests.Webhooks.Fixtures;

namespace Cdp.Tests.Webhooks;

/// <summary>Providers change what they send, and anybody can send anything: it becomes events, or is refused, and never breaks.</summary>
public sealed class PresetProperties
{
    private static readonly string[] Files = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Payloads"), "*.json").Order(StringComparer.Ordinal).ToArray();

    private static readonly string[] Odd = ["null", "\"\"", "\"HALF\"", "0", "-1.50", "1e400", "true", "[]", "{}", "[1,[2]]", "{\"value\":{\"value\":1}}", "\"2026-13-45\"", "99999999999999999999"];

    [Fact]
    public void Payload_WithAnyPartReplaced_IsTakenOrRefused_AndSentAgainIsTheSame() => Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
    {
        var random = new Random(seed);
        var file = Files[random.Next(Files.Length)];
        var preset = WebhookPresets.Names[random.Next(3) == 0 ? random.Next(WebhookPresets.Names.Count) : IndexOf(file)];
        var payload = Mutated(File.ReadAllText(file), random);
        var mapping = $$"""{"preset":"{{preset}}"}""";
        var events = Apply(mapping, payload);
        Assert.Equal(events.Select(e => Encoding.UTF8.GetString(e.Json)), Apply(mapping, payload).Select(e => Encoding.UTF8.GetString(e.Json)));
        foreach (var made in events)
        {
            if (made.Refused is null)
                Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(made.Json).RootElement.ValueKind);
        }

        var source = new Source("web", "Shop", "webhook", true, [], Mapping: Mapping(mapping), Signature: new WebhookSignature(WebhookSignature.Bearer, new StoredSecret("t", null, default)));
        var harness = new CollectorHarness(source);
        var receiver = new WebhookReceiver(new SourceRegistry(new SourceStore(harness.Rows), harness.Time), harness.Collector, new SecretSettings(static _ => null), harness.Time);
        var call = new WebhookCall("web", "POST", "https://cdp.example/", Encoding.UTF8.GetBytes(payload), new Dictionary<string, string>(), "Bearer t");
        try
        {
            var collected = receiver.ReceiveAsync(call, default).GetAwaiter().GetResult();
            Assert.Equal(events.Count, collected.Accepted + collected.Rejected.Count);
            Assert.Equal(collected.Accepted, harness.StoredAsync().GetAwaiter().GetResult().Count);
        }
        catch (ProblemException exception)
        {
            Assert.InRange(exception.Problem.Type.Status, 400, 422);
        }
    }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("""{"a":{"\ud800":1}}""")]
    [InlineData("""{"a":{"x":1,"\ud800":1}}""")]
    [InlineData("""{"\ud800":{"x":1}}""")]
    [InlineData("""{"a":{"x":"\ud800"}}""")]
    public void HalfOfASurrogatePair_NeverBreaks(string payload)
    {
        try
        {
            var made = Assert.Single(Apply("""{"events":[{"event":"E","properties":{"*":"$.a","{{a.x?}}_":1}}]}""", payload));
            Assert.True(made.Refused is not null || JsonDocument.Parse(made.Json).RootElement.ValueKind == JsonValueKind.Object);
        }
        catch (ProblemException exception)
        {
            Assert.Equal(ProblemType.NotJson, exception.Problem.Type);
        }
    }

    private static int IndexOf(string file) =>
        WebhookPresets.Names.Select((name, index) => (name, index)).First(pair => Path.GetFileName(file).StartsWith(pair.name, StringComparison.Ordinal)).index;

    private static string Mutated(string json, Random random)
    {
        var root = JsonNode.Parse(json)!;
        for (var i = random.Next(4); i >= 0; i--)
        {
            var leaves = new List<(JsonNode Parent, string? Name, int Index)>();
            Collect(root, leaves);
            if (leaves.Count == 0)
                break;
            var (parent, name, index) = leaves[random.Next(leaves.Count)];
            var odd = JsonNode.Parse(Odd[random.Next(Odd.Length)]);
            if (name is null)
                parent[index] = odd;
            else if (random.Next(4) == 0)
                parent.AsObject().Remove(name);
            else
                parent[name] = odd;
        }

        // No writer writes half of a surrogate pair.
        return root.ToJsonString().Replace("HALF", "\\ud800", StringComparison.Ordinal);
    }

    private static void Collect(JsonNode node, List<(JsonNode Parent, string? Name, int Index)> leaves)
    {
        if (node is JsonObject members)
        {
            foreach (var (name, value) in members)
            {
                leaves.Add((node, name, 0));
                if (value is not null)
                    Collect(value, leaves);
            }
        }
        else if (node is JsonArray items)
        {
            for (var i = 0; i < items.Count; i++)
            {
                leaves.Add((node, null, i));
                if (items[i] is { } item)
                    Collect(item, leaves);
            }
        }
    }
}
