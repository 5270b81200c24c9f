using System.Text;
using Cdp.ComputedTraits;
using Cdp.Segments;
using Cdp.Segments.Language;

namespace Cdp.Tests.Segments;

public sealed class DefinitionTests
{
    [Theory]
    [InlineData("""{"all":[{"event":"A"},{"event":"A","within":"90x"}]}""", "where.all[1].within: '90x' is not a duration, such as 30m, 1h, 90d")]
    [InlineData("""{"all":[]}""", "where.all: is empty")]
    [InlineData("""{"any":{}}""", "where.any: is not a list")]
    [InlineData("""{}""", "where: is no condition: it has none of all, any, not, trait, event, sequence, segment")]
    [InlineData("""[]""", "where: is not an object")]
    [InlineData("""{"event":"A","trait":"b","eq":1}""", "where: is both trait and event")]
    [InlineData("""{"event":"A","wihtin":"1d"}""", "where.wihtin: is unknown; known are event, where, on, count, sum, avg, min, max, distinct, within, between, first, last")]
    [InlineData("""{"trait":"a"}""", "where: has no operator beside trait: give one of eq, ne, gt, gte, lt, lte, in, contains, startsWith, endsWith, exists, before, after, within")]
    [InlineData("""{"trait":"a..b","eq":1}""", "where.trait: 'a..b' is not a path")]
    [InlineData("""{"trait":"a","eq":null}""", "where.eq: is neither a string, a number, true nor false")]
    [InlineData("""{"trait":"a","gt":true}""", "where.gt: is neither a number nor a string")]
    [InlineData("""{"trait":"a","in":[1,[2]]}""", "where.in[1]: is neither a string, a number, true nor false")]
    [InlineData("""{"trait":"a","before":"soon"}""", "where.before: 'soon' is not a time, such as 2026-01-02 or 2026-01-02T03:04:05Z")]
    [InlineData("""{"trait":"a","eq":1e300}""", "where.eq: is beyond the numbers that can be compared exactly")]
    [InlineData("""{"event":"A","where":{"category":{"eq":"x"},"catgory":{"eq":"x"}}}""", "where.where.catgory: begins with none of properties, context, traits, name, category, userId, anonymousId, groupId, sourceId, messageId")]
    [InlineData("""{"event":"A","where":{"properties.x":{"within":"1d"}}}""", "where.where.properties.x.within: is unknown; known are eq, ne, gt, gte, lt, lte, in, contains, startsWith, endsWith, exists, before, after|where.where.properties.x: has no operator: give one of eq, ne, gt, gte, lt, lte, in, contains, startsWith, endsWith, exists, before, after")]
    [InlineData("""{"event":"A","count":{"gte":"2"}}""", "where.count.gte: is not a number")]
    [InlineData("""{"event":"A","sum":{}}""", "where.sum: names no property")]
    [InlineData("""{"event":"$pages"}""", "where.event: '$pages' is unknown; names with $ are $page, $screen, $identify, $group")]
    [InlineData("""{"event":"$merge"}""", "where.event: '$merge' is unknown; names with $ are $page, $screen, $identify, $group")]
    [InlineData("""{"event":"A","within":"1d","between":{"from":"2026-01-01"}}""", "where.between: contradicts within: give one of them")]
    [InlineData("""{"event":"A","between":{"from":"2026-01-02","to":"2026-01-02"}}""", "where.between: ends before it begins")]
    [InlineData("""{"event":"A","between":{"from":"2026-01-02T00:00:00"}}""", "where.between.from: '2026-01-02T00:00:00' has no offset; only dates go with timeZone")]
    [InlineData("""{"event":"A","between":{}}""", "where.between: has neither from nor to")]
    [InlineData("""{"event":"A","first":true,"last":true}""", "where.last: contradicts first: give one of them")]
    [InlineData("""{"event":"A","first":true,"count":{"gte":1}}""", "where.count: contradicts first, which is about one event alone")]
    [InlineData("""{"event":"A","on":{"days":["Monday"],"timeZone":"Berlin"}}""", "where.on.timeZone: 'Berlin' is not an IANA time zone, such as Europe/Berlin|where.on.days[0]: 'Monday' is none of mon, tue, wed, thu, fri, sat, sun")]
    [InlineData("""{"event":"A","on":{"hours":{"from":"18:00","to":"18:00"}}}""", "where.on.hours: ends where it begins")]
    [InlineData("""{"event":"A","on":{"hours":{"from":"24:00","to":"25:00"}}}""", "where.on.hours.from: '24:00' is not a time of day, such as 18:00|where.on.hours.to: '25:00' is not a time of day, such as 18:00")]
    [InlineData("""{"sequence":[{"event":"A"}]}""", "where.sequence: has one step: a sequence has at least two")]
    [InlineData("""{"sequence":[{"event":"A"},{"not":{"event":"B"}}]}""", "where.within: is missing: an absence needs the time after which the event counts as absent")]
    [InlineData("""{"sequence":[{"not":{"event":"A"}},{"event":"B"}],"within":"1h"}""", "where.sequence[0]: is an absence, which is the second of exactly two steps")]
    [InlineData("""{"sequence":[{"event":"A"},{"not":{"event":"B"}}],"within":"1h","expires":"61m"}""", "where.expires: contradicts within: it ends before 1h and the minute of grace are over")]
    [InlineData("""{"segment":"Not An Id"}""", "where.segment: 'Not An Id' is not a segment id")]
    public void Parse_Mistake_NamesPathAndReason(string where, string errors)
    {
        var result = SegmentDefinition.Parse(Encoding.UTF8.GetBytes($$"""{"id":"s","where":{{where}}}"""));

        Assert.Null(result.Definition);
        Assert.Equal(errors.Split('|'), result.Errors.Select(e => $"{e.Path}: {e.Reason}"));
    }

