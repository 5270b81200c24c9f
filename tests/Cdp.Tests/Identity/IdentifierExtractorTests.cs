using System.Globalization;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Tests.Collect;
using FsCheck;
using FsCheck.Fluent;

namespace Cdp.Tests.Identity;

public sealed class IdentifierExtractorTests
{
    private static readonly string Hash = new('a', 64);

    private static readonly IdentityRules Rules = new(
    [
        .. IdentityRules.Default.Types,
        Type("crm_id", 10, "properties.crm.id", "traits.crm.id"),
        Type("loyalty", 11, "traits.cards", "context.traits.cards", "properties.card") with { ExternalIdTypes = ["card", "Loyalty Card"] },
        Type("device_id", 12, "context.device.id", "context.device"),
        Type("email_sha256", 13, "traits.email_sha256"),
        new IdentifierType("hashed", 14, Unique: false, new IdentifierLimit(5), Normalisation.Sha256),
        Type("also_user", 15, "userId", "anonymousId"),
    ]);

    [Theory]
    [InlineData("identify", """ "userId":"U1","anonymousId":"a1","traits":{"email":"Ann@Shop.example","phone":"+49 151 234567"} """, "user_id:U1 email:ann@shop.example phone:+49151234567 anonymous_id:a1")]
    [InlineData("identify", """ "traits":{"email":"a@b.c"},"context":{"traits":{"email":"x@y.z","phone":"0151234567"}} """, "email:a@b.c phone:0151234567")]
    [InlineData("identify", """ "traits":{"email":"null"},"context":{"traits":{"email":"x@y.z"}} """, "email:x@y.z")]
    [InlineData("identify", """ "context":{"externalIds":[{"id":"e@y.z","type":"email"}],"traits":{"email":"x@y.z"}} """, "email:e@y.z email:x@y.z")]
    [InlineData("track", """ "traits":{"email":"a@b.c"},"properties":{"email":"gift@b.c"},"context":{"traits":{"email":"x@y.z"}} """, "email:x@y.z")]
    [InlineData("group", """ "userId":7,"traits":{"email":"company@b.c"} """, "user_id:7")]
    [InlineData("track", """ "userId":" ","anonymousId":"null" """, "")]
    [InlineData("track", """ "context":{"externalIds":[{"id":"u","type":"user_id"},{"id":"w","type":"wallet"},{"id":"a@b.c","type":"email","collection":"users","encoding":"none"},7,null,[{"id":"b","type":"user_id"}],{"type":"user_id"},{"id":"c"}]} """, "user_id:u email:a@b.c")]
    [InlineData("merge", """ "userId":"u","mergeProperties":[{"type":"mobile","value":"+1-202-555-0146"},{"value":"Alex@Example.org","since":[1],"type":"email"}] """, "user_id:u email:alex@example.org phone:+12025550146")]
    [InlineData("merge", """ "mergeProperties":[{"type":"email","value":"b@b.c"},{"type":"email","value":"a@b.c"},{"type":"email","value":"A@b.c"},{"type":"anonymous_id","value":7},{"type":"anonymous_id","value":1e3}] """, "email:b@b.c email:a@b.c anonymous_id:7 anonymous_id:1000")]
    [InlineData("merge", """ "mergeProperties":[{"type":"Email","value":"a@b.c"},{"type":"Mobile","value":"+12025550146"},{"type":"shoe size","value":43},{"type":"user_id","value":"null"},{"type":"email","value":"none"},{"type":7,"value":"x"}] """, "")]
    [InlineData("merge", """ "mergeProperties":[7,null,[{"type":"email","value":"x@b.c"}],{"type":"email"},{"value":"a@b.c"},{"type":"email","value":{"type":"email","value":"y@b.c"}},{"type":"email","value":"z@b.c"}] """, "email:z@b.c")]
    [InlineData("merge", """ "mergeProperties":{"type":"email","value":"a@b.c"} """, "")]
    [InlineData("merge", """ "mergeProperties":[{"type":"email","value":"a@b.c"}],"traits":{"email":"t@b.c"},"context":{"traits":{"email":"x@y.z"}} """, "email:a@b.c email:x@y.z")]
    [InlineData("identify", """ "userId":"u","mergeProperties":[{"type":"email","value":"a@b.c"}] """, "user_id:u")]
    [InlineData("track", """ "userId":"u","context":{"externalIds":[{"id":"+12025550146","type":"mobile"}]} """, "user_id:u")]
    public void Extract_ByDefaultRules(string type, string members, string expected) => Assert.Equal(expected, Extract(type, members, IdentityRules.Default));

