using Cdp.Collect;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Problems;

namespace Cdp.Tests.Collect;

/// <summary>RudderStack's merge call at the collector.</summary>
public sealed class MergeCallTests
{
    private const string Email = """{"type":"email","value":"alex@shop.example"}""";

    [Theory]
    [InlineData("", "mergeProperties")]
    [InlineData(""","mergeProperties":null""", "mergeProperties")]
    [InlineData(""","mergeProperties":{}""", "mergeProperties")]
    [InlineData(""","mergeProperties":"email" """, "mergeProperties")]
    [InlineData(""","mergeProperties":[]""", "mergeProperties")]
    [InlineData(""","mergeProperties":["email"]""", "mergeProperties[0]")]
    [InlineData($$""","mergeProperties":[{{Email}},null]""", "mergeProperties[1]")]
    [InlineData($$""","mergeProperties":[{{Email}},[{{Email}}]]""", "mergeProperties[1]")]
    [InlineData($$""","mergeProperties":[{{Email}},{}]""", "mergeProperties[1].type")]
    [InlineData($$""","mergeProperties":[{{Email}},{"value":"v"}]""", "mergeProperties[1].type")]
    [InlineData($$""","mergeProperties":[{{Email}},{"type":"email"}]""", "mergeProperties[1].value")]
    [InlineData($$""","mergeProperties":[{{Email}},{"type":"email","value":null}]""", "mergeProperties[1].value")]
    [InlineData($$""","mergeProperties":[{{Email}},{"type":"email","value":true}]""", "mergeProperties[1].value")]
    [InlineData($$""","mergeProperties":[{{Email}},{"type":"email","value":["v"]}]""", "mergeProperties[1].value")]
    [InlineData($$""","mergeProperties":[{{Email}},{"type":"email","value":"\ud800"}]""", "mergeProperties[1].value")]
    [InlineData(""","mergeProperties":[{"type":{},"value":"v"}]""", "mergeProperties[0].type")]
    [InlineData(""","mergeProperties":[{"type":"a","type":"b","value":"v"}]""", "mergeProperties[0].type")]
    [InlineData(""","mergeProperties":[{"type":"a","value":"v","x":{"y":1,"y":2}}]""", "mergeProperties[0].x.y")]
    public async Task WhatCannotBeTaken_IsRefusedWithItsPath(string member, string path)
    {
        var single = await CollectorHarness.RefusalAsync($$"""{"userId":"u"{{member}}}""", EventType.Merge);
        Assert.Equal((ProblemType.InvalidField, path), (single.Type, Assert.Single(single.Errors!).Path));
        // The type may come last.
        var batch = await CollectorHarness.RefusalAsync($$"""{"batch":[{"userId":"u"{{member}},"type":"merge"}]}""", null);
        Assert.Equal((ProblemType.InvalidField, "batch[0]." + path), (batch.Type, Assert.Single(batch.Errors!).Path));
    }

    [Fact]
    public async Task TwentyEntries_AreTaken_AndNoMore()
    {
        await CollectorHarness.StoreAsync(Of(CollectLimits.MergeProperties), EventType.Merge);
        var problem = await CollectorHarness.RefusalAsync(Of(CollectLimits.MergeProperties + 1), EventType.Merge);
        Assert.Equal((ProblemType.InvalidField, "mergeProperties"), (problem.Type, Assert.Single(problem.Errors!).Path));

        static string Of(int entries) => $$"""{"mergeProperties":[{{string.Join(',', Enumerable.Repeat(Email, entries))}}]}""";
    }

    [Theory]
    [InlineData("""{"mergeProperties":[{"type":"email","value":"alex@shop.example"}]}""")]
    [InlineData("""{"mergeProperties":[{"type":"mobile","value":12025550146}]}""")]
    [InlineData("""{"mergeProperties":[{"type":"shoe size","value":43},{"type":"user_id","value":"u"}]}""")]
    [InlineData("""{"userId":"u","mergeProperties":[{"type":7,"value":""}]}""")]
    [InlineData("""{"anonymousId":"a","mergeProperties":[{"type":"email","value":"null"}]}""")]
    [InlineData("""{"context":{"externalIds":[{"type":"email","id":"alex@shop.example"}]},"mergeProperties":[{"type":"x","value":"y"}]}""")]
    [InlineData("""{"mergePropertie\u0073":[{"t\u0079pe":"email","valu\u0065":"alex@shop.example"}]}""")]
    public async Task OneUsableIdentifier_IsEnough(string body) => await CollectorHarness.StoreAsync(body, EventType.Merge);

