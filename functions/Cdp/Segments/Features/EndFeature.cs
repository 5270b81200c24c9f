using Cdp.Events;
using Cdp.Segments.Matching;

namespace Cdp.Segments.Features;

/// <summary>The first or the last matching event by (time, messageId), with the value at a path if there is one to be kept. O(1), mergeable.</summary>
/// <param name="withValue">Only events count that have a value there.</param>
internal sealed class EndFeature(string key, bool last, bool withValue) : Feature(key)
{
    /// <summary>Longer texts are passed over: a state is no place for them.</summary>
    public const int LongestValue = 512;

    public override FeatureState NewState(bool unlimited) => new EndState(last);

    public override void Apply(FeatureState state, int role, Event e, List<FoundValue>? values)
    {
        if (!withValue)
        {
            ((EndState)state).Offer(EventKey.Of(e), default);
            return;
        }

        foreach (var value in values!)
        {
            if (value.Value.Kind == ScalarKind.Composite || value.Value.Text?.Length > LongestValue)
                continue;
            ((EndState)state).Offer(EventKey.Of(e), value.Value);
            return;
        }
    }
}

internal sealed class EndState(bool last) : FeatureState
{
    public EventKey? Key { get; private set; }

    public JsonScalar Value { get; private set; }

    public void Offer(EventKey key, JsonScalar value)
    {
        if (Key is { } present && key.CompareTo(present) > 0 != last)
            return;
        Key = key;
        Value = value;
    }

    public override void Write(StateWriter writer, long watermark)
    {
        writer.Flag(Key is not null);
        if (Key is not { } key)
            return;
        writer.Key(key);
        writer.Scalar(Value);
    }

    public override void Read(ref StateReader reader)
    {
        if (!reader.Flag())
            return;
        Key = reader.Key();
        Value = reader.Scalar();
    }

    public override bool Merge(FeatureState other)
    {
        var end = (EndState)other;
        if (end.Key is { } key)
            Offer(key, end.Value);
        return true;
    }
}
