using System.Collections.Frozen;
using Cdp.Sources;

namespace Cdp.Identity;

/// <summary>The sources whose events may join two profiles by an identifier of a type.</summary>
public sealed class MergeSources
{
    public static readonly MergeSources Any = new(null);

    /// <summary>Those that are trusted, see <see cref="SourceTrust"/>.</summary>
    public static readonly MergeSources Server = new(null);

    private readonly FrozenSet<string>? ids;

    private MergeSources(IReadOnlyList<string>? ids)
    {
        Ids = ids;
        this.ids = ids?.ToFrozenSet(StringComparer.Ordinal);
    }

    /// <summary>Null unless the sources are listed one by one.</summary>
    public IReadOnlyList<string>? Ids { get; }

    public static MergeSources Of(IReadOnlyList<string> ids) => new(ids);

    /// <param name="source">Null where it is not known any more: nobody vouches for it, so it counts as a client that is not listed.</param>
    public bool Include(Source? source)
    {
        if (ids is not null)
            return source is not null && ids.Contains(source.Id);
        return ReferenceEquals(this, Any) || source is { Trust: SourceTrust.Server };
    }
}