    [Theory]
    [InlineData("nonsense", "")]
    [InlineData("[]", "")]
    [InlineData("""{"id":"a","id":"b","where":{"event":"A"}}""", "")]
    [InlineData("""{"id":"A","where":{"event":"A"}}""", "id")]
    [InlineData("""{"id":"schema","where":{"event":"A"}}""", "id")]
    [InlineData("""{"where":{"event":"A"}}""", "id")]
    [InlineData("""{"id":"a"}""", "where")]
    [InlineData("""{"id":"a","where":{"event":"A"},"epoch":1}""", "epoch")]
    [InlineData("""{"id":"a","where":{"event":"A"},"export":{"schedule":"* * *"}}""", "export.schedule")]
    [InlineData("""{"id":"a","where":{"event":"A"},"export":{"format":"xml"}}""", "export.format")]
    [InlineData("""{"id":"a","where":{"event":"\ud83d"}}""", "")]
    public void Parse_WrongOutside_IsRefusedAtItsPath(string json, string path) =>
        Assert.Equal([path], SegmentDefinition.Parse(Encoding.UTF8.GetBytes(json)).Errors.Select(e => e.Path));

    [Fact]
    public void Parse_Everything_IsTaken()
    {
        var definition = Story.Parse(
            """
            {"id":"weekend-outdoor-browsers","name":"Browse outdoor gear","where":{"all":[
              {"event":"Product Viewed","where":{"properties.category":{"eq":"outdoor"}},"count":{"gte":2},"within":"90d","on":{"days":["sat","sun"],"timeZone":"Europe/Berlin"}},
              {"not":{"event":"Order Completed","within":"90d"}}]},
             "export":{"schedule":"0 0 6 * * *","format":"csv","mode":"full","fields":["email","traits.firstName"]},"backfill":{"notify":true},
             "version":3,"createdAt":"2026-01-01T00:00:00.000Z","state":"live","members":{"count":1,"version":3}}
            """);

        Assert.Equal("0 0 6 * * *", definition.Export!.Schedule);
        Assert.Equal("gzip", definition.Export.Compression);
        Assert.True(definition.NotifyBackfill);
        Assert.Equal(2, Assert.IsType<AllCondition>(definition.Where).Conditions.Length);
    }

