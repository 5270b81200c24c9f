using System.Runtime.CompilerServices;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Reading;

/// <param name="Next">The cursor of the next page; null exactly on the last one.</param>
public sealed record TimelinePage(IReadOnlyList<EventRow> Events, string? Next);

/// <summary>Reads timelines page by page, newest first by (time, messageId, sourceId).</summary>
/// <remarks>
/// <para>
/// Rows are stored by time and, within a millisecond, by a hash. So a millisecond is read whole before any of its events is given out,
/// and of its events only as many are held as the page has room for: thousands may share one time, in imports for instance.
/// </para>
/// <para>
/// While a merge copies events, they are in the old place, in the new one, or in both. The old place is read first: what is not there any
/// more when it is read has been copied before, and so is seen in the new place, which is read after.
/// </para>
/// </remarks>
/// <param name="mostScanned">
/// Rows read for one page, but that a millisecond is always finished: a filter that matches nothing costs a bounded request, and the page
/// ends early with a cursor.
/// </param>
public sealed class TimelineReader(IRowStore rows, Cursors cursors, int mostScanned = TimelineReader.MostScanned)
{
    public const int MostScanned = 5_000;

    // A page ends early rather than being larger than this.
    private const int MostPageBytes = 4 * 1024 * 1024;

    // The most that the storage answers at a time.
    private const int LargestRead = 1_000;

    // Rows of an absorbed profile that are looked up in the winner at a time.
    private const int Window = 128;

    private const int PositionParts = 3;

    // Reverse time, separator, hash: what is behind "e|{profile}|".
    private const int PlaceLength = 15 + 1 + 32;

    // Sorts before whatever a key contains.
    private const string JustAfter = "!";

    /// <exception cref="Problems.ProblemException">invalid-cursor</exception>
    public async Task<TimelinePage> ReadAsync(FoundProfile found, TimelineQuery query, CancellationToken cancellation)
    {
        var scope = query.Scope(found.Key);
        var after = Position.Read(await cursors.ReadAsync(scope, query.Cursor, PositionParts, cancellation));
        var page = new Page(query.Limit);
        var end = default(Position?);
        var at = default(Instant);
        var scanned = 0;
        await foreach (var (row, shown) in ScanAsync(found, query, after, cancellation))
        {
            if (scanned > 0 && row.Event.Timestamp != at)
            {
                page.EndMillisecond();
                if (page.IsFull)
                    break;
                if (scanned >= mostScanned)
                {
                    end = Position.AfterAll(at);
                    break;
                }
            }

            at = row.Event.Timestamp;
            scanned++;
            if (shown && query.Matches(row.Event) && (after is not { } position || position.IsBefore(row.Event)))
                page.Add(row);
        }

        page.EndMillisecond();
        if (page.IsFull)
            end = Position.Of(page.Events[^1].Event);
        return new TimelinePage(page.Events, end is { } next ? await cursors.WriteAsync(scope, next.Write(), cancellation) : null);
    }

    /// <summary>
    /// Both sides of running merges as one timeline, every message once, by time and hash. What an unmerge hides is in it: it was read too, and a
    /// page reads only so much.
    /// </summary>
    private async IAsyncEnumerable<(EventRow Row, bool Shown)> ScanAsync(
        FoundProfile found, TimelineQuery query, Position? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var newest = after?.Newest;
        if (query.To is { } to && (newest is null || to <= newest))
            newest = to.Plus(-Resolution);
        var oldest = query.From is { Milliseconds: > 0 } from ? from.Plus(-Resolution) : default(Instant?);
        if (newest is { } first && (first.Milliseconds < 0 || first <= oldest))
            yield break;

        var winner = found.Profile.Id;
        var pageSize = query.Filters ? LargestRead : Math.Min(query.Limit + 1, LargestRead);
        var span = new Span(winner, newest, oldest);
        for (var last = false; !last;)
        {
            var (held, bound) = found.Absorbed.Count == 0 ? ([], null) : await HoldAsync(found, span, cancellation);
            last = bound is null;
            var next = 0;
            var window = bound is null ? span : span.Until(bound);
            await foreach (var row in RangeAsync(winner, window, pageSize, cancellation))
            {
                var place = Place(row);
                for (; next < held.Count && string.CompareOrdinal(held[next].Place, place) <= 0; next++)
                {
                    // At the same place it is the copy of the same message.
                    if (held[next].Place != place)
                        yield return (held[next].Row, held[next].Shown);
                }

                var own = EventRow.Decode(winner, row.Data);
                yield return (own, found.Shows?.Invoke(winner, own) != false);
            }

            for (; next < held.Count; next++)
                yield return (held[next].Row, held[next].Shown);
            if (bound is not null)
                span = span.After(bound);
        }
    }