    [Theory]
    [InlineData("""{"mergeProperties":[{"type":"shoe size","value":43}]}""")]
    [InlineData("""{"mergeProperties":[{"type":"email","value":"no address"},{"type":"user_id","value":"null"},{"type":"mobile","value":"000"}]}""")]
    [InlineData("""{"userId":" ","mergeProperties":[{"type":"EMAIL","value":"alex@shop.example"}]}""")]
    [InlineData("""{"traits":{"email":"alex@shop.example"},"mergeProperties":[{"type":"email","value":""}]}""")]
    public async Task NoUsableIdentifier_IsRefused(string body) =>
        Assert.Equal(ProblemType.NoIdentity, (await CollectorHarness.RefusalAsync(body, EventType.Merge)).Type);

    [Fact]
    public async Task AllMembers_AreStoredAsTheyWereSent()
    {
        const string members = """ "userId":"u1","mergeProperties":[ {"type":"email","value":"alex@example.org","since":[1.50]},{"type":"mobile","value":"+1-202-555-0146"}],"traits":{"a":1},"extra":null""";
        Assert.Equal(
            $$"""{"type":"merge","messageId":"m1","sourceId":"web","timestamp":"2026-01-02T03:04:05.678Z","receivedAt":"2026-01-02T03:04:05.678Z",{{members.Trim()}}}""",
            await CollectorHarness.StoreAsync($$"""{"messageId":"m1",{{members}}}""", EventType.Merge));
    }

    [Fact]
    public async Task OtherTypes_KeepAMemberOfThatNameUnseen()
    {
        Assert.Contains("\"mergeProperties\":[7]", await CollectorHarness.StoreAsync("""{"event":"e","userId":"u","mergeProperties":[7]}"""), StringComparison.Ordinal);
        Assert.Equal(ProblemType.NoIdentity, (await CollectorHarness.RefusalAsync($$"""{"event":"e","mergeProperties":[{{Email}}]}""")).Type);
    }

    [Fact]
    public async Task AnotherTypeThanThePaths_IsRefused() =>
        Assert.Equal("type", Assert.Single((await CollectorHarness.RefusalAsync($$"""{"type":"alias","mergeProperties":[{{Email}}]}""", EventType.Merge)).Errors!).Path);

    [Fact]
    public async Task InABatch_BadOnesCostTheOthersNothing()
    {
        var harness = new CollectorHarness();
        var collected = await harness.CollectAsync(
            $$"""{"batch":[{"type":"merge","messageId":"m1","mergeProperties":[{{Email}}]},{"type":"merge","messageId":"m2","userId":"u"},{"type":"merge","messageId":"m3","mergeProperties":[{"type":"x","value":1}]}]}""", null);
        Assert.Equal(1, collected.Accepted);
        Assert.Equal([("m2", ProblemType.InvalidField), ("m3", ProblemType.NoIdentity)], collected.Rejected.Select(r => (r.MessageId!, r.Type)));
        Assert.StartsWith("""{"type":"merge","messageId":"m1",""", Assert.Single(await harness.StoredAsync()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ATypeThatRulesAdd_IdentifiesToo()
    {
        const string body = """{"mergeProperties":[{"type":"Card","value":"k1"}]}""";
        var card = new IdentifierType("card", 9, Unique: false, new IdentifierLimit(5), Normalisation.Trim) { ExternalIdTypes = ["Card"] };
        Assert.Equal(1, (await new CollectorHarness(rules: new IdentityRules([.. IdentityRules.Default.Types, card])).CollectAsync(body, EventType.Merge)).Accepted);
        Assert.Equal(ProblemType.NoIdentity, (await CollectorHarness.RefusalAsync(body, EventType.Merge)).Type);
    }
}
