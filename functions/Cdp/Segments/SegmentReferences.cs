using Cdp.Segments.Language;

namespace Cdp.Segments;

/// <summary>Which segments use which.</summary>
public static class SegmentReferences
{
    /// <summary>The segments that a condition names.</summary>
    public static IReadOnlyList<string> Of(Condition condition)
    {
        var found = new List<string>();
        Collect(condition, found);
        return found;
    }

    /// <summary>A segment, and all that it uses, directly and not.</summary>
    public static List<SegmentDefinition> Reachable(SegmentDefinition segment, IReadOnlyList<SegmentDefinition> segments)
    {
        var all = segments.ToDictionary(s => s.Id, StringComparer.Ordinal);
        var reached = new List<SegmentDefinition> { segment };
        for (var i = 0; i < reached.Count; i++)
        {
            foreach (var used in Of(reached[i].Where))
            {
                if (!reached.Exists(r => r.Id == used))
                    reached.Add(all[used]);
            }
        }

        return reached;
    }

    /// <summary>Whether a condition asks for a trait of this name, so that a computed trait of that id would be meant.</summary>
    public static bool NamesTrait(Condition condition, string name) => condition switch
    {
        AllCondition all => all.Conditions.Any(inner => NamesTrait(inner, name)),
        AnyCondition any => any.Conditions.Any(inner => NamesTrait(inner, name)),
        NotCondition not => NamesTrait(not.Condition, name),
        TraitCondition trait => trait.Trait.Steps is [{ EachElement: false, Name: var asked }] && asked == name,
        _ => false,
    };

    /// <summary>A circle through a segment, from it to itself, such as <c>a, b, a</c>; null where there is none.</summary>
    public static IReadOnlyList<string>? FindCycle(string start, IReadOnlyDictionary<string, SegmentDefinition> all)
    {
        var path = new List<string> { start };
        return Leads(start, start, all, path, []) ? path : null;
    }

    /// <summary>What is wrong with a set of segments: uses of segments that there are not, circles, and chains that are too long.</summary>
    public static IReadOnlyList<string> Check(IReadOnlyList<SegmentDefinition> segments)
    {
        var all = segments.ToDictionary(s => s.Id, StringComparer.Ordinal);
        var errors = new List<string>();
        foreach (var segment in segments)
        {
            foreach (var used in Of(segment.Where))
            {
                if (!all.ContainsKey(used))
                    errors.Add($"'{segment.Id}' uses segment '{used}', which there is not");
            }

            if (FindCycle(segment.Id, all) is { } cycle)
                errors.Add($"'{segment.Id}' uses itself: {string.Join(" -> ", cycle)}");
        }

        if (errors.Count == 0)
        {
            var depths = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (var segment in segments)
            {
                if (Depth(segment, all, depths) > DefinitionLimits.MostReferenceDepth)
                    errors.Add($"'{segment.Id}' uses segments that use segments, more than {DefinitionLimits.MostReferenceDepth} deep");
            }
        }

        return errors;
    }

    private static bool Leads(
        string from, string to, IReadOnlyDictionary<string, SegmentDefinition> all, List<string> path, HashSet<string> visited)
    {
        if (!all.TryGetValue(from, out var segment))
            return false;
        foreach (var used in Of(segment.Where))
        {
            path.Add(used);
            if (used == to || (visited.Add(used) && Leads(used, to, all, path, visited)))
                return true;
            path.RemoveAt(path.Count - 1);
        }

        return false;
    }

    private static int Depth(SegmentDefinition segment, Dictionary<string, SegmentDefinition> all, Dictionary<string, int> depths)
    {
        if (depths.TryGetValue(segment.Id, out var known))
            return known;
        var depth = 0;
        foreach (var used in Of(segment.Where))
            depth = Math.Max(depth, 1 + Depth(all[used], all, depths));
        return depths[segment.Id] = depth;
    }

    private static void Collect(Condition condition, List<string> found)
    {
        switch (condition)
        {
            case AllCondition all:
                foreach (var inner in all.Conditions)
                    Collect(inner, found);
                break;
            case AnyCondition any:
                foreach (var inner in any.Conditions)
                    Collect(inner, found);
                break;
            case NotCondition not:
                Collect(not.Condition, found);
                break;
            case SegmentCondition { Segment: var id } when !found.Contains(id):
                found.Add(id);
                break;
        }
    }
}
