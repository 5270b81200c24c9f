using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cdp.Collect;
using Cdp.Events;

namespace Cdp.Tests.Events;

/// <summary>Events in stored form, as a collector would have written them.</summary>
public static class TestEvents
{
    public static readonly Instant Start = Instant.Of(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    public static Event Make(
        string messageId,
        string type = "track",
        string? userId = null,
        string? anonymousId = null,
        object? traits = null,
        int second = 0,
        string source = "web",
        string? previousId = null,
        object? properties = null,
        object? context = null)
    {
        var at = Start.Plus(TimeSpan.FromSeconds(second));
        var json = new JsonObject
        {
            ["type"] = type,
            ["messageId"] = messageId,
            ["sourceId"] = source,
            ["timestamp"] = at.ToString(),
            ["originalTimestamp"] = at.ToString(),
            ["receivedAt"] = Start.Plus(TimeSpan.FromDays(1)).ToString(),
        };
        if (type == "track")
            json["event"] = "Something Happened";
        Add(json, "userId", userId);
        Add(json, "anonymousId", anonymousId);
        Add(json, "previousId", previousId);
        Add(json, "traits", traits);
        Add(json, "properties", properties);
        Add(json, "context", context);
        return Event.Parse(Encoding.UTF8.GetBytes(json.ToJsonString()));
    }

    public static CollectedEvent Collected(this Event e) => new(e.Json, e.Historical);

    private static void Add(JsonObject json, string name, object? value)
    {
        if (value is not null)
            json[name] = JsonSerializer.SerializeToNode(value);
    }
}
