using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Cdp.Identity;
using Cdp.Problems;

namespace Cdp.Tests.Identity;

public sealed class IdentityRulesDocumentTests
{
    private const string Needed = """{"type":"user_id"},{"type":"anonymous_id"}""";

    [Fact]
    public void Write_Defaults() => Assert.Equal(
        """{"version":0,"sharedIdentifiers":"own","types":["""
        + """{"type":"user_id","priority":1,"unique":true,"limit":{"count":1,"per":"ever"},"normalise":"trim","paths":["userId"],"blocked":{"values":[],"patterns":[],"defaults":true},"mergeSources":"any"},"""
        + """{"type":"email","priority":2,"unique":false,"limit":{"count":5,"per":"ever"},"normalise":"email","paths":["traits.email","context.traits.email"],"blocked":{"values":[],"patterns":[],"defaults":true},"mergeSources":"any","quarantineAfter":20},"""
        + """{"type":"phone","priority":3,"unique":false,"limit":{"count":5,"per":"ever"},"normalise":"phone","paths":["traits.phone","context.traits.phone"],"blocked":{"values":[],"patterns":[],"defaults":true},"mergeSources":"any","quarantineAfter":20},"""
        + """{"type":"anonymous_id","priority":4,"unique":false,"limit":{"count":5,"per":"ever"},"normalise":"trim","paths":["anonymousId"],"blocked":{"values":[],"patterns":[],"defaults":true},"mergeSources":"any","quarantineAfter":20}]}""",
        Write(IdentityRules.Default));

    [Fact]
    public void Read_NamesOfTheBuiltInTypes_AreTheDefaults() =>
        Assert.Equal(Write(IdentityRules.Default), Write(Read("""{"types":[{"type":"user_id"},{"type":"email"},{"type":"phone"},{"type":"anonymous_id"}]}""", version: 0)));

    [Fact]
    public void Read_Written_IsTheSame()
    {
        const string Json = """{"version":7,"sharedIdentifiers":"latest","types":["""
            + """{"type":"user_id","priority":3,"unique":false,"limit":{"count":2,"per":"year"},"normalise":"lower","paths":["userId","traits.id"],"blocked":{"values":["till"],"patterns":["^x\\d+$"],"defaults":false},"mergeSources":"server","quarantineAfter":0},"""
            + """{"type":"phone","priority":5,"unique":false,"limit":{"count":5,"per":"month"},"normalise":"phone","countryCode":"49","paths":[],"externalIdTypes":["mobile","tel"],"blocked":{"values":[],"patterns":[],"defaults":true},"mergeSources":["crm","pos"],"quarantineAfter":7},"""
            + """{"type":"card","priority":6,"unique":true,"limit":{"count":1,"per":"ever"},"normalise":"digits","paths":["properties.card.number"],"blocked":{"values":[],"patterns":[],"defaults":true},"mergeSources":"any","quarantineAfter":3},"""
            + """{"type":"mail_hash","priority":7,"unique":false,"limit":{"count":5,"per":"day"},"normalise":"sha256","paths":[],"blocked":{"values":[],"patterns":[],"defaults":true},"mergeSources":[],"quarantineAfter":20},"""
            + """{"type":"anonymous_id","priority":9,"unique":false,"limit":{"count":9,"per":"week"},"normalise":"trim","paths":["anonymousId"],"blocked":{"values":[],"patterns":[],"defaults":true},"mergeSources":"any","quarantineAfter":20}]}""";
        var rules = Read(Json, version: 7);
        Assert.Equal(Json, Write(rules));
        Assert.Equal((SharedIdentifiers.Latest, 7L), (rules.SharedIdentifiers, rules.Version));
        Assert.Equal(new IdentifierLimit(2, LimitPeriod.Year), rules.Find("user_id")!.Limit);
        Assert.Null(rules.Find("user_id")!.QuarantineAfter);
        Assert.Equal("0", rules.Find("user_id")!.Normalise("0"));
        Assert.Null(rules.Find("user_id")!.Normalise("X12"));
        Assert.Equal("+49151234567", rules.Find("phone")!.Normalise("0151 234567"));
        Assert.Null(rules.Find("email"));
    }

    [Fact]
    public void Read_TypesInAnyOrder_StandByPriority()
    {
        var rules = Read("""{"types":[{"type":"anonymous_id","priority":9},{"type":"crm_id","unique":true},{"type":"user_id","priority":1}]}""", version: 1);
        Assert.Equal(["user_id", "crm_id", "anonymous_id"], rules.Types.Select(type => type.Name));
        var custom = rules.Find("crm_id")!;
        Assert.Equal((2, new IdentifierLimit(1), Normalisation.Trim, 0), (custom.Priority, custom.Limit, custom.Normalisation, custom.Paths.Count));
    }

