using System.Runtime.CompilerServices;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Segments.Backfill;

/// <summary>
/// The timelines of many profiles of one shard in one pass over its rows, which lie in the order of the profiles' ids: a page of rows holds those of many. Each
/// timeline can be read once, in that order.
/// </summary>
internal sealed class EventSweep : IAsyncDisposable
{
    private const int PageSize = 1000;

    private readonly IAsyncEnumerator<Row> events;
    private Row? next;
    private bool isOver;

    /// <param name="first">The first profile whose timeline is read.</param>
    /// <param name="last">The last one.</param>
    public EventSweep(IRowStore rows, string shard, ProfileId first, ProfileId last, CancellationToken cancellation)
    {
        var (from, to) = (ProfileRows.Events(first).From, ProfileRows.Events(last).To);
        events = rows.RangeAsync(TableName.Profiles, shard, from, to, PageSize, cancellation).GetAsyncEnumerator(cancellation);
    }

    public ITimeline Of(ProfileId profile) => new Part(this, profile);

    public ValueTask DisposeAsync() => events.DisposeAsync();

    private async IAsyncEnumerable<Event> ReadAsync(ProfileId profile, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var (from, to) = ProfileRows.Events(profile);
        while (!isOver)
        {
            cancellation.ThrowIfCancellationRequested();
            if (next is null && !await events.MoveNextAsync())
            {
                isOver = true;
                yield break;
            }

            next ??= events.Current;
            if (string.CompareOrdinal(next.Key, to) >= 0)
                yield break;
            var row = next;
            next = null;
            // Before it are those of profiles that nobody asks for.
            if (string.CompareOrdinal(row.Key, from) >= 0)
                yield return EventRow.Decode(profile, row.Data).Event;
        }
    }

    private sealed class Part(EventSweep sweep, ProfileId profile) : ITimeline
    {
        public IAsyncEnumerable<Event> ReadAsync(Instant? from, CancellationToken cancellation) => sweep.ReadAsync(profile, cancellation);
    }
}
