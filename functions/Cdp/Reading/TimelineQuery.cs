using Cdp.Events;

namespace Cdp.Reading;

/// <summary>What a page of a timeline was asked for.</summary>
/// <param name="Names">Names of track calls, exactly; none means any event.</param>
/// <param name="Types">None means any.</param>
/// <param name="From">Inclusive.</param>
/// <param name="To">Exclusive.</param>
public sealed record TimelineQuery(
    IReadOnlySet<string> Names, IReadOnlySet<EventType> Types, Instant? From, Instant? To, int Limit, string? Cursor = null)
{
    public bool Filters => Names.Count > 0 || Types.Count > 0;

    public bool Matches(Event e) =>
        (Types.Count == 0 || Types.Contains(e.Type)) && (Names.Count == 0 || (e.Name is { } name && Names.Contains(name)));

    /// <summary>What a cursor is bound to. Not the limit: a next page may have another size.</summary>
    internal string Scope(ProfileKey key) => Cursors.Scope(
    [
        "events", key.ToString(), From?.ToString() ?? "", To?.ToString() ?? "",
        .. Types.Select(type => type.Name()).Order(StringComparer.Ordinal),
        "",
        .. Names.Order(StringComparer.Ordinal),
    ]);
}
