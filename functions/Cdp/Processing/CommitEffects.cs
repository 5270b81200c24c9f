using Cdp.Deliveries;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Processing;

/// <summary>
/// What has to leave because of one commit, in the order it came about. Each kind of effect has a method here, which says to which queue it goes; whatever the kind, it
/// leaves through the same row of the outbox, written with the commit (<see cref="Outbox.Stage"/>).
/// </summary>
/// <remarks>One for a transaction. Whoever folds anew because the transaction was refused begins with an empty one, so that nothing is told that did not happen.</remarks>
public sealed class CommitEffects
{
    private readonly List<Effect> effects = [];

    public IReadOnlyList<Effect> All => effects;

    public void Add(MergeRequest merge) => effects.Add(new Effect(QueueName.Merges, merge.ToJson()));

    public void Add(Change change) => effects.Add(new Effect(QueueName.Deliveries, change.ToJson()));

    public void Add(IReadOnlyList<Change> changes)
    {
        for (var i = 0; i < changes.Count; i++)
            Add(changes[i]);
    }
}

/// <summary>The effects of a transaction, and the row of the outbox that was written with it.</summary>
public sealed record StagedEffects(ProfileId Profile, string Key, IReadOnlyList<Effect> Effects);
