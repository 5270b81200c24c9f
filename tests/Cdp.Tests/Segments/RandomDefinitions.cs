using System.Text;
using System.Text.Json.Nodes;
using Cdp.Events;

namespace Cdp.Tests.Segments;

/// <summary>Definitions and timelines made for each other: few names and values, close times, so that everything happens often.</summary>
internal sealed class RandomDefinitions(Random random)
{
    public const int TimelineDays = 6;

    private static readonly string[] Names = ["A", "B", "C", "$page", "$identify", "$group"];
    private static readonly string[] Zones = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"];
    private static readonly string[] Days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    private static readonly string[] Spans = ["30m", "1h", "6h", "1d", "36h", "3d", "1w"];

    /// <summary>Around the nights in which clocks are put forward or back.</summary>
    private static readonly DateTimeOffset[] Starts =
    [
        new(2026, 3, 26, 0, 0, 0, TimeSpan.Zero), new(2026, 10, 22, 0, 0, 0, TimeSpan.Zero), new(2026, 3, 5, 0, 0, 0, TimeSpan.Zero), new(2025, 12, 29, 0, 0, 0, TimeSpan.Zero),
    ];

    public Instant Start { get; } = Instant.Of(Starts[random.Next(Starts.Length)]);

    private bool Chance(int percent) => random.Next(100) < percent;

    private T Pick<T>(params T[] from) => from[random.Next(from.Length)];

    public string Segment(string id, IReadOnlyList<string> others, IReadOnlyList<string> computed)
    {
        var definition = new JsonObject { ["id"] = id, ["where"] = Condition(3, others, computed) };
        return definition.ToJsonString();
    }

    public string Computed(string id)
    {
        var compute = Pick("count", "sum", "average", "min", "max", "first", "last", "mostFrequent", "uniqueList", "daysSince");
        var definition = new JsonObject { ["id"] = id, ["event"] = Name(), ["compute"] = compute };
        if (compute is not ("count" or "daysSince") && (compute is not ("first" or "last") || Chance(70)))
            definition["of"] = ValuePath();
        if (Chance(40))
            definition["where"] = Where();
        if (Chance(60))
            Window(definition);
        return definition.ToJsonString();
    }

    private JsonObject Condition(int depth, IReadOnlyList<string> others, IReadOnlyList<string> computed)
    {
        var kind = random.Next(depth > 0 ? 14 : 10);
        switch (kind)
        {
            case < 5:
                return EventCondition();
            case < 7:
                return Sequence();
            case 7:
                return Trait(computed);
            case 8 when others.Count > 0:
                return new JsonObject { ["segment"] = others[random.Next(others.Count)] };
            case < 10:
                return Trait(computed);
            case 10:
                return new JsonObject { ["not"] = Condition(depth - 1, others, computed) };
            default:
                var inner = new JsonArray();
                for (var n = random.Next(1, 4); n > 0; n--)
                    inner.Add(Condition(depth - 1, others, computed));
                return new JsonObject { [kind == 11 ? "any" : "all"] = inner };
        }
    }

    private JsonObject EventCondition()
    {
        var condition = Pattern();
        if (Chance(15))
        {
            condition[Pick("first", "last")] = true;
        }
        else if (Chance(70))
        {
            if (Chance(50))
                condition["count"] = Numeric(0, 5);
            if (condition.Count == 1 || Chance(40))
                condition[Pick("sum", "avg", "min", "max", "distinct")] = new JsonObject { [ValuePath()] = Numeric(0, 6) };
        }

        if (Chance(65))
            Window(condition);
        return condition;
    }

    private JsonObject Sequence()
    {
        if (Chance(50))
        {
            var absence = new JsonObject { ["sequence"] = new JsonArray(Pattern(), new JsonObject { ["not"] = Pattern() }), ["within"] = Pick("30m", "1h", "6h", "1d") };
            if (Chance(50))
                absence["expires"] = Pick("36h", "3d", "1w");
            if (Chance(50))
                absence["by"] = "properties.cart";
            return absence;
        }

        var steps = new JsonArray();
        for (var n = random.Next(2, 4); n > 0; n--)
            steps.Add(Pattern());
        var sequence = new JsonObject { ["sequence"] = steps };
        if (Chance(70))
            sequence["within"] = Pick(Spans);
        if (Chance(30))
            sequence["expires"] = Pick(Spans);
        if (Chance(40))
            sequence["by"] = "properties.cart";
        return sequence;
    }

