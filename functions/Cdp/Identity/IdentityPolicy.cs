using Cdp.Events;
using Cdp.Profiles;

namespace Cdp.Identity;

/// <summary>What the rules allow one profile to hold, and which profiles may become one.</summary>
public static class IdentityPolicy
{
    /// <summary>The rule that forbids to merge the two; null where none does.</summary>
    /// <param name="at">The moment to which limits per day, week, month and year count back.</param>
    public static string? MergeViolation(IdentityRules rules, Profile first, Profile second, Instant at)
    {
        var both = new Holdings(rules, at);
        both.Add(first);
        both.Add(second);
        return both.Violation ?? UniqueViolation(rules, first, second);
    }

    /// <summary>Whether a person has decided that none of these links stands: each pair was parted by an unmerge.</summary>
    public static bool IsRejected(Profile first, Profile second, IReadOnlyList<Identifier> leadToFirst, IReadOnlyList<Identifier> leadToSecond)
    {
        if ((first.Rejections.Count == 0 && second.Rejections.Count == 0) || leadToFirst.Count == 0 || leadToSecond.Count == 0)
            return false;
        foreach (var one in leadToFirst)
        {
            foreach (var other in leadToSecond)
            {
                if (!first.Rejections.Exists(r => r.Forbids(one, other)) && !second.Rejections.Exists(r => r.Forbids(one, other)))
                    return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Whether these unique identifiers, of one event, and these of the profile that owns another identifier of the event, are of different
    /// people: that other identifier is used by both.
    /// </summary>
    public static bool AreDifferentPeople(IdentityRules rules, IEnumerable<Identifier> ofEvent, IReadOnlyCollection<Identifier> ofOwner)
    {
        foreach (var identifier in ofEvent)
        {
            if (rules.Find(identifier.Type) is { Unique: true } && !ofOwner.Contains(identifier) && ofOwner.Any(o => o.Type == identifier.Type))
                return true;
        }

        return false;
    }

    private static string? UniqueViolation(IdentityRules rules, Profile first, Profile second)
    {
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
