using System.Text;
using System.Text.Json;
using Cdp.Problems;
using Cdp.Tests.Segments;
using Cdp.Webhooks;
using Cdp.Webhooks.Mapping;
using static Cdp.Tests.Webhooks.Fixtures;

namespace Cdp.Tests.Webhooks;

public sealed class MappingTests
{
    private const string Payload = """
        {"id":17,"email":"a@b.c","blank":"","nothing":null,"flag":true,"price":"12.50","cents":1299,"currency":"eur","yen":"jpy","unix":1767323045,"millis":1767323045123,
         "mail":"Fri, 02 Jan 2026 03:04:05 +0100","sf":"2026-01-02T03:04:05.000+0000","big":123456789012345678901234567890.10,"odd name":{"x.y":1},
         "list":[{"sku":"A","n":1},{"sku":"B","n":2},{"n":3}],"numbers":[1,2,3],"nested":{"a":1,"b":null,"c":"\ud800"},"status":"paid"}
        """;

    [Theory]
    [InlineData("\"$.email\"", "\"a@b.c\"")]
    [InlineData("\"$['x']\"", null)]
    [InlineData("\"$[\\\"odd name\\\"][\\\"x.y\\\"]\"", "1")]
    [InlineData("\"$.list[0].sku\"", "\"A\"")]
    [InlineData("\"$.list[-1].n\"", "3")]
    [InlineData("\"$.list[7].n\"", null)]
    [InlineData("\"$.numbers\"", "[1,2,3]")]
    [InlineData("\"$.big\"", "123456789012345678901234567890.10")]
    [InlineData("\"$.nothing\"", null)]
    [InlineData("""{"path":"$.nothing","keepNull":true}""", "null")]
    [InlineData("""{"path":"$.absent","default":"none"}""", "\"none\"")]
    [InlineData("\"plain text\"", "\"plain text\"")]
    [InlineData("5.0", "5.0")]
    [InlineData("""{"value":"$.email"}""", "\"$.email\"")]
    [InlineData("""{"value":{"a":[1]}}""", "{\"a\":[1]}")]
    [InlineData("\"Order {{id}} of {{$.email}}\"", "\"Order 17 of a@b.c\"")]
    [InlineData("\"Order {{absent}}\"", null)]
    [InlineData("\"Order {{absent?}}!\"", "\"Order !\"")]
    [InlineData("\"{{price}}/{{flag}}\"", "\"12.50/true\"")]
    [InlineData("""{"first":["$.absent","$.nothing","$.blank","$.email"]}""", "\"a@b.c\"")]
    [InlineData("""["$.id","$.absent","x"]""", "[17,\"x\"]")]
    [InlineData("""{"object":{"a":"$.id","b":"$.absent"}}""", "{\"a\":17}")]
    [InlineData("""{"object":{"b":"$.absent"}}""", null)]
    [InlineData("""{"object":{"a":"x","*":"$.nested"}}""", "{\"a\":\"x\",\"b\":null,\"c\":\"\\ud800\"}")]
    [InlineData("""{"object":{"*":{"path":"$.nested","without":["c","b"]}}}""", "{\"a\":1}")]
    [InlineData("""{"object":{"{{status}}_at":"$.id"}}""", "{\"paid_at\":17}")]
    [InlineData("""{"each":"$.list","item":"@.sku"}""", "[\"A\",\"B\"]")]
    [InlineData("""{"each":"$.list","when":{"path":"@.n","gte":2},"item":{"object":{"n":"@.n","order":"$.id"}}}""", "[{\"n\":2,\"order\":17},{\"n\":3,\"order\":17}]")]
    [InlineData("""{"each":"$.list","when":{"path":"@.n","gt":1},"item":"@.n","take":"first"}""", "2")]
    [InlineData("""{"path":"$.status","map":{"paid":"yes","open":"no"}}""", "\"yes\"")]
    [InlineData("""{"path":"$.email","map":{"paid":"yes"},"otherwise":false}""", "false")]
    [InlineData("""{"path":"$.email","map":{"paid":"yes"}}""", "\"a@b.c\"")]
    [InlineData("""{"path":"$.price","as":"number"}""", "12.50")]
    [InlineData("""{"path":"$.blank","as":"number"}""", null)]
    [InlineData("""{"path":"$.id","as":"text"}""", "\"17\"")]
    [InlineData("""{"path":"$.flag","as":"boolean"}""", "true")]
    [InlineData("""{"path":"$.unix","as":"unix"}""", "\"2026-01-02T03:04:05.000Z\"")]
    [InlineData("""{"path":"$.millis","as":"unix-ms"}""", "\"2026-01-02T03:04:05.123Z\"")]
    [InlineData("""{"path":"$.mail","as":"time"}""", "\"2026-01-02T02:04:05.000Z\"")]
    [InlineData("""{"path":"$.sf","as":"time"}""", "\"2026-01-02T03:04:05.000Z\"")]
    [InlineData("""{"path":"$.cents","as":"money","currency":"$.currency"}""", "12.99")]
    [InlineData("""{"path":"$.cents","as":"money","currency":"$.yen"}""", "1299")]
    [InlineData("""{"path":"$.cents","as":"money","currency":"KWD"}""", "1.299")]
    public void Value_IsTakenExactly(string value, string? expected)
    {
        if (value.Contains('\'', StringComparison.Ordinal))
        {
            Assert.Throws<ProblemException>(() => Mapping($$$"""{"events":[{"event":"E","properties":{"x":{{{value}}}}}]}"""));
            return;
        }

        var json = One($$$"""{"event":"E","messageId":"m","properties":{"x":{{{value}}}}}""", Payload);
        Assert.Equal(expected is null ? """{"type":"track","messageId":"m","event":"E"}""" : $$$"""{"type":"track","messageId":"m","event":"E","properties":{"x":{{{expected}}}}}""", json);
    }

