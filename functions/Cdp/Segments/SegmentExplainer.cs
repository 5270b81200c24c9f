using System.Buffers;
using System.Text.Json;
using Cdp.ComputedTraits;
using Cdp.Events;
using Cdp.Segments.Evaluation;
using Cdp.Segments.Features;

namespace Cdp.Segments;

/// <summary>Why a profile is in a segment, or is not.</summary>
/// <param name="NextChangeAt">When the answer can change without an event; null for never.</param>
/// <param name="Tree">JSON: every condition with its path, its words, its value, its result and the newest messages that matched.</param>
public sealed record SegmentExplanation(bool Member, Instant EvaluatedAt, Instant? NextChangeAt, ReadOnlyMemory<byte> Tree);

/// <summary>Explains with the evaluator that serves live events, over states folded from the timeline, in which nothing is left out.</summary>
public static class SegmentExplainer
{
    /// <summary>Messages shown for a condition.</summary>
    public const int MostMatched = 20;

    /// <param name="segment">One of <paramref name="segments"/>.</param>
    /// <param name="at">Later events are passed over. Traits are taken as they are now.</param>
    public static async Task<SegmentExplanation> ExplainAsync(
        string segment,
        IReadOnlyList<SegmentDefinition> segments,
        IReadOnlyList<ComputedTraitDefinition> computed,
        IProfileTraits traits,
        ITimeline timeline,
        Instant at,
        SegmentLimits? limits = null,
        CancellationToken cancellation = default)
    {
        var needed = SegmentReferences.Reachable(segments.Single(s => s.Id == segment), segments);
        var definitions = CompiledDefinitions.CompileExact(needed, computed, limits ?? SegmentLimits.Default);
        var profile = ProfileSegments.New(definitions);
        var matched = new Dictionary<Feature, List<(long Time, string MessageId)>>();
        var matching = new HashSet<Feature>();
        await foreach (var e in timeline.ReadAsync(null, cancellation))
        {
            if (e.Timestamp > at)
                continue;
            profile.Fold(e);
            profile.Matching(e, matching);
            foreach (var feature in matching)
            {
                if (!matched.TryGetValue(feature, out var messages))
                    matched[feature] = messages = [];
                if (messages.Count < MostMatched)
                    messages.Add((e.Timestamp.Milliseconds, e.MessageId));
            }
        }

        var context = profile.Context(at, traits, oldestQueued: null);
        var root = definitions.Definitions.OfType<CompiledSegment>().Single(d => d.Id == segment).Where;
        var outcome = root.Evaluate(context);
        var tree = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(tree))
            Write(writer, root, context, matched);
        return new SegmentExplanation(
            outcome.Result == true, new Instant(context.Now), outcome.Next == Outcome.Never ? null : new Instant(outcome.Next), tree.WrittenMemory);
    }

    private static void Write(
        Utf8JsonWriter writer, Node node, EvaluationContext context, Dictionary<Feature, List<(long Time, string MessageId)>> matched)
    {
        writer.WriteStartObject();
        writer.WriteString("path", node.Path);
        switch (node)
        {
            case AllNode all:
                WriteList(writer, "all", all.Children, context, matched);
                break;
            case AnyNode any:
                WriteList(writer, "any", any.Children, context, matched);
                break;
            case NotNode not:
                writer.WritePropertyName("not");
                Write(writer, not.Child, context, matched);
                break;
            case LeafNode leaf:
                writer.WriteString("condition", leaf.Text);
                if (leaf.Value(context) is { } value)
                {
                    writer.WritePropertyName("value");
                    writer.WriteRawValue(value);
                }

                if (leaf.Feature is { } feature)
                    WriteMatched(writer, feature, context, matched.GetValueOrDefault(feature) ?? []);
                if (leaf is ReferenceNode reference)
                {
                    writer.WritePropertyName("tree");
                    Write(writer, reference.Target!, context, matched);
                }

                break;
        }

        writer.WriteBoolean("result", node.Evaluate(context).Result == true);
        writer.WriteEndObject();
    }

    private static void WriteList(
        Utf8JsonWriter writer, string name, Node[] children, EvaluationContext context, Dictionary<Feature, List<(long Time, string MessageId)>> matched)
    {
        writer.WriteStartArray(name);
        foreach (var child in children)
            Write(writer, child, context, matched);
        writer.WriteEndArray();
    }

    private static void WriteMatched(Utf8JsonWriter writer, Feature feature, EvaluationContext context, List<(long Time, string MessageId)> messages)
    {
        writer.WriteStartArray("matched");
        if (feature is EndFeature)
        {
            // The one that counts, which need not be among the newest.
            if (context.Find(feature) is EndState { Key: { } key })
                writer.WriteStringValue(key.MessageId);
        }
        else
        {
            var after = feature.NeededAfter(context.Now) ?? long.MinValue;
            foreach (var (time, messageId) in messages)
            {
                if (time > after)
                    writer.WriteStringValue(messageId);
            }
        }

        writer.WriteEndArray();
    }
}
