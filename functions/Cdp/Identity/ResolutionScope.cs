using Cdp.Profiles;

namespace Cdp.Identity;

/// <summary>What the resolution of one group of events has done so far, and must not mistake for the work of others. Not for use by several tasks.</summary>
public sealed class ResolutionScope
{
    private readonly Dictionary<ProfileId, HashSet<Identifier>> pending = [];
    private readonly Dictionary<Identifier, string> claims = [];

    /// <summary>A new round: what was pending is committed, or will be resolved again.</summary>
    public void BeginRound() => pending.Clear();

    /// <summary>An event goes to this profile, which is about to list these identifiers.</summary>
    public void Expect(ProfileId profile, IReadOnlyList<Identifier> identifiers)
    {
        if (!pending.TryGetValue(profile, out var set))
            pending.Add(profile, set = []);
        set.UnionWith(identifiers);
    }

    /// <summary>Identifiers that earlier events add to a profile, not committed yet.</summary>
    public IReadOnlyCollection<Identifier> Pending(ProfileId profile) => pending.TryGetValue(profile, out var set) ? set : [];

    /// <summary>The entry was written by this group.</summary>
    public void Wrote(IdentityEntry entry) => claims[entry.Identifier] = entry.Version;

    /// <summary>The entry is as this group wrote it: nobody else builds on it.</summary>
    public bool IsOurs(IdentityEntry entry) => claims.TryGetValue(entry.Identifier, out var version) && version == entry.Version;
}