    /// <summary>
    /// The next events that are still in the place of an absorbed profile only, in order, and the place up to which these are all there are;
    /// null where there are no more.
    /// </summary>
    private async Task<(List<Held> Held, string? Bound)> HoldAsync(FoundProfile found, Span span, CancellationToken cancellation)
    {
        var candidates = new SortedDictionary<string, (ProfileId Loser, Row Row)>(StringComparer.Ordinal);
        string? bound = null;
        foreach (var loser in found.Absorbed)
        {
            var count = 0;
            await foreach (var row in RangeAsync(loser, span, Window, cancellation))
            {
                candidates.TryAdd(Place(row), (loser, row));
                if (++count < Window)
                    continue;
                bound = bound is null || string.CompareOrdinal(Place(row), bound) < 0 ? Place(row) : bound;
                break;
            }
        }

        var within = candidates.Where(c => bound is null || string.CompareOrdinal(c.Key, bound) <= 0).ToList();
        var held = within.ConvertAll(c =>
        {
            var row = EventRow.Decode(c.Value.Loser, c.Value.Row.Data);
            return new Held(c.Key, row, found.Shows?.Invoke(c.Value.Loser, row) != false);
        });
        // A message the winner has a marker for is the winner's, perhaps at another time: both had it before the merge.
        var markers = await Task.WhenAll(held.Select(h => h.Shown
            ? rows.GetAsync(TableName.Profiles, found.Profile.Id.Shard, ProfileRows.Marker(found.Profile.Id, h.Row.Event.MessageKey), cancellation)
            : NoRow));
        held = [.. held.Where((_, i) => markers[i] is null)];
        return (held, bound);
    }

    private IAsyncEnumerable<Row> RangeAsync(ProfileId profile, Span span, int pageSize, CancellationToken cancellation)
    {
        var (prefix, end) = ProfileRows.Events(profile);
        return rows.RangeAsync(TableName.Profiles, profile.Shard, prefix + span.From, span.To is null ? end : prefix + span.To, pageSize, cancellation);
    }

    private static string Place(Row row) => row.Key[^PlaceLength..];

    private static readonly TimeSpan Resolution = TimeSpan.FromMilliseconds(1);

    private static readonly Task<Row?> NoRow = Task.FromResult<Row?>(null);

    private readonly record struct Held(string Place, EventRow Row, bool Shown);

    /// <summary>A part of a timeline by places, which are the same in every profile.</summary>
    private readonly record struct Span
    {
        public Span(ProfileId profile, Instant? newest, Instant? oldest)
        {
            var (from, to) = ProfileRows.Events(profile, newest, oldest);
            var prefix = ProfileRows.Events(profile).From.Length;
            From = from[prefix..];
            To = oldest is null ? null : to[prefix..];
        }

        /// <summary>Inclusive.</summary>
        public string From { get; private init; }

        /// <summary>Exclusive; null for the end.</summary>
        public string? To { get; private init; }

        public Span Until(string place) => this with { To = place + JustAfter };

        public Span After(string place) => this with { From = place + JustAfter };
    }

    /// <summary>A place in the order of readers: what comes after it is older, or has a smaller id.</summary>
    private readonly record struct Position(Instant At, string MessageId, string SourceId)
    {
        // No message has an empty id.
        public static Position AfterAll(Instant at) => new(at, "", "");

        public static Position Of(Event e) => new(e.Timestamp, e.MessageId, e.SourceId);

        public static Position? Read(IReadOnlyList<string>? parts) =>
            parts is null ? null : new Position(new Instant(long.Parse(parts[0])), parts[1], parts[2]);

        /// <summary>The newest time of anything after it.</summary>
        public Instant Newest => MessageId.Length == 0 ? At.Plus(-Resolution) : At;

        public string[] Write() => [At.Milliseconds.ToString(), MessageId, SourceId];

        public bool IsBefore(Event e) =>
            e.Timestamp < At || (e.Timestamp == At && Order.Compare((e.MessageId, e.SourceId), (MessageId, SourceId)) < 0);
    }

    private static readonly Comparer<(string MessageId, string SourceId)> Order = Comparer<(string MessageId, string SourceId)>.Create(static (a, b) =>
        string.CompareOrdinal(a.MessageId, b.MessageId) is var order and not 0 ? order : string.CompareOrdinal(a.SourceId, b.SourceId));

    /// <summary>The events of a page and one more, which tells that there is another page.</summary>
    private sealed class Page(int limit)
    {
        private readonly List<EventRow> taken = [];

        // Its head is the one to give up first.
        private readonly PriorityQueue<EventRow, (string MessageId, string SourceId)> millisecond = new(Order);
        private int fitting;
        private long bytes;

        public bool IsFull => taken.Count > fitting;

        public IReadOnlyList<EventRow> Events => taken.GetRange(0, fitting);

        public void Add(EventRow row)
        {
            millisecond.Enqueue(row, (row.Event.MessageId, row.Event.SourceId));
            if (millisecond.Count > limit + 1 - taken.Count)
                millisecond.Dequeue();
        }

        public void EndMillisecond()
        {
            var start = taken.Count;
            while (millisecond.TryDequeue(out var row, out _))
                taken.Add(row);
            taken.Reverse(start, taken.Count - start);
            while (fitting < taken.Count && fitting < limit)
            {
                bytes += taken[fitting].Event.Json.Length;
                if (fitting > 0 && bytes > MostPageBytes)
                    break;
                fitting++;
            }
        }
    }
}