    private JsonObject Trait(IReadOnlyList<string> computed)
    {
        var name = computed.Count > 0 && Chance(50) ? computed[random.Next(computed.Count)] : Pick("plan", "age", "tags", "address.city", "seen", "group.size", "things[].n");
        var condition = new JsonObject { ["trait"] = name };
        foreach (var (op, value) in Tests(Chance(30)).ToList())
            condition[op] = value?.DeepClone();
        if (name == "seen" || Chance(10))
        {
            condition = new JsonObject { ["trait"] = name, ["within"] = Pick(Spans) };
            if (Chance(30))
                condition["after"] = Start.Plus(TimeSpan.FromHours(random.Next(100))).ToString();
        }

        return condition;
    }

    private JsonObject Pattern()
    {
        var pattern = new JsonObject { ["event"] = Name() };
        if (Chance(35))
            pattern["where"] = Where();
        if (Chance(20))
            pattern["on"] = On();
        return pattern;
    }

    private string Name() => Chance(85) ? Pick("A", "B", "C") : Pick(Names);

    private JsonObject Where()
    {
        var where = new JsonObject();
        for (var n = random.Next(1, 3); n > 0; n--)
        {
            var path = Chance(25) ? Pick("properties.products[].category", "properties.products[].price", "properties.tags[]") : Chance(80) ? ValuePath() : Pick("sourceId", "context.ip", "properties.deep");
            where[path] = Tests(Chance(20));
        }

        return where;
    }

    private string ValuePath() => Pick("properties.n", "properties.n", "properties.s", "properties.tags", "properties.products.price", "properties.products.category", "properties.deep.x", "properties.cart");