    [Theory]
    [InlineData("""{"path":"$.email","as":"number"}""", "properties.x: ")]
    [InlineData("""{"path":"$.email","as":"time"}""", "properties.x: ")]
    [InlineData("""{"path":"$.price","as":"unix"}""", null)]
    [InlineData("""{"path":"$.numbers","as":"text"}""", "properties.x: ")]
    [InlineData("""{"path":"$.price","as":"money","currency":"eur"}""", "properties.x: ")]
    [InlineData("""{"path":"$.cents","as":"money","currency":"$.absent"}""", "properties.x: ")]
    [InlineData("\"{{nested.c}}\"", "properties.x: ")]
    [InlineData("\"{{numbers}}\"", "properties.x: ")]
    public void WhatCannotBeConverted_RefusesTheEvent_WithItsPath_AndNotItsValue(string value, string? path)
    {
        var text = One($$$"""{"name":"r","event":"E","messageId":"m","properties":{"x":{{{value}}}}}""", Payload);
        if (path is null)
            Assert.StartsWith("{", text);
        else
            Assert.StartsWith(path, text);
        Assert.DoesNotContain("a@b.c", text);
    }

    [Theory]
    [InlineData("""{"path":"$.status","eq":"paid"}""", true)]
    [InlineData("""{"path":"$.status","eq":"Paid"}""", false)]
    [InlineData("""{"path":"$.id","eq":17.0}""", true)]
    [InlineData("""{"path":"$.id","eq":"17"}""", false)]
    [InlineData("""{"path":"$.absent","ne":"x"}""", true)]
    [InlineData("""{"path":"$.status","in":["open","paid"]}""", true)]
    [InlineData("""{"path":"$.absent","in":["open"]}""", false)]
    [InlineData("""{"path":"$.nothing","exists":false}""", true)]
    [InlineData("""{"path":"$.blank","exists":true}""", true)]
    [InlineData("""{"path":"$.email","startsWith":"a@","endsWith":".c"}""", true)]
    [InlineData("""{"path":"$.email","startsWith":"a@","endsWith":".x"}""", false)]
    [InlineData("""{"path":"$.email","contains":"@b"}""", true)]
    [InlineData("""{"path":"$.numbers","contains":2}""", true)]
    [InlineData("""{"path":"$.numbers","contains":"2"}""", false)]
    [InlineData("""{"path":"$.id","gt":16,"lte":17}""", true)]
    [InlineData("""{"path":"$.price","gt":0}""", false)]
    [InlineData("""{"path":"$.id","eq":{"path":"$.id"}}""", true)]
    [InlineData("""{"path":"$.id","eq":{"path":"$.absent"}}""", false)]
    [InlineData("""{"not":{"path":"$.id","eq":17}}""", false)]
    [InlineData("""{"any":[{"path":"$.id","eq":1},{"path":"$.id","eq":17}]}""", true)]
    [InlineData("""{"all":[{"path":"$.id","eq":1},{"path":"$.id","eq":17}]}""", false)]
    [InlineData("""{"path":"header:x-topic","eq":"orders"}""", true)]
    public void Condition_SaysWhichPayloadsAnEventIsOf(string when, bool holds)
    {
        var skipped = new List<SkippedRule>();
        var events = Apply($$"""{"events":[{"name":"r","when":{{when}},"event":"E"}]}""", Payload, Headers(("X-Topic", "orders")), skipped);
        Assert.Equal((holds ? 1 : 0, holds ? 0 : 1), (events.Count, skipped.Count));
    }

