using System.Text.Json;
using Cdp.Destinations;
using Cdp.Problems;

namespace Cdp.Tests.Destinations;

public sealed class MappingTests
{
    private static readonly JsonElement View = JsonDocument.Parse("""
        {"cause":{"type":"segment-entered","segmentId":"vip"},
         "profile":{"id":"prf_1","identifiers":{"email":["a@b.c","d@e.f"]},
                    "traits":{"firstName":"An\"n\u000A<b>","big":12345678901234567890.10,"zero":0,"tags":["x","y"],"none":null,"address":{"city":"Köln"}}}}
        """).RootElement;

    [Theory]
    [InlineData("""{"a":{"path":"profile.identifiers.email[1]"}}""", """{"a":"d@e.f"}""")]
    [InlineData("""{"a":{"path":"profile.traits.big"}}""", """{"a":12345678901234567890.10}""")]
    [InlineData("""{"a":{"path":"profile.traits.address"},"b":{"path":"profile.traits.tags"}}""", """{"a":{"city":"Köln"},"b":["x","y"]}""")]
    [InlineData("""{"a":{"path":"profile.traits.gone"},"b":{"path":"profile.identifiers.email[9]"},"c":{"path":"profile.traits.none"}}""", "{}")]
    [InlineData("""{"a":{"path":"profile.traits.gone","default":"?"}}""", """{"a":"?"}""")]
    [InlineData("""{"a":{"value":{"path":"x"}},"b":1,"c":"text","d":[true,{"path":"profile.id"}],"e":{"f":{"path":"profile.id"}}}""", """{"a":{"path":"x"},"b":1,"c":"text","d":[true,"prf_1"],"e":{"f":"prf_1"}}""")]
    [InlineData("""{"path":"profile.traits.tags"}""", """["x","y"]""")]
    [InlineData("""{"a":{"template":"{{profile.traits.address.city}} {{cause.segmentId}} {{profile.traits.big}}"}}""", """{"a":"Köln vip 12345678901234567890.10"}""")]
    [InlineData("""{"a":{"template":"{{profile.traits.firstName}}"}}""", """{"a":"An\"n\n<b>"}""")]
    [InlineData("""{"path":"not a path","other":1}""", """{"path":"not a path","other":1}""")]
    public void Payload_HasTheShapeOfTheMapping(string mapping, string expected)
    {
        var errors = new List<ProblemError>();
        var parsed = Mapping.Parse(JsonDocument.Parse(mapping).RootElement, "mapping", errors);
        Assert.Empty(errors);
        Assert.Equal(expected, parsed!.Apply(View).GetRawText());
    }

    [Theory]
    [InlineData("""{"a":{"path":"a..b"}}""", "mapping.a.path")]
    [InlineData("""{"a":{"path":7}}""", "mapping.a.path")]
    [InlineData("""{"a":[{"path":"x[y]"}]}""", "mapping.a[0].path")]
    [InlineData("""{"a":{"template":"{{#if x}}"}}""", "mapping.a.template")]
    [InlineData("""{"a":{"template":"{{> other}}"}}""", "mapping.a.template")]
    public void Mistake_IsNamedWithItsPath(string mapping, string path)
    {
        var errors = new List<ProblemError>();
        Assert.Null(Mapping.Parse(JsonDocument.Parse(mapping).RootElement, "mapping", errors));
        Assert.Equal(path, Assert.Single(errors).Path);
    }

    [Fact]
    public void Depth_HasALimit()
    {
        var errors = new List<ProblemError>();
        var deep = string.Concat(Enumerable.Repeat("{\"a\":", 20)) + "1" + new string('}', 20);
        Assert.Null(Mapping.Parse(JsonDocument.Parse(deep).RootElement, "mapping", errors));
        Assert.NotEmpty(errors);
    }

    [Theory]
    [InlineData("""{"name":"{{profile.traits.firstName}}","tags":{{json profile.traits.tags}}}""", """{"name":"An\"n\n<b>","tags":["x","y"]}""")]
    [InlineData("""{"a":"{{default profile.traits.gone "?"}}","b":"{{upper cause.type}}","c":{{json profile.traits.big}}}""", """{"a":"?","b":"SEGMENT-ENTERED","c":12345678901234567890.10}""")]
    [InlineData("""[{{#each profile.identifiers.email}}"{{this}}"{{#unless @last}},{{/unless}}{{/each}}]""", """["a@b.c","d@e.f"]""")]
    [InlineData("""{{#if profile.traits.zero}}1{{else}}0{{/if}}""", "0")]
    [InlineData("""{{#if (eq cause.segmentId "vip")}}1{{else}}0{{/if}}""", "1")]
    public void Template_OfJson_StaysJson_WhateverIsInTheData(string template, string expected)
    {
        var rendered = Template.Parse(template, TemplateKind.Json, out _)!.Render(View);
        Assert.Equal(JsonSerializer.Serialize(JsonDocument.Parse(expected)), JsonSerializer.Serialize(JsonDocument.Parse(rendered)));
    }

    [Fact]
    public void Template_SeesDataAlone() =>
        Assert.Equal("", Template.Parse("{{lookup profile 'GetType'}}{{profile.GetType}}{{profile.Count}}{{profile.Keys}}", TemplateKind.Text, out _)!.Render(View));

    [Fact]
    public void Template_ThatGivesTooMuch_IsStopped()
    {
        var row = string.Concat(Enumerable.Repeat("x", 1000));
        var view = JsonDocument.Parse($$"""{"list":[{{string.Join(',', Enumerable.Repeat("1", 1000))}}]}""").RootElement;
        var template = Template.Parse($$$"""{{#each list}}{{{row}}}{{/each}}""".Replace("{row}", row, StringComparison.Ordinal), TemplateKind.Text, out _)!;
        Assert.Throws<TemplateException>(() => template.Render(view));
    }
}