    private JsonObject Tests(bool two)
    {
        var tests = new JsonObject();
        for (var n = two ? 2 : 1; n > 0; n--)
        {
            var op = Pick("eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "startsWith", "endsWith", "exists");
            tests[op] = op switch
            {
                "in" => new JsonArray(Scalar(), Scalar(), Scalar()),
                "exists" => Chance(60),
                "startsWith" or "endsWith" => Pick("x", "y", "z"),
                "gt" or "gte" or "lt" or "lte" => Chance(70) ? Number() : Text(),
                _ => Scalar(),
            };
        }

        return tests;
    }

    private JsonObject Numeric(int least, int most)
    {
        var tests = new JsonObject { [Pick("eq", "ne", "gt", "gte", "gte", "lt", "lte")] = Chance(85) ? random.Next(least, most) : random.Next(least, most) + 0.5m };
        if (Chance(20))
            tests[Pick("gte", "lte")] = random.Next(least, most);
        return tests;
    }

    private JsonObject On()
    {
        var on = new JsonObject();
        if (Chance(60))
            on["days"] = new JsonArray([.. Days.Where(_ => Chance(40)).DefaultIfEmpty("sun").Select(d => (JsonNode)d)]);
        if (on.Count == 0 || Chance(50))
        {
            var (from, to) = (random.Next(24), random.Next(24));
            on["hours"] = new JsonObject { ["from"] = $"{from:00}:00", ["to"] = from == to ? $"{to:00}:30" : $"{to:00}:00" };
        }

        if (Chance(80))
            on["timeZone"] = Pick(Zones);
        return on;
    }

    private void Window(JsonObject condition)
    {
        if (Chance(75))
        {
            condition["within"] = Pick(Spans);
            return;
        }

        var between = new JsonObject();
        var from = random.Next(TimelineDays);
        if (Chance(70))
            between["from"] = Chance(50) ? Start.Plus(TimeSpan.FromDays(from)).ToString() : Start.Plus(TimeSpan.FromDays(from)).ToString()[..10];
        if (between.Count == 0 || Chance(60))
            between["to"] = Start.Plus(TimeSpan.FromDays(from + 2 + random.Next(3))).ToString()[..10];
        if (Chance(50))
            between["timeZone"] = Pick(Zones);
        condition["between"] = between;
    }

    private JsonNode Number() => Chance(70) ? random.Next(0, 4) : JsonNode.Parse(Pick("1.0", "2.50", "-1", "1e0"))!;

    private JsonNode Text() => Pick("x", "y", "xy", "1", "z", "");

    private JsonNode Scalar() => random.Next(4) switch { 0 => Text(), 1 => Chance(50), _ => Number() };

    private JsonNode? Value() => random.Next(12) switch
    {
        < 5 => Number(),
        < 8 => Text(),
        8 => null,
        9 => true,
        10 => new JsonArray(Scalar(), Scalar(), null),
        _ => new JsonObject { ["x"] = Number() },
    };

    public List<Event> Timeline(int count)
    {
        var timeline = new List<Event>();
        for (var i = 0; i < count; i++)
        {
            // A coarse grid in part, so that times and ends of windows coincide.
            var at = Chance(60) ? random.Next(TimelineDays * 24 * 2) * 1_800_000L : random.NextInt64(TimelineDays * 86_400_000L);
            if (timeline.Count > 0 && Chance(15))
                at = timeline[^1].Timestamp.Milliseconds - Start.Milliseconds;
            timeline.Add(Event($"m{random.Next(1000):000}-{i}", new Instant(Start.Milliseconds + at)));
        }

        return timeline;
    }

    private Event Event(string messageId, Instant at)
    {
        var name = Name();
        var json = new JsonObject
        {
            ["type"] = name[0] == '$' ? name[1..] : "track",
            ["messageId"] = messageId,
            ["sourceId"] = Pick("web", "app"),
            ["timestamp"] = at.ToString(),
            ["receivedAt"] = at.ToString(),
            ["userId"] = "u",
        };
        if (name[0] != '$')
            json["event"] = name;
        if (name is "$identify" or "$group")
            json["traits"] = Traits(at);
        if (Chance(90))
            json["properties"] = Properties();
        if (Chance(30))
            json["context"] = new JsonObject { ["ip"] = Pick("x", "1.2.3.4"), ["library"] = new JsonObject { ["name"] = "t" } };
        return Cdp.Events.Event.Parse(Encoding.UTF8.GetBytes(json.ToJsonString()));
    }

    private JsonObject Traits(Instant at)
    {
        var traits = new JsonObject();
        if (Chance(50))
            traits["plan"] = Value();
        if (Chance(50))
            traits["age"] = Number();
        if (Chance(40))
            traits["size"] = Number();
        if (Chance(40))
            traits["tags"] = new JsonArray(Scalar(), Scalar());
        if (Chance(40))
            traits["address"] = new JsonObject { ["city"] = Text() };
        if (Chance(40))
            traits["things"] = new JsonArray(new JsonObject { ["n"] = Number() }, new JsonObject { ["n"] = Number() });
        if (Chance(60))
            traits["seen"] = at.Plus(TimeSpan.FromHours(random.Next(-60, 60))).ToString();
        return traits;
    }

    private JsonObject Properties()
    {
        var properties = new JsonObject();
        if (Chance(80))
            properties["n"] = Value();
        if (Chance(60))
            properties["s"] = Text();
        if (Chance(70))
            properties["cart"] = Pick("c1", "c2", "c3");
        if (Chance(40))
            properties["tags"] = Chance(20) ? new JsonArray() : new JsonArray(Scalar(), new JsonArray(Scalar()), null);
        if (Chance(40))
            properties["deep"] = Chance(50) ? new JsonObject { ["x"] = Value() } : Value();
        if (Chance(50))
        {
            var products = new JsonArray();
            for (var n = random.Next(4); n > 0; n--)
                products.Add(new JsonObject { ["category"] = Chance(80) ? Text() : null, ["price"] = Chance(80) ? Number() : null });
            properties["products"] = products;
        }

        return properties;
    }
}
