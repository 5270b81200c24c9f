using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Sources;
using FsCheck;
using FsCheck.Fluent;

namespace Cdp.Tests.Collect;

/// <summary>What a source's rules leave out of its events.</summary>
public sealed class FieldRuleTests
{
    private const string Front = """{"type":"track","messageId":"m1","sourceId":"web","timestamp":"2026-01-02T03:04:05.678Z","receivedAt":"2026-01-02T03:04:05.678Z","event":"e","userId":"u",""";

    [Theory]
    [InlineData("properties.a", """{"a":1,"b":2,"c":3}""", """{"b":2,"c":3}""")]
    [InlineData("properties.b", """{"a":1,"b":2,"c":3}""", """{"a":1,"c":3}""")]
    [InlineData("properties.c", """{"a":1,"b":2,"c":3}""", """{"a":1,"b":2}""")]
    [InlineData("properties.a properties.b", """{"a":1,"b":2,"c":3}""", """{"c":3}""")]
    [InlineData("properties.b properties.c", """{"a":1,"b":2,"c":3}""", """{"a":1}""")]
    [InlineData("properties.a properties.c", """{"a":1,"b":2,"c":3}""", """{"b":2}""")]
    [InlineData("properties.a properties.b properties.c", """{"a":1,"b":2,"c":3}""", "{}")]
    [InlineData("properties.a", """{ "a" : { "x" : [1,{}] } , "b" : 2 }""", """{"b" : 2 }""")]
    [InlineData("properties.b", """{ "a" : 1 , "b" : 2 }""", """{ "a" : 1 }""")]
    [InlineData("properties.card.number", """{"card":{"number":"4111","type":"visa"},"number":7}""", """{"card":{"type":"visa"},"number":7}""")]
    [InlineData("properties.a properties.card.number", """{"a":1,"card":{"number":"4111"}}""", """{"card":{}}""")]
    [InlineData("properties.card properties.card.number", """{"card":{"number":"4111"},"b":2}""", """{"b":2}""")]
    [InlineData("properties.card.number properties.card", """{"card":{"number":"4111"},"b":2}""", """{"b":2}""")]
    [InlineData("properties.é", """{"\u00e9":1,"e":2}""", """{"e":2}""")]
    [InlineData("properties.\"", """{"\"":1,"e":2}""", """{"e":2}""")]
    [InlineData("properties.A", """{"a":1}""", """{"a":1}""")]
    [InlineData("properties.a.b", """{"a":1}""", """{"a":1}""")]
    [InlineData("properties.a.b", """{"a":[{"b":1}],"a.b":2}""", """{"a":[{"b":1}],"a.b":2}""")]
    [InlineData("a", """{"a":1}""", """{"a":1}""")]
    public async Task Named_members_are_left_out_and_all_else_stays_byte_for_byte(string paths, string properties, string expected)
    {
        var stored = await StoreAsync(paths, $$"""{"event":"e","userId":"u","messageId":"m1","properties":{{properties}},"z":[ 1 ]}""");
        Assert.Equal($$"""{{Front}}"properties":{{expected}},"z":[ 1 ]}""", stored);
    }

    [Fact]
    public async Task A_member_of_the_root_is_left_out_whole()
    {
        var stored = await StoreAsync("properties z", """{"event":"e","userId":"u","messageId":"m1","properties":{"a":1},"y":2,"z":[1]}""");
        Assert.Equal(Front + "\"y\":2}", stored);
    }

    [Theory]
    [InlineData("context.ip", "", """{"userAgent":"UA"}""")]
    [InlineData("context.userAgent", "", """{"ip":"1.2.3.4"}""")]
    [InlineData("context.ip context.userAgent", "", null)]
    [InlineData("context", "", null)]
    [InlineData("context.ip context.userAgent", ",\"context\":{\"ip\":\"9.9.9.9\"}", "{}")]
    [InlineData("context.ip", ",\"context\":{\"\\u0069p\":\"9.9.9.9\",\"page\":1}", """{"page":1,"userAgent":"UA"}""")]
    [InlineData("context.userAgentData", ",\"context\":{\"userAgentData\":{\"mobile\":true}}", """{"ip":"1.2.3.4","userAgent":"UA"}""")]
    public async Task What_the_server_would_add_is_left_out_too(string paths, string member, string? context)
    {
        var stored = JsonDocument.Parse(await StoreAsync(paths, $$"""{"event":"e","userId":"u"{{member}}}""", address: "1.2.3.4", userAgent: "UA")).RootElement;
        Assert.Equal(context, stored.TryGetProperty("context", out var value) ? value.GetRawText() : null);
    }

    [Fact]
    public async Task They_hold_for_each_event_of_a_batch_and_for_what_the_batch_says_of_all()
    {
        var harness = Harness("context.ip context.traits integrations");
        await harness.CollectAsync(
            """{"context":{"ip":"7.7.7.7","app":1},"integrations":{"All":true},"batch":[{"type":"page","userId":"a"},{"type":"page","userId":"b","context":{"traits":{"x":1},"ip":"8"}}]}""",
            null, address: "1.2.3.4");
        var stored = (await harness.StoredAsync()).ConvertAll(e => JsonDocument.Parse(e).RootElement);
        Assert.Equal(["""{"app":1}""", """{"app":1}"""], stored.Select(e => e.GetProperty("context").GetRawText()));
        Assert.DoesNotContain(stored, e => e.TryGetProperty("integrations", out _));
    }