    [Fact]
    public void Parse_TooDeepTooManyTooLarge_IsRefused()
    {
        var deep = """{"event":"A"}""";
        for (var i = 1; i < DefinitionLimits.MostDepth; i++)
            deep = $$"""{"not":{{deep}}}""";
        Assert.NotNull(SegmentDefinition.ParseWhere(Encoding.UTF8.GetBytes(deep)).Definition);
        Assert.Contains("nested more than", SegmentDefinition.ParseWhere(Encoding.UTF8.GetBytes($$"""{"not":{{deep}}}""")).Errors.Single().Reason);

        var many = """{"all":[""" + string.Join(',', Enumerable.Repeat("""{"any":[{"event":"A"},{"event":"B"}]}""", 80)) + "]}";
        Assert.Contains("more than 200 conditions", SegmentDefinition.ParseWhere(Encoding.UTF8.GetBytes(many)).Errors.Single().Reason);

        var large = $$"""{"event":"A","x":"{{new string('x', DefinitionLimits.MostBytes)}}"}""";
        Assert.Contains("is larger than", SegmentDefinition.ParseWhere(Encoding.UTF8.GetBytes(large)).Errors.Single().Reason);
    }

    [Fact]
    public void Parse_ManyMistakes_AreReportedTogetherUpToABound()
    {
        var where = """{"all":[""" + string.Join(',', Enumerable.Repeat("""{"trait":"a"}""", 90)) + "]}";
        Assert.Equal(DefinitionLimits.MostErrors, SegmentDefinition.ParseWhere(Encoding.UTF8.GetBytes(where)).Errors.Count);
    }

    [Fact]
    public void Parse_AnyJson_NeverThrows()
    {
        const int seed = 7;
        var random = new Random(seed);
        for (var i = 0; i < 2_000; i++)
        {
            var generate = new RandomDefinitions(random);
            var text = Encoding.UTF8.GetBytes(random.Next(2) == 0 ? generate.Segment("s", ["t"], ["c"]) : generate.Computed("c"));
            for (var n = random.Next(1, 5); n > 0; n--)
                text[random.Next(text.Length)] = (byte)"{}[]\":,0123456789abcdefnull\\ \u007f"[random.Next(30)];
            _ = SegmentDefinition.Parse(text);
            _ = SegmentDefinition.ParseWhere(text);
            _ = ComputedTraitDefinition.Parse(text);
        }
    }

    [Theory]
    [InlineData("""{"id":"a","event":"A","compute":"sum"}""", "of: is missing: sum needs the path of its values")]
    [InlineData("""{"id":"a","event":"A","compute":"count","of":"properties.x"}""", "of: is of no use: count is about events")]
    [InlineData("""{"id":"a","event":"A","compute":"median","of":"properties.x"}""", "compute: 'median' is none of count, sum, average, min, max, first, last, mostFrequent, uniqueList, daysSince")]
    [InlineData("""{"id":"a","compute":"count"}""", "event: is missing")]
    [InlineData("""{"id":"a","event":"A","compute":"count","within":"0d"}""", "within: '0d' is not a duration, such as 30m, 1h, 90d")]
    public void ParseComputedTrait_Mistake_NamesPathAndReason(string json, string error) =>
        Assert.Equal([error], ComputedTraitDefinition.Parse(Encoding.UTF8.GetBytes(json)).Errors.Select(e => $"{e.Path}: {e.Reason}"));

    [Fact]
    public void References_CyclesMissingOnesAndLongChains_AreFound()
    {
        SegmentDefinition Uses(string id, string other) => Story.Parse($$$"""{"id":"{{{id}}}","where":{"not":{"segment":"{{{other}}}"} } }""");
        var circle = new[] { Uses("a", "b"), Uses("b", "c"), Uses("c", "b") };

        Assert.Equal(["b", "c", "b"], SegmentReferences.FindCycle("b", circle.ToDictionary(s => s.Id))!);
        Assert.Null(SegmentReferences.FindCycle("a", circle.ToDictionary(s => s.Id)));
        Assert.Equal(["'b' uses itself: b -> c -> b", "'c' uses itself: c -> b -> c"], SegmentReferences.Check(circle));
        Assert.Equal(["'a' uses segment 'x', which there is not"], SegmentReferences.Check([Uses("a", "x")]));
        var chain = Enumerable.Range(0, 10).Select(i => Uses($"s{i}", $"s{i + 1}")).Append(Story.Parse("""{"id":"s10","where":{"event":"A"}}""")).ToArray();
        Assert.Contains("more than 8 deep", SegmentReferences.Check(chain)[0]);
        Assert.Throws<ArgumentException>(() => CompiledDefinitions.Compile(1, circle));
    }
}
