using System.Collections.Immutable;
using System.Text.Json;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;

namespace Cdp.Destinations;

/// <summary>Paths into an event and tests of what is there, as in <c>where</c> of a segment.</summary>
public sealed class EventFilter
{
    private readonly Filter filter;
    private readonly PathTrie paths;

    private EventFilter(Filter filter, PathTrie paths) => (this.filter, this.paths) = (filter, paths);

    /// <summary>Null where something is wrong, which is noted with its path.</summary>
    public static EventFilter? Parse(JsonElement json, string path, ICollection<ProblemError> errors)
    {
        var reader = new DefinitionReader();
        ImmutableArray<PropertyFilter> filters = new ConditionParser(reader).Filters(json, path);
        foreach (var error in reader.Errors)
            errors.Add(error);
        if (reader.Errors.Count > 0)
            return null;
        var trie = new PathTrie(ofEvents: true);
        return new EventFilter(Filter.Compile(filters, trie), trie);
    }

    public bool Holds(Event e)
    {
        var found = new FoundValues();
        paths.Read(e, found);
        return filter.Holds(found);
    }
}