    [Fact]
    public async Task What_is_left_out_identifies_nobody()
    {
        const string Body = """{"traits":{"email":"ann@shop.example","plan":"pro"}}""";
        var refused = await Assert.ThrowsAsync<ProblemException>(() => Harness("traits.email").CollectAsync(Body, EventType.Identify));
        Assert.Equal(ProblemType.NoIdentity, refused.Problem.Type);
        Assert.Contains("\"traits\":{\"plan\":\"pro\"}", await StoreAsync("traits.email", Body.Replace("{\"traits", "{\"userId\":\"u\",\"traits", StringComparison.Ordinal), EventType.Identify), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("context.ip", null)]
    [InlineData("properties.event", null)]
    [InlineData("originalTimestamp", null)]
    [InlineData("type", "type cannot be dropped")]
    [InlineData("messageId", "messageId cannot be dropped")]
    [InlineData("sourceId", "sourceId cannot be dropped")]
    [InlineData("timestamp", "timestamp cannot be dropped")]
    [InlineData("receivedAt", "receivedAt cannot be dropped")]
    [InlineData("userId", "userId cannot be dropped")]
    [InlineData("anonymousId", "anonymousId cannot be dropped")]
    [InlineData("groupId", "groupId cannot be dropped")]
    [InlineData("previousId", "previousId cannot be dropped")]
    [InlineData("event.name", "event cannot be dropped")]
    [InlineData("", "not member names joined by dots")]
    [InlineData("context..ip", "not member names joined by dots")]
    [InlineData("context.", "not member names joined by dots")]
    public void A_path_is_of_names_that_can_be_dropped(string path, string? refusal) => Assert.Equal(refusal, FieldRule.Refusal(path));

    [Fact]
    public void A_source_has_at_most_50_rules_of_200_characters()
    {
        Assert.Equal(50, SourceDocument.Read("web", Rules(50, 200), null, default).FieldRules!.Count);
        Assert.Equal("fieldRules", RefusedAt(Rules(51, 3)));
        Assert.Equal("fieldRules[0].path", RefusedAt(Rules(1, 201)));

        static JsonElement Rules(int count, int length) => JsonSerializer.SerializeToElement(
            new { fieldRules = Enumerable.Range(0, count).Select(i => new { path = i.ToString("d2") + new string('x', length - 2), action = "drop" }) });
        static string RefusedAt(JsonElement json) =>
            Assert.Single(Assert.Throws<ProblemException>(() => SourceDocument.Read("web", json, null, default)).Problem.Errors!).Path;
    }

    [Theory]
    [InlineData("""{"requireConsent":[]}""", "requireConsent")]
    public void What_would_have_no_effect_is_refused(string json, string path)
    {
        var error = Assert.Single(Assert.Throws<ProblemException>(() => SourceDocument.Read("web", JsonSerializer.Deserialize<JsonElement>(json), null, default)).Problem.Errors!);
        Assert.Equal(new ProblemError(path, "not supported: it would have no effect; leave it out or send null"), error);
    }

    [Fact]
    public void Whatever_is_sent_what_is_stored_is_that_without_the_named_members() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            var random = new Random(seed);
            // A lone surrogate has no value to compare.
            var text = RandomJson.Event(random, newLines: true).Text
                .Replace("\\ud800", "x", StringComparison.Ordinal).Replace("\\uDC00", "y", StringComparison.Ordinal);
            var paths = Enumerable.Range(0, random.Next(1, 8))
                .Select(_ => string.Join('.', [new[] { "properties", "traits", "n1", "n2", "n3" }[random.Next(5)], .. Enumerable.Range(0, random.Next(4)).Select(_ => $"k{random.Next(5)}")]))
                .ToList();
            var expected = JsonNode.Parse(text)!.AsObject();
            foreach (var path in paths)
                Remove(expected, path.Split('.'));
            var stored = JsonNode.Parse(StoreAsync(string.Join(' ', paths), text).GetAwaiter().GetResult())!.AsObject();
            foreach (var name in new[] { "type", "messageId", "sourceId", "timestamp", "receivedAt" })
                stored.Remove(name);
            return JsonNode.DeepEquals(expected, stored);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    private static void Remove(JsonObject from, ReadOnlySpan<string> path)
    {
        if (path.Length == 1)
            from.Remove(path[0]);
        else if (from[path[0]] is JsonObject inner)
            Remove(inner, path[1..]);
    }

    private static CollectorHarness Harness(string paths) => new(new Source(
        "web", "Shop", "http", true, [new WriteKey(CollectorHarness.Key, DateTimeOffset.UnixEpoch, true)], FieldRules: [.. paths.Split(' ').Select(path => new FieldRule(path))]));

    private static async Task<string> StoreAsync(string paths, string body, EventType type = EventType.Track, string? address = null, string? userAgent = null)
    {
        var harness = Harness(paths);
        await harness.CollectAsync(body, type, address: address, userAgent: userAgent);
        var stored = Assert.Single(await harness.StoredAsync());
        Event.Parse(Encoding.UTF8.GetBytes(stored));
        return stored;
    }
}
