using Cdp.Profiles;
using Cdp.Reading;

namespace Cdp.Triggers;

/// <summary>All ids under which something may have been decided about a person.</summary>
public static class Person
{
    // The latest: each is a read.
    private const int MostMerged = 50;

    /// <summary>The profile and those that were merged into it.</summary>
    public static IReadOnlyList<ProfileId> Ids(FoundProfile found) => [found.Profile.Id, .. MergedInto(found, found.MergedFrom ?? found.Profile.Id)];

    /// <summary>Those that were merged into the profile, the latest first.</summary>
    /// <param name="asked">The id that led to it.</param>
    public static IReadOnlyList<ProfileId> MergedInto(FoundProfile found, ProfileId asked)
    {
        var merged = new List<ProfileId>();
        if (asked != found.Profile.Id)
            merged.Add(asked);
        for (var i = found.Profile.Merges.Count - 1; i >= 0 && merged.Count < MostMerged; i--)
        {
            var merge = found.Profile.Merges[i];
            // One that is reserved but not fenced is a person of its own yet.
            var isPart = merge.State != MergeState.Undone && (merge.State != MergeState.Fencing || found.Absorbed.Contains(merge.Loser));
            if (isPart && merge.Loser != found.Profile.Id && !merged.Contains(merge.Loser))
                merged.Add(merge.Loser);
        }

        return merged;
    }
}
