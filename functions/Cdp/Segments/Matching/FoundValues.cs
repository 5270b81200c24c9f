namespace Cdp.Segments.Matching;

/// <param name="InList">An element of a list at the end of the path: <c>contains</c> then asks for an equal element.</param>
internal readonly record struct FoundValue(JsonScalar Value, bool InList);

/// <summary>What a <see cref="PathTrie"/> found, by slot. Used again and again: what is in it holds until the next pass.</summary>
internal sealed class FoundValues
{
    private readonly List<List<FoundValue>> values = [];
    private readonly List<List<ReadOnlyMemory<byte>>> elements = [];
    private FoundValues? inner;

    public IReadOnlyList<List<FoundValue>> Values => values;

    public IReadOnlyList<List<ReadOnlyMemory<byte>>> Elements => elements;

    /// <summary>For the values inside an element.</summary>
    public FoundValues Inner => inner ??= new FoundValues();

    public void Reset(PathTrie paths)
    {
        while (values.Count < paths.ValueSlots)
            values.Add([]);
        while (elements.Count < paths.ElementSlots)
            elements.Add([]);
        for (var i = 0; i < paths.ValueSlots; i++)
            values[i].Clear();
        for (var i = 0; i < paths.ElementSlots; i++)
            elements[i].Clear();
    }
}
