using System.Text;
using System.Text.Json.Nodes;
using Cdp.ComputedTraits;
using Cdp.Events;
using Cdp.Segments;
using Cdp.Segments.Language;

namespace Cdp.Tests.Segments;

/// <summary>One profile and a few definitions, told event by event.</summary>
internal sealed class Story
{
    public static readonly Instant Start = Instant.Of(new DateTimeOffset(2026, 1, 2, 0, 0, 0, TimeSpan.Zero));

    private readonly SimulatedProfile profile = new();
    private int count;

    public Story(params string[] segments)
        : this(segments, [])
    {
    }

    public Story(string[] segments, string[] computed, SegmentLimits? limits = null)
    {
        Segments = [.. segments.Select((where, i) => Parse(where[0] == '{' && where.Contains("\"where\":", StringComparison.Ordinal) && where.Contains("\"id\":", StringComparison.Ordinal)
            ? where : $$"""{"id":"s{{i}}","where":{{where}}}"""))];
        Computed = [.. computed.Select(ParseComputed)];
        Definitions = CompiledDefinitions.Compile(1, Segments, Computed, limits);
        State = ProfileSegments.New(Definitions);
    }

    public IReadOnlyList<SegmentDefinition> Segments { get; }

    public IReadOnlyList<ComputedTraitDefinition> Computed { get; }

    public CompiledDefinitions Definitions { get; }

    public ProfileSegments State { get; set; }

    public SimulatedProfile Profile => profile;

    public static SegmentDefinition Parse(string json)
    {
        var result = SegmentDefinition.Parse(Encoding.UTF8.GetBytes(json));
        return result.Definition ?? throw new InvalidOperationException(string.Join("; ", result.Errors.Select(e => $"{e.Path}: {e.Reason}")));
    }

    public static ComputedTraitDefinition ParseComputed(string json)
    {
        var result = ComputedTraitDefinition.Parse(Encoding.UTF8.GetBytes(json));
        return result.Definition ?? throw new InvalidOperationException(string.Join("; ", result.Errors.Select(e => $"{e.Path}: {e.Reason}")));
    }

    public static Instant At(string after)
    {
        if (after is "0" or "")
            return Start;
        Assert.True(Duration.TryParse(after, out var duration));
        return new Instant(Start.Milliseconds + duration.Milliseconds);
    }

    public static Event Event(string name, Instant at, string messageId, string? properties = null, string? traits = null)
    {
        var json = new JsonObject { ["type"] = name[0] == '$' ? name[1..] : "track", ["messageId"] = messageId, ["sourceId"] = "web", ["timestamp"] = at.ToString(), ["receivedAt"] = at.ToString(), ["userId"] = "u" };
        if (name[0] != '$')
            json["event"] = name;
        if (properties is not null)
            json["properties"] = JsonNode.Parse(properties);
        if (traits is not null)
            json["traits"] = JsonNode.Parse(traits);
        return Cdp.Events.Event.Parse(Encoding.UTF8.GetBytes(json.ToJsonString()));
    }

    public Story Then(string name, string after = "0", string? properties = null, string? traits = null, string? messageId = null) =>
        Take(Event(name, At(after), messageId ?? $"m{++count}", properties, traits));

    public Story Take(Event e)
    {
        State.Apply(e);
        profile.SetTraits(e);
        profile.Stored.Add(e);
        return this;
    }

    public bool? Member(string after = "0", string segment = "s0", Instant? oldestQueued = null) =>
        Evaluate(after, oldestQueued).Segments.Single(s => s.SegmentId == segment).Member;

    public string? Value(string trait, string after = "0") => Evaluate(after).Computed.Single(c => c.TraitId == trait).Json;

    public SegmentEvaluation Evaluate(string after = "0", Instant? oldestQueued = null) => State.Evaluate(At(after), profile, oldestQueued, everything: true);
}
