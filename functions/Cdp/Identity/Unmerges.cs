using Cdp.Events;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Identity;

/// <summary>Takes people's word that merges were wrong; <see cref="ProfileSplitter"/> does the work.</summary>
public sealed class Unmerges(ProfileStore profiles, IdentityIndex index, IMessageQueue queue)
{
    /// <summary>Asks for an unmerge. Asking again changes nothing.</summary>
    /// <param name="profile">The profile that has the merge.</param>
    /// <returns>The merge, and whether it is undone already.</returns>
    /// <exception cref="ProblemException">not-found, or merge-in-progress.</exception>
    public async Task<(MergeRecord Merge, bool Done)> RequestAsync(Profile profile, string mergeId, CancellationToken cancellation)
    {
        if (profile.Merges.Find(m => m.Id == mergeId) is not { } merge)
            throw new ProblemException(ProblemType.NotFound, "The profile has no merge of this id. GET /v1/profiles/{key}/identities lists them.");
        if (merge.State == MergeState.Undone)
            return (merge, Done: !profile.IsSplitting);
        if (merge.State != MergeState.Done || profile.Absorbing.Count > 0 || profile.IsSplitting)
            throw new ProblemException(ProblemType.MergeInProgress, "A merge or an unmerge of this profile is under way. Try again when it is done.");
        await SendAsync(merge, cancellation);
        return (merge, Done: false);
    }

    /// <summary>Asks for an unmerge of all that a quarantined identifier has joined.</summary>
    /// <exception cref="ProblemException">not-found: it is not in quarantine.</exception>
    public async Task<IReadOnlyList<MergeRecord>> RequestAllAsync(Identifier identifier, CancellationToken cancellation)
    {
        if (await index.ReadAsync(identifier, cancellation) is not { State: LinkState.Quarantined, Suspension: { } suspension })
            throw new ProblemException(ProblemType.NotFound, "The identifier is not in quarantine. GET /v1/identity-quarantine lists those that are.");
        var (_, profile, _) = await profiles.FollowAsync(suspension.Home, fresh: true, cancellation);
        var caused = profile?.Merges.FindAll(m => m.State == MergeState.Done && (m.LinkedBy == identifier || m.LinkedTo == identifier)) ?? [];
        // The latest first: what was merged into it before comes along with each.
        caused.Sort(static (a, b) => b.At.CompareTo(a.At));
        foreach (var merge in caused)
            await SendAsync(merge, cancellation);
        return caused;
    }

    private Task SendAsync(MergeRecord merge, CancellationToken cancellation) =>
        queue.SendAsync(QueueName.Merges, new UnmergeRequest(merge.Id, merge.Loser).ToJson(), delay: null, cancellation);
}