    [Theory]
    [InlineData("track", """ "userId":"u" """, "user_id:u also_user:u")]
    [InlineData("track", """ "properties":{"crm":{"id":"c1","name":"x"},"card":"k1"} """, "crm_id:c1 loyalty:k1")]
    [InlineData("track", """ "properties":{"crm":"c1"} """, "")]
    [InlineData("track", """ "properties":{"crm":[{"id":"c1"}]} """, "")]
    [InlineData("track", """ "properties":{"crm":{"id":{"id":"c1"}}} """, "")]
    [InlineData("track", """ "properties":{"crm":{"id":42}} """, "crm_id:42")]
    [InlineData("track", """ "properties":{"crm":{"id":1e3}} """, "crm_id:1000")]
    [InlineData("track", """ "properties":{"crm":{"id":1.50}} """, "crm_id:1.5")]
    [InlineData("track", """ "properties":{"crm":{"id":0}} """, "")]
    [InlineData("track", """ "properties":{"crm":{"id":true}} """, "")]
    [InlineData("track", """ "properties":{"crm":{"id":"\ud800"},"card":"k\u0031"} """, "loyalty:k1")]
    [InlineData("track", """ "properties":{"c\u0072m":{"i\u0064":"c1"}} """, "crm_id:c1")]
    [InlineData("track", """ "traits":{"crm":{"id":"c1"}} """, "")]
    [InlineData("identify", """ "traits":{"crm":{"id":"c1"}} """, "crm_id:c1")]
    [InlineData("identify", """ "traits":{"cards":["k1","k2",["k3"],null,{"id":"k4"},"k1","\udc00",5]} """, "loyalty:k1 loyalty:k2 loyalty:5")]
    [InlineData("identify", """ "traits":{"cards":[]},"context":{"traits":{"cards":["k1"]}} """, "loyalty:k1")]
    [InlineData("identify", """ "traits":{"cards":["k0"]},"context":{"traits":{"cards":["k1"]}} """, "loyalty:k0")]
    [InlineData("identify", """ "traits":{"cards":["u"]},"context":{"traits":{"cards":["k1"]}},"userId":"x" """, "user_id:x loyalty:u also_user:x")]
    [InlineData("track", """ "context":{"device":{"id":"d1"}} """, "device_id:d1")]
    [InlineData("track", """ "context":{"device":"d1"} """, "device_id:d1")]
    [InlineData("track", """ "context":{"device":["d1",{"id":"d2"}]} """, "device_id:d1")]
    [InlineData("track", """ "context":{"externalIds":[{"id":"k1","type":"card"},{"id":"k2","type":"Loyalty Card"},{"id":"k3","type":"loyalty"},{"id":4,"type":"loyalty"},{"id":"k5","type":"Loyalty"}]} """, "loyalty:k1 loyalty:k2 loyalty:k3 loyalty:4")]
    [InlineData("track", """ "context":{"externalIds":[{"id":"k1","type":"card","collection":"accounts"},{"id":"k2","type":"card","collection":null,"encoding":null},{"id":"k3","type":"card","encoding":"sha256"},{"id":"k4","type":"card","encoding":"md5"},{"id":"k5","type":"card","collection":1}]} """, "loyalty:k2")]
    [InlineData("track", """ "context":{"externalIds":{"id":"k1","type":"card"}} """, "")]
    [InlineData("merge", """ "mergeProperties":[{"type":"card","value":"k1"},{"type":"Loyalty Card","value":"k2"},{"type":"loyalty","value":3},{"type":"Loyalty","value":"k4"},{"type":"crm_id","value":"c"}] """, "crm_id:c loyalty:k1 loyalty:k2 loyalty:3")]
    public void Extract_ByConfiguredPaths(string type, string members, string expected) => Assert.Equal(expected, Extract(type, members, Rules));

