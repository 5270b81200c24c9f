using Cdp.Segments.Features;
using Cdp.Segments.Matching;

namespace Cdp.Segments.Evaluation;

/// <summary>One evaluation of one profile.</summary>
internal sealed class EvaluationContext(ProfileSegments profile, IProfileTraits traits, long now, bool hasBacklog, long grace)
{
    private readonly List<Feature> needed = [];
    private Dictionary<Feature, FeatureState>? exact;
    private Dictionary<Node, Outcome>? referenced;

    public IProfileTraits Traits { get; } = traits;

    public long Now { get; } = now;

    public bool HasBacklog { get; } = hasBacklog;

    public long Grace { get; } = grace;

    public FoundValues Found { get; } = new();

    /// <summary>The features whose states do not tell.</summary>
    public List<Feature> Needed => needed;

    /// <summary>Null where nothing ever matched.</summary>
    public FeatureState? Find(Feature feature) =>
        exact is not null && exact.TryGetValue(feature, out var state) ? state : profile.Find(feature);

    public void NeedTimeline(Feature feature)
    {
        if (!needed.Contains(feature))
            needed.Add(feature);
    }

    public void Changed(Feature feature) => profile.Changed(feature);

    /// <summary>A segment that others use is evaluated once.</summary>
    public Outcome Referenced(Node target)
    {
        if (referenced is not null && referenced.TryGetValue(target, out var outcome))
            return outcome;
        outcome = target.Evaluate(this);
        // What is unknown has to say again what it needs, to each that asks.
        if (outcome.Result is not null)
            (referenced ??= [])[target] = outcome;
        return outcome;
    }

    /// <summary>Answers from here on with states that were read from the timeline.</summary>
    public void Answer(Dictionary<Feature, FeatureState> states)
    {
        exact ??= [];
        foreach (var (feature, state) in states)
            exact[feature] = state;
        needed.Clear();
        referenced = null;
    }
}
