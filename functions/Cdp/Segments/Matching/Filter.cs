using Cdp.Segments.Language;

namespace Cdp.Segments.Matching;

/// <summary>
/// The filters of one pattern. Those on one <c>[]</c> path are a group that must hold for one element of the list; a group in which
/// everything is negative (<c>ne</c>, <c>exists: false</c>) must hold for every element.
/// </summary>
internal sealed class Filter
{
    private readonly (int Slot, ValueTest Test)[] values;
    private readonly (int Slot, PathTrie Paths, Filter Inner)[] lists;

    private Filter((int, ValueTest)[] values, (int, PathTrie, Filter)[] lists)
    {
        this.values = values;
        this.lists = lists;
        IsNegative = Array.TrueForAll(this.values, v => v.Test.IsNegative) && Array.TrueForAll(this.lists, l => l.Inner.IsNegative);
    }

    public bool IsNegative { get; }

    /// <summary>A value that has to be among those of a path, or nothing holds; null where there is no such one.</summary>
    public (int Slot, JsonScalar Value)? Required
    {
        get
        {
            foreach (var (slot, test) in values)
            {
                foreach (var comparison in test.Comparisons)
                {
                    if (comparison.Operator == Operator.Eq)
                        return (slot, comparison.Operand);
                }
            }

            return null;
        }
    }

    /// <param name="paths">Takes up the paths of the filters.</param>
    public static Filter Compile(IEnumerable<PropertyFilter> filters, PathTrie paths) =>
        Compile([.. filters.Select(f => (f.Path.Steps.AsMemory(), new ValueTest(f.Tests)))], paths);

    public bool Holds(FoundValues found)
    {
        foreach (var (slot, test) in values)
        {
            if (!test.Holds(found.Values[slot]))
                return false;
        }

        foreach (var (slot, paths, inner) in lists)
        {
            if (!HoldsOfElement(found.Elements[slot], paths, inner, found.Inner))
                return false;
        }

        return true;
    }

    private static bool HoldsOfElement(List<ReadOnlyMemory<byte>> elements, PathTrie paths, Filter inner, FoundValues scratch)
    {
        foreach (var element in elements)
        {
            paths.Read(element, scratch);
            if (inner.Holds(scratch) != inner.IsNegative)
                return !inner.IsNegative;
        }

        return inner.IsNegative;
    }

    private static Filter Compile(IReadOnlyList<(ReadOnlyMemory<PathStep> Path, ValueTest Test)> filters, PathTrie paths)
    {
        var plain = new List<(int, ValueTest)>();
        var groups = new Dictionary<int, List<(ReadOnlyMemory<PathStep>, ValueTest)>>();
        foreach (var (path, test) in filters)
        {
            var list = IndexOfList(path.Span);
            if (list < 0)
            {
                plain.Add((paths.Values(path.Span), test));
                continue;
            }

            var slot = paths.Elements(path.Span[..(list + 1)]);
            if (!groups.TryGetValue(slot, out var group))
                groups[slot] = group = [];
            group.Add((path[(list + 1)..], test));
        }

        var compiled = groups.Select(group =>
        {
            var inner = new PathTrie(ofEvents: false);
            return (group.Key, inner, Compile(group.Value, inner));
        });
        return new Filter([.. plain], [.. compiled]);
    }

    private static int IndexOfList(ReadOnlySpan<PathStep> path)
    {
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i].EachElement)
                return i;
        }

        return -1;
    }
}
