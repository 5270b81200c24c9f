using System.Runtime.CompilerServices;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Segments;

/// <summary>A profile's timeline as it is stored.</summary>
internal sealed class RowTimeline(IRowStore rows, ProfileId profile) : ITimeline
{
    private const int PageSize = 1000;

    public async IAsyncEnumerable<Event> ReadAsync(Instant? from, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var (first, end) = ProfileRows.Events(profile, oldest: from is { Milliseconds: > 0 } time ? new Instant(time.Milliseconds - 1) : null);
        await foreach (var row in rows.RangeAsync(TableName.Profiles, profile.Shard, first, end, PageSize, cancellation))
            yield return EventRow.Decode(profile, row.Data).Event;
    }
}
