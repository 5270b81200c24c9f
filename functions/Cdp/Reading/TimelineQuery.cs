using Cdp.Events;
using Cdp.Interactions;

namespace Cdp.Reading;

/// <summary>What a page of a timeline was asked for.</summary>
/// <param name="Names">Names of track calls, exactly; none means any event.</param>
/// <param name="Types">None means any.</param>
/// <param name="From">Inclusive.</param>
/// <param name="To">Exclusive.</param>
public sealed record TimelineQuery(
    IReadOnlySet<string> Names, IReadOnlySet<EventType> Types, Instant? From, Instant? To, int Limit, string? Cursor = null)
{
    /// <summary>Of interactions; none means any, null that interactions and other events are wanted.</summary>
    public IReadOnlySet<string>? Kinds { get; init; }

    /// <summary>Whether a source is believed what it calls an interaction.</summary>
    public Func<string, bool> IsBelieved { get; init; } = static _ => true;

    public bool Filters => Names.Count > 0 || Types.Count > 0 || Kinds is not null;

    public bool Matches(Event e) =>
        (Types.Count == 0 || Types.Contains(e.Type)) && (Names.Count == 0 || (e.Name is { } name && Names.Contains(name)))
        && (Kinds is null || (InteractionKinds.Of(e) is { } kind && (Kinds.Count == 0 || Kinds.Contains(kind)) && IsBelieved(e.SourceId)));

    /// <summary>What a cursor is bound to. Not the limit: a next page may have another size.</summary>
    internal string Scope(ProfileKey key) => Cursors.Scope(
    [
        Kinds is null ? "events" : "interactions", key.ToString(), From?.ToString() ?? "", To?.ToString() ?? "",
        .. Types.Select(type => type.Name()).Order(StringComparer.Ordinal),
        "",
        .. Names.Order(StringComparer.Ordinal),
        .. Kinds is null ? [] : Kinds.Order(StringComparer.Ordinal).Prepend(""),
    ]);
}
