using System.Runtime.InteropServices;
using Cdp.Events;
using Cdp.Profiles;

namespace Cdp.Identity;

/// <summary>Counts identifiers that are to stand together in one profile against the limits of their types.</summary>
/// <param name="at">The moment to which limits per day, week, month and year count back.</param>
public sealed class Holdings(IdentityRules rules, Instant at)
{
    private readonly HashSet<Identifier> seen = [];
    private readonly Dictionary<string, int> counts = new(StringComparer.Ordinal);

    /// <summary>The rule they break, such as <c>user_id.limit</c>; null where they break none.</summary>
    public string? Violation { get; private set; }

    /// <summary>All that the profile owns.</summary>
    /// <param name="reserved">And what it has reserved for a merge.</param>
    public void Add(Profile profile, bool reserved = true)
    {
        foreach (var owned in profile.Identifiers)
            Add(owned.Identifier, owned.AddedAt);
        if (!reserved)
            return;
        foreach (var absorption in profile.Absorbing)
            Add(absorption.Reserved);
    }

    /// <summary>Identifiers that come now.</summary>
    public void Add(IEnumerable<Identifier> identifiers)
    {
        foreach (var identifier in identifiers)
            Add(identifier, at);
    }

    private void Add(Identifier identifier, Instant addedAt)
    {
        // A type that the rules do not know any more has no limit: its values stay and link nobody.
        if (!seen.Add(identifier) || rules.Find(identifier.Type) is not { } type)
            return;
        if (type.Limit.Window is { } window && addedAt <= at.Plus(-window))
            return;
        ref var count = ref CollectionsMarshal.GetValueRefOrAddDefault(counts, type.Name, out _);
        if (++count > type.Limit.Count)
            Violation ??= type.Name + ".limit";
    }
}
