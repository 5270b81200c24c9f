using Cdp.Profiles;

namespace Cdp.Identity;

/// <summary>What the resolution of one group of events has done so far, and must not mistake for the work of others. Not for use by several tasks.</summary>
/// <param name="rules">The same for all of them.</param>
public sealed class ResolutionScope(IdentityRules rules)
{
    private readonly Dictionary<ProfileId, HashSet<Identifier>> pending = [];
    private readonly Dictionary<Identifier, IdentityEntry> claims = [];
    private readonly Dictionary<Identifier, string> adopted = [];

    public IdentityRules Rules { get; } = rules;

    /// <summary>A new round: what was pending is committed, or will be resolved again.</summary>
    public void BeginRound() => pending.Clear();

    /// <summary>An event goes to this profile, which is about to list these identifiers.</summary>
    public void Expect(ProfileId profile, IReadOnlyList<Identifier> identifiers)
    {
        if (!pending.TryGetValue(profile, out var set))
            pending.Add(profile, set = []);
        set.UnionWith(identifiers);
    }

    /// <summary>An identifier was led elsewhere since an event was expected to bring it there: that event will be found stale at its commit.</summary>
    public void NoLongerExpect(ProfileId profile, Identifier identifier)
    {
        if (pending.TryGetValue(profile, out var set))
            set.Remove(identifier);
    }

    /// <summary>Identifiers that earlier events add to a profile, not committed yet.</summary>
    public IReadOnlyCollection<Identifier> Pending(ProfileId profile) => pending.TryGetValue(profile, out var set) ? set : [];

    /// <summary>This group made the entry.</summary>
    public void Claimed(IdentityEntry entry) => claims[entry.Identifier] = entry;

    /// <summary>Documents own these now: what was claimed for them has been used.</summary>
    public void Listed(IEnumerable<Identifier> identifiers)
    {
        foreach (var identifier in identifiers)
            claims.Remove(identifier);
    }

    /// <summary>Claims that came to nothing: their event was a repetition, or went elsewhere.</summary>
    public IReadOnlyCollection<IdentityEntry> Unused => claims.Values;

    /// <summary>Another worker made the entry, and may be about to commit it; this group builds on it too.</summary>
    public void Adopted(IdentityEntry entry) => adopted[entry.Identifier] = entry.Version;

    /// <summary>The entry is as this group made it: nobody else builds on it, so it may be taken back.</summary>
    public bool IsOurs(IdentityEntry entry) => claims.TryGetValue(entry.Identifier, out var claim) && claim.Version == entry.Version;

    /// <summary>The entry is as this group made or adopted it: nobody takes it back unseen.</summary>
    public bool IsHeld(IdentityEntry entry) => IsOurs(entry) || (adopted.TryGetValue(entry.Identifier, out var version) && version == entry.Version);
}