    [Fact]
    public void Extract_HashedExternalIds_GoToTypesOfHashes()
    {
        Assert.Equal("hashed:" + Hash, Extract("track", $$""" "context":{"externalIds":[{"id":"{{Hash.ToUpperInvariant()}}","type":"hashed","encoding":"sha256"}]} """, Rules));
        Assert.Equal("hashed:" + Hash, Extract("track", $$""" "context":{"externalIds":[{"id":"{{Hash}}","type":"hashed"}]} """, Rules));
        Assert.Equal("", Extract("track", """ "context":{"externalIds":[{"id":"plain","type":"hashed"}]} """, Rules));
        Assert.Equal("", Extract("track", $$""" "context":{"externalIds":[{"id":"{{Hash}}","type":"email_sha256","encoding":"sha256"}]} """, Rules));
    }

    /// <summary>Rules that say what <c>mobile</c> is go first; without <c>phone</c> it is nothing.</summary>
    [Fact]
    public void Extract_MobileOfAMergeCall_IsThePhoneUnlessTheRulesSayOtherwise()
    {
        const string members = """ "mergeProperties":[{"type":"mobile","value":"+1 202 555 0146"}] """;
        var others = IdentityRules.Default.Types.Where(t => t.Name != "phone").ToList();
        Assert.Equal("", Extract("merge", members, new IdentityRules(others)));
        Assert.Equal("mobile:+1 202 555 0146", Extract("merge", members, new IdentityRules([.. IdentityRules.Default.Types, Type("mobile", 9)])));
        Assert.Equal("handy:+1 202 555 0146", Extract("merge", members, new IdentityRules([.. IdentityRules.Default.Types, Type("handy", 9) with { ExternalIdTypes = ["mobile"] }])));
    }

    [Fact]
    public void Extract_KeepsTheStrongest20()
    {
        var cards = string.Join(',', Enumerable.Range(1, 50).Select(i => $"\"k{i}\""));
        var found = Extract("identify", $$$""" "traits":{"cards":[{{{cards}}}],"email":"a@b.c"},"userId":"u","context":{"device":{"id":"d"}} """, Rules).Split(' ');
        Assert.Equal(IdentifierExtractor.Most, found.Length);
        Assert.Equal(["user_id:u", "email:a@b.c", "loyalty:k1"], found[..3]);
        Assert.Equal("loyalty:k18", found[^1]);
    }

