using Cdp.Profiles;

namespace Cdp.Identity;

/// <summary>What the rules allow one profile to hold.</summary>
public static class IdentityPolicy
{
    /// <summary>The rule that forbids these identifiers to stand together in one profile, such as <c>user_id.limit</c>; null where none does.</summary>
    public static string? Violation(IdentityRules rules, IEnumerable<Identifier> identifiers)
    {
        var distinct = new HashSet<Identifier>(identifiers);
        foreach (var type in rules.Types)
        {
            var count = 0;
            foreach (var identifier in distinct)
            {
                if (identifier.Type == type.Name)
                    count++;
            }

            if (count > type.Limit.Count)
                return type.Name + ".limit";
        }

        return null;
    }

    /// <summary>The rule that forbids to merge the two; null where none does.</summary>
    public static string? MergeViolation(IdentityRules rules, Profile first, Profile second)
    {
        if (Violation(rules, first.AllIdentifiers().Concat(second.AllIdentifiers())) is { } limit)
            return limit;
        foreach (var type in rules.Types)
        {
            if (type.Unique && Differ(type.Name, first, second))
                return type.Name + ".unique";
        }

        return null;
    }

    private static bool Differ(string type, Profile first, Profile second)
    {
        var ours = first.AllIdentifiers().Where(i => i.Type == type).ToHashSet();
        return ours.Count > 0 && second.AllIdentifiers().Any(i => i.Type == type && !ours.Contains(i));
    }
}
