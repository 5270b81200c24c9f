using Cdp.Events;
using Cdp.Segments.Matching;
using Cdp.Storage;

namespace Cdp.Segments.Features;

/// <summary>
/// What a definition needs to know of a timeline, as a state that events are folded into in any order. Its key says all that its state depends on, so
/// definitions that need the same share one.
/// </summary>
/// <remarks>Immutable once compiled, shared by all profiles.</remarks>
internal abstract class Feature(string key)
{
    private readonly List<int> definitions = [];

    public ulong Id { get; } = Hash128.Of("", key).High;

    public string Key { get; } = key;

    /// <summary>The first definitions epoch all of whose events it has been folded over: that of the oldest definition that needs it.</summary>
    public long Epoch { get; private set; } = long.MaxValue;

    /// <summary>The definitions to evaluate when it changed.</summary>
    public IReadOnlyList<int> Definitions => definitions;

    /// <param name="unlimited">For the answer from the timeline: nothing is left out.</param>
    public abstract FeatureState NewState(bool unlimited);

    /// <summary>Folds an event in that matched.</summary>
    /// <param name="role">Which of its patterns matched, for features that have several.</param>
    /// <param name="values">What stands at the feature's path in the event.</param>
    public abstract void Apply(FeatureState state, int role, Event e, List<FoundValue>? values);

    /// <summary>The time after which events are needed to answer at an instant; null for all of them.</summary>
    public virtual long? NeededAfter(long now) => null;

    /// <summary>False for events that match but lie outside a fixed time.</summary>
    public virtual bool Includes(Instant at) => true;

    /// <summary>While definitions are compiled: the epoch of one that needs it.</summary>
    public void NeededSince(long epoch) => Epoch = Math.Min(Epoch, epoch);

    /// <summary>While definitions are compiled: one whose result it may change, directly or through a segment or trait that it uses.</summary>
    public void ConcernsDefinition(int definition) => definitions.Add(definition);
}

/// <summary>The state of a <see cref="Feature"/> for one profile.</summary>
internal abstract class FeatureState
{
    /// <param name="watermark">No event of the profile is later, and no question is about an earlier time.</param>
    public abstract void Write(StateWriter writer, long watermark);

    public abstract void Read(ref StateReader reader);

    /// <summary>Folds in the state of other events. False where the result is not exact; then it says so until the timeline has been read.</summary>
    public abstract bool Merge(FeatureState other);

    /// <summary>After an answer from the timeline: leaves out what a stored state leaves out. Null where the stored one is as good.</summary>
    public virtual FeatureState? Bounded(long watermark) => null;
}