    [Fact]
    public void ForEach_MakesAnEventOfEachEntry_AndAnObjectIsAListOfOne()
    {
        var events = Apply("""{"events":[{"forEach":["$.absent","$.list"],"when":{"path":"@.sku","exists":true},"event":"{{@.sku}} of {{id}}","messageId":"{{id}}:{{@.n}}"}]}""", Payload);
        Assert.Equal(
            ["""{"type":"track","messageId":"17:1","event":"A of 17"}""", """{"type":"track","messageId":"17:2","event":"B of 17"}"""],
            events.Select(e => Encoding.UTF8.GetString(e.Json)));
        Assert.Single(Apply("""{"events":[{"forEach":"$","event":"E"}]}""", Payload));
        var skipped = new List<SkippedRule>();
        Assert.Empty(Apply("""{"events":[{"name":"r","forEach":"$.email","event":"E"}]}""", Payload, null, skipped));
        Assert.Equal("$.email is no list", Assert.Single(skipped).Reason);
    }

    [Fact]
    public void MessageId_IsOfThePayload_UnlessTheMappingSaysOtherwise()
    {
        string Id(string rule, string payload) => JsonDocument.Parse(One(rule, payload)).RootElement.TryGetProperty("messageId", out var id) ? id.GetString()! : "";
        Assert.Equal(Id("""{"event":"E"}""", """{"a":1}"""), Id("""{"event":"E"}""", """{"a":1}"""));
        Assert.NotEqual(Id("""{"event":"E"}""", """{"a":1}"""), Id("""{"event":"E"}""", """{"a":2}"""));
        Assert.NotEqual(Id("""{"name":"r","event":"E"}""", """{"a":1}"""), Id("""{"name":"s","event":"E"}""", """{"a":1}"""));
        Assert.Equal("", Id("""{"event":"E","messageId":null}""", """{"a":1}"""));
        Assert.Equal("1", Id("""{"event":"E","messageId":"$.a"}""", """{"a":1}"""));
        Assert.Equal(34, Id("""{"event":"E","messageId":"$.a"}""", $$"""{"a":"{{new string('x', 101)}}"}""").Length);
        // Without what tells it apart an event could count twice, or hide another.
        Assert.StartsWith("messageId: ", One("""{"event":"E","messageId":"$.b"}""", """{"a":1}"""));
    }

    [Fact]
    public void ExternalIdsAndInteraction_StandInTheContext()
    {
        Assert.Equal(
            """{"type":"track","messageId":"m","event":"E","userId":17,"context":{"page":"x","interaction":{"kind":"call"},"externalIds":[{"id":"a@b.c","type":"email","collection":"users","encoding":"none"},{"id":17,"type":"crm_id","collection":"users","encoding":"none"}]}}""",
            One("""{"event":"E","messageId":"m","userId":"$.id","interaction":"call","context":{"page":"x"},"externalIds":{"email":"$.email","phone":"$.blank","crm_id":"$.id"}}""", Payload));
    }

    [Theory]
    [InlineData("""{}""", "mapping.events")]
    [InlineData("""[]""", "mapping")]
    [InlineData("""{"preset":"nope"}""", "mapping.preset")]
    [InlineData("""{"preset":"shopify","without":["nope"]}""", "mapping.without[0]")]
    [InlineData("""{"preset":"shopify","rules":[]}""", "mapping.rules")]
    [InlineData("""{"events":[{"type":"track"}]}""", "mapping.events[0].event")]
    [InlineData("""{"events":[{"type":"group"}]}""", "mapping.events[0].groupId")]
    [InlineData("""{"events":[{"type":"buy","event":"E"}]}""", "mapping.events[0].type")]
    [InlineData("""{"events":[{"event":"E","colour":1}]}""", "mapping.events[0].colour")]
    [InlineData("""{"events":[{"event":"$.a b..c"}]}""", "mapping.events[0].event")]
    [InlineData("""{"events":[{"event":"E {{a"}]}""", "mapping.events[0].event")]
    [InlineData("""{"events":[{"event":"E","properties":{"x":{"path":"$.a","as":"integer"}}}]}""", "mapping.events[0].properties.x.as")]
    [InlineData("""{"events":[{"event":"E","properties":{"x":{"a":1}}}]}""", "mapping.events[0].properties.x")]
    [InlineData("""{"events":[{"event":"E","properties":{"x":{"path":"$.a","as":"money"}}}]}""", "mapping.events[0].properties.x.currency")]
    [InlineData("""{"events":[{"event":"E","when":{"path":"$.a"}}]}""", "mapping.events[0].when")]
    [InlineData("""{"events":[{"event":"E","when":{"path":"$.a","like":"x"}}]}""", "mapping.events[0].when.like")]
    [InlineData("""{"events":[{"event":"E","externalIds":{"Email":"$.a"}}]}""", "mapping.events[0].externalIds.Email")]
    [InlineData("""{"events":[{"event":"E","interaction":"chat"}]}""", "mapping.events[0].interaction")]
    [InlineData("""{"events":[{"name":"a","event":"E"},{"name":"a","event":"E"}]}""", "mapping.events[1].name")]
    [InlineData("""{"events":[{"event":"E","forEach":"list"}]}""", "mapping.events[0].forEach")]
    public void Mistake_IsNamedByItsPath(string mapping, string path)
    {
        var problem = Assert.Throws<ProblemException>(() => Mapping(mapping)).Problem;
        Assert.Equal((ProblemType.MappingInvalid, path), (problem.Type, Assert.Single(problem.Errors!).Path));
    }