    [Theory]
    [InlineData("""{}""", "types")]
    [InlineData("""{"types":{},"x":1}""", "types x")]
    [InlineData("""{"types":[],"sharedIdentifiers":"mine"}""", "sharedIdentifiers types types")]
    [InlineData("""{"types":[{"type":"user_id"}]}""", "types")]
    [InlineData("""{"types":[N,{},{"type":"Mail"},{"type":"1x"},{"type":"a-b"},{"type":""},{"type":7}]}""", "types[2].type types[3].type types[4].type types[5].type types[6].type types[7].type")]
    [InlineData("""{"types":[N,{"type":"user_id"}]}""", "types[2].type")]
    [InlineData("""{"types":[N,{"type":"a","priority":1},{"type":"b","priority":0},{"type":"c","priority":1.5},{"type":"d","priority":1001},{"type":"e","priority":"1"}]}""", "types[2].priority types[3].priority types[4].priority types[5].priority types[6].priority")]
    [InlineData("""{"types":[N,{"type":"a","unique":1,"limit":{"count":0,"per":"hour","x":1},"normalise":"upper"}]}""", "types[2].unique types[2].normalise types[2].limit.count types[2].limit.per types[2].limit.x")]
    [InlineData("""{"types":[N,{"type":"a","unique":true,"limit":{"count":2}},{"type":"b","unique":true,"limit":{"count":1,"per":"week"}},{"type":"c","limit":{}}]}""", "types[2].limit types[3].limit types[4].limit.count")]
    [InlineData("""{"types":[N,{"type":"a","countryCode":"49"},{"type":"phone","countryCode":"049"},{"type":"b","normalise":"phone","countryCode":"+49"}]}""", "types[2].countryCode types[3].countryCode types[4].countryCode")]
    [InlineData("""{"types":[N,{"type":"a","paths":["traits","traits.","email","groupId","traits.x","traits.x","context.externalIds","context.externalIds.id",".x"]}]}""",
        "types[2].paths[0] types[2].paths[1] types[2].paths[2] types[2].paths[3] types[2].paths[6] types[2].paths[7] types[2].paths[8] types[2].paths[5]")]
    [InlineData("""{"types":[{"type":"user_id","paths":["traits.id"]},{"type":"anonymous_id","paths":[]}]}""", "types[0].paths types[1].paths")]
    [InlineData("""{"types":[N,{"type":"a","externalIdTypes":["b","x"," ","a","x"]},{"type":"b"},{"type":"c","externalIdTypes":["x"]}]}""",
        "types[2].externalIdTypes[2] types[2].externalIdTypes[3] types[2].externalIdTypes[4] types[3].type types[4].externalIdTypes[0]")]
    [InlineData("""{"types":[N,{"type":"a","blocked":{"values":[" ",7],"patterns":["(","(?=a)"],"defaults":0,"x":1}}]}""",
        "types[2].blocked.values[1] types[2].blocked.patterns[0] types[2].blocked.patterns[1] types[2].blocked.defaults types[2].blocked.x")]
    [InlineData("""{"types":[N,{"type":"a","blocked":{"values":[" "]}}]}""", "types[2].blocked.values[0]")]
    [InlineData("""{"types":[N,{"type":"a","mergeSources":"client"},{"type":"b","mergeSources":["Web","crm","crm"]},{"type":"c","mergeSources":{}}]}""",
        "types[2].mergeSources types[3].mergeSources[0] types[3].mergeSources[2] types[4].mergeSources")]
    [InlineData("""{"types":[N,{"type":"a","quarantineAfter":-1},{"type":"b","quarantineAfter":"20"},{"type":"c","typo":1}]}""", "types[2].quarantineAfter types[3].quarantineAfter types[4].typo")]
    public void Read_Mistakes_EachIsNamed(string json, string paths)
    {
        var problem = Assert.Throws<ProblemException>(() => Read(json.Replace("N", Needed, StringComparison.Ordinal), version: 1)).Problem;
        Assert.Equal(ProblemType.InvalidField, problem.Type);
        Assert.Equal(paths, string.Join(' ', problem.Errors!.Select(error => error.Path)));
        Assert.All(problem.Errors!, error => Assert.NotEmpty(error.Reason));
    }

    [Fact]
    public void Read_MoreThan30Types_IsRefused()
    {
        Assert.Equal(30, Read(Many(28), version: 1).Types.Count);
        Assert.Equal("types", Assert.Single(Assert.Throws<ProblemException>(() => Read(Many(29), version: 1)).Problem.Errors!).Path);

        static string Many(int more) => $$"""{"types":[{{Needed}},{{string.Join(',', Enumerable.Range(1, more).Select(i => $"{{\"type\":\"t{i}\"}}"))}}]}""";
    }

    [Fact]
    public void Read_TheExampleOfTheReadme()
    {
        var readme = File.ReadAllText(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../../README.md"));
        var example = readme[readme.IndexOf("{\n  \"sharedIdentifiers\"", StringComparison.Ordinal)..];
        var rules = Read(example[..example.IndexOf("```", StringComparison.Ordinal)], version: 1);
        Assert.Equal(["user_id", "crm_id", "email", "phone", "loyalty_card", "anonymous_id"], rules.Types.Select(type => type.Name));
        Assert.Null(rules.Find("email")!.Normalise("Bot7@test.shop.example"));
        Assert.Equal("+4915123", rules.Find("phone")!.Normalise("0151 23"));
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;

    internal static IdentityRules Read(string json, long version) => IdentityRulesDocument.Read(JsonSerializer.Deserialize<JsonElement>(json), version);

    internal static string Write(IdentityRules rules)
    {
        using var data = new MemoryStream();
        using (var json = new Utf8JsonWriter(data, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            IdentityRulesDocument.Write(json, rules);
        return Encoding.UTF8.GetString(data.ToArray());
    }
}