    [Fact]
    public void Extract_Anything_FindsWhatASlowReadingFinds() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
        {
            var random = new Random(seed);
            var type = random.Next(2) == 0 ? "identify" : "track";
            var context = RandomJson.Object(random, 3)[1..];
            var separator = context.AsSpan().TrimStart().StartsWith("}") ? "" : ",";
            context = $$"""{"traits":{{RandomJson.Object(random, 3)}},"externalIds":[{{ExternalId(random)}},{{ExternalId(random)}}]{{separator}}{{context}}""";
            var e = Make(type, $$""" "userId":"u","traits":{{RandomJson.Object(random, 4)}},"properties":{{RandomJson.Object(random, 4)}},"context":{{context}} """);
            var rules = new IdentityRules([Type("user_id", 1, "userId"), .. Enumerable.Range(2, 4).Select(i => Type("t" + i, i, RandomPaths(random)) with { ExternalIdTypes = ["k" + i] })]);
            var found = IdentifierExtractor.Extract(e, rules);
            var expected = Slow(e, rules);
            return found.Count == Math.Min(IdentifierExtractor.Most, expected.Count) && found.All(expected.Contains)
                && found.Select(i => rules.Find(i.Type)!.Priority).SequenceEqual(found.Select(i => rules.Find(i.Type)!.Priority).Order());
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));

    [Fact]
    public void Extract_FromCollectedEvents_NeverThrows() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
        {
            var random = new Random(seed);
            var (text, _) = RandomJson.Event(random, newLines: false);
            var e = Make(random.Next(2) == 0 ? "identify" : "track", text[1..^1]);
            var rules = new IdentityRules([Type("t", 1, RandomPaths(random)), .. IdentityRules.Default.Types.Select(t => t with { Priority = t.Priority + 1 })]);
            return IdentifierExtractor.Extract(e, rules).Count <= IdentifierExtractor.Most;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    private static string[] RandomPaths(Random random) =>
        [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => RandomPath(random)).Distinct(StringComparer.Ordinal)];

    private static string RandomPath(Random random)
    {
        var root = random.Next(4) switch { 0 => "traits", 1 => "properties", 2 => "context", _ => "context.traits" };
        return root + string.Concat(Enumerable.Range(0, random.Next(1, 3)).Select(_ => ".k" + random.Next(5).ToString(CultureInfo.InvariantCulture)));
    }

    private static string ExternalId(Random random)
    {
        string[] ids = ["\"x1\"", "\"x2\"", "7", "null", "[\"x3\"]", "{\"id\":\"x4\"}"];
        var collection = random.Next(3) == 0 ? ",\"collection\":\"accounts\"" : "";
        return $$"""{"id":{{ids[random.Next(ids.Length)]}},"type":"{{(random.Next(2) == 0 ? "t" : "k")}}{{random.Next(6)}}"{{collection}}}""";
    }

    /// <summary>Path by path with a document in memory.</summary>
    private static HashSet<Identifier> Slow(Event e, IdentityRules rules)
    {
        using var json = JsonDocument.Parse(e.Json);
        var root = json.RootElement;
        var ownNames = new HashSet<string>(StringComparer.Ordinal);
        var found = new HashSet<Identifier>();
        foreach (var own in new[] { true, false })
        {
            foreach (var type in rules.Types)
            {
                foreach (var path in type.Paths)
                {
                    var names = path.Split('.');
                    var isOwn = names[0] == "traits";
                    if (isOwn != own || (isOwn && e.Type != EventType.Identify))
                        continue;
                    if (names is ["context", "traits", var name, ..] && ownNames.Contains(name))
                        continue;
                    var values = Values(Find(root, names)).Select(type.Normalise).OfType<string>().ToList();
                    if (isOwn && values.Count > 0)
                        ownNames.Add(names[1]);
                    found.UnionWith(values.Select(value => new Identifier(type.Name, value)));
                }
            }
        }

        foreach (var entry in Find(root, ["context", "externalIds"])!.Value.EnumerateArray())
        {
            var type = rules.Types.FirstOrDefault(t => entry.GetProperty("type").GetString() is { } name && (t.Name == name || t.ExternalIdTypes.Contains(name)));
            if (type is null || entry.TryGetProperty("collection", out _))
                continue;
            if (type.Normalise(Value(entry.GetProperty("id"))) is { } value)
                found.Add(new Identifier(type.Name, value));
        }

        return found;
    }

    private static JsonElement? Find(JsonElement root, ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty(name, out root))
                return null;
        }

        return root;
    }

    private static IEnumerable<string?> Values(JsonElement? value)
    {
        if (value is not { } element)
            return [];
        return element.ValueKind == JsonValueKind.Array ? element.EnumerateArray().Select(Value) : [Value(element)];
    }

    private static string? Value(JsonElement element)
    {
        try
        {
            return element.ValueKind switch
            {
                JsonValueKind.String => element.GetString(),
                JsonValueKind.Number when element.GetRawText() is var text && text.AsSpan().IndexOfAny('e', 'E', '.') < 0 => text,
                JsonValueKind.Number => element.TryGetDecimal(out var number) ? number.ToString("0.############################", CultureInfo.InvariantCulture) : element.GetRawText(),
                _ => null,
            };
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static string Extract(string type, string members, IdentityRules rules) => string.Join(' ', IdentifierExtractor.Extract(Make(type, members), rules));

    private static Event Make(string type, string members) => Event.Parse(Encoding.UTF8.GetBytes(
        $$"""{"type":"{{type}}","messageId":"m","sourceId":"web","timestamp":"2026-01-02T03:04:05.678Z","receivedAt":"2026-01-02T03:04:05.678Z",{{members}}}"""));

    private static IdentifierType Type(string name, int priority, params string[] paths) =>
        new(name, priority, Unique: false, new IdentifierLimit(5), Normalisation.Trim) { Paths = paths };
}