    [Fact]
    public void AllMistakes_AreNamedAtOnce()
    {
        var problem = Assert.Throws<ProblemException>(() => Mapping("""{"events":[{"type":"x","colour":1,"properties":{"a":{"b":1}}}]}""")).Problem;
        Assert.Equal(4, problem.Errors!.Count);
    }

    [Fact]
    public void DeepAndLargeMappings_AreRefused()
    {
        var deep = string.Concat(Enumerable.Repeat("[", 30)) + string.Concat(Enumerable.Repeat("]", 30));
        Assert.Throws<ProblemException>(() => Mapping($$$"""{"events":[{"event":"E","properties":{"x":{{{deep}}}}}]}"""));
        Assert.Throws<ProblemException>(() => Mapping($$$"""{"events":[{"event":"E","properties":{"x":"{{{new string('x', WebhookLimits.MappingBytes)}}}"}}]}"""));
        var many = string.Join(",", Enumerable.Repeat("""{"event":"E"}""", WebhookLimits.Rules + 1).Select((rule, i) => $$"""{"name":"r{{i}}","event":"E"}"""));
        Assert.Throws<ProblemException>(() => Mapping($$"""{"events":[{{many}}]}"""));
    }

    [Fact]
    public void PayloadThatBecomesTooMuch_IsRefused()
    {
        var many = $$"""{"a":[{{string.Join(",", Enumerable.Repeat("1", 2501))}}]}""";
        Assert.Equal(ProblemType.RequestTooLarge, Assert.Throws<ProblemException>(() => Apply("""{"events":[{"forEach":"$.a","event":"E"}]}""", many)).Problem.Type);
        var large = $$"""{"a":[{{string.Join(",", Enumerable.Repeat("1", 2000))}}],"text":"{{new string('x', 10_000)}}"}""";
        Assert.Equal(ProblemType.RequestTooLarge, Assert.Throws<ProblemException>(() => Apply("""{"events":[{"forEach":"$.a","event":"E","properties":{"t":"$.text"}}]}""", large)).Problem.Type);
    }

    [Fact]
    public void PresetIsExtended_ReplacedInPart_AndCutDown()
    {
        var names = Mapping("""{"preset":"receipt","without":["return"],"events":[{"name":"sale","event":"Sale"},{"name":"visit","event":"Visit"}]}""").Compile().Rules.Select(rule => rule.Name);
        Assert.Equal(["sale", "visit"], names);
        Assert.Equal("Sale", JsonDocument.Parse(Apply("""{"preset":"receipt","without":["return"],"events":[{"name":"sale","event":"Sale"}]}""", Read("receipt"))[0].Json).RootElement.GetProperty("event").GetString());
    }

    [Fact]
    public void Presets_AndOnlyThem_AreWhatTheSchemaSays()
    {
        var root = JsonDocument.Parse(WebhookPresets.Schema).RootElement;
        var schema = new JsonSchemaSubset(root);
        foreach (var preset in WebhookPresets.List)
            Assert.True(schema.IsValid(JsonDocument.Parse(preset.Json).RootElement.GetProperty("mapping")), preset.Name);
        Assert.Equal(WebhookPresets.Names, root.GetProperty("properties").GetProperty("preset").GetProperty("enum").EnumerateArray().Select(name => name.GetString()!));
        Assert.False(schema.IsValid(JsonDocument.Parse("""{"events":[{"event":"E","when":{"path":"$.a"}}]}""").RootElement));
        Assert.False(schema.IsValid(JsonDocument.Parse("""{"events":[{"event":"E","properties":{"x":{"a":1}}}]}""").RootElement));
    }
}
