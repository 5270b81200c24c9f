using System.Text;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Storage;
using Cdp.Tests.Events;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Reading;

/// <summary>Profiles written straight into a store, and the readers over it.</summary>
internal sealed class ReadingHarness
{
    private readonly ProfileStore profiles;

    public ReadingHarness(int mostScanned = TimelineReader.MostScanned)
    {
        Time = new SettableTime(TestEvents.Start.ToDateTimeOffset());
        Store = new FakeStore(Time);
        profiles = new ProfileStore(Store);
        Index = new IdentityIndex(Store, Time);
        Ids = new IdGenerator(Time);
        Profiles = new ProfileReader(Store, Index, profiles, IdentityRulesRegistry.Of(IdentityRules.Default));
        Cursors = new Cursors(Store);
        Timelines = new TimelineReader(Store, Cursors, mostScanned);
    }

    public SettableTime Time { get; }

    public FakeStore Store { get; }

    public IdentityIndex Index { get; }

    public IdGenerator Ids { get; }

    public ProfileReader Profiles { get; }

    public Cursors Cursors { get; }

    public TimelineReader Timelines { get; }

    public static Event Track(string messageId, long at, string name = "Viewed", string source = "web", string type = "track") => Event.Parse(Encoding.UTF8.GetBytes(
        $$"""{"type":"{{type}}","messageId":"{{messageId}}","sourceId":"{{source}}","timestamp":"{{new Instant(at)}}","originalTimestamp":"{{new Instant(at)}}","receivedAt":"2026-06-01T00:00:00.000Z","event":"{{name}}"}"""));

    public static TimelineQuery Query(int limit = 50, string? cursor = null, string[]? names = null, EventType[]? types = null, Instant? from = null, Instant? to = null) =>
        new((names ?? []).ToHashSet(StringComparer.Ordinal), (types ?? []).ToHashSet(), from, to, limit, cursor);

    /// <summary>Two ids, the smaller first: which one wins a merge.</summary>
    public (ProfileId Winner, ProfileId Loser) TwoIds()
    {
        var (a, b) = (ProfileId.New(Ids), ProfileId.New(Ids));
        return a < b ? (a, b) : (b, a);
    }

    /// <summary>A profile with these events, an identifier user_id of its own id, and whatever <paramref name="change"/> does to the document.</summary>
    public async Task<Profile> AddAsync(ProfileId id, IReadOnlyCollection<Event> events, Action<Profile>? change = null, Identifier? identifier = null)
    {
        await WriteAsync(id, [.. events.Select(e => new EventRow(e, id))]);
        var document = new Profile(id);
        var owned = identifier ?? new Identifier(IdentityRules.UserId, id.Value);
        foreach (var e in events)
            document.Apply(e, [owned]);
        change?.Invoke(document);
        await SaveAsync(document);
        await Index.ClaimAsync(owned, id, CancellationToken.None);
        return document;
    }

    public async Task SaveAsync(Profile document)
    {
        var stored = await profiles.FindAsync(document.Id, fresh: true, CancellationToken.None);
        Assert.True(await profiles.SaveAsync(document, stored?.Version, CancellationToken.None));
    }

    /// <summary>Event and marker rows, as a commit or a merge writes them.</summary>
    public async Task WriteAsync(ProfileId owner, IReadOnlyCollection<EventRow> events)
    {
        foreach (var chunk in events.Chunk(StorageLimits.TransactionRows / 2))
        {
            var writes = chunk.SelectMany(row => new[]
            {
                RowWrite.Insert(ProfileRows.Event(owner, row.Event.Timestamp, row.Event.MessageKey), row.Encode(owner)),
                RowWrite.Insert(ProfileRows.Marker(owner, row.Event.MessageKey), ProfileRows.MarkerData(row.Event)),
            }).ToList();
            Assert.True((await Store.CommitAsync(TableName.Profiles, owner.Shard, writes, CancellationToken.None)).Committed);
        }
    }

    public async Task RemoveAsync(ProfileId owner, IEnumerable<Event> events)
    {
        foreach (var e in events)
        {
            var writes = new[] { RowWrite.Delete(ProfileRows.Event(owner, e.Timestamp, e.MessageKey)), RowWrite.Delete(ProfileRows.Marker(owner, e.MessageKey)) };
            await Store.CommitAsync(TableName.Profiles, owner.Shard, writes, CancellationToken.None);
        }
    }

    public Task<FoundProfile> FindAsync(string key) => Profiles.FindAsync(key, CancellationToken.None);

    public async Task<TimelinePage> PageAsync(string key, TimelineQuery query) => await Timelines.ReadAsync(await FindAsync(key), query, CancellationToken.None);

    /// <summary>Message ids page by page to the end, everything found anew for each.</summary>
    public async Task<List<List<string>>> PagesAsync(string key, TimelineQuery query, Func<int, Task>? between = null)
    {
        var pages = new List<List<string>>();
        string? cursor = null;
        do
        {
            var page = await PageAsync(key, query with { Cursor = cursor });
            pages.Add([.. page.Events.Select(row => row.Event.MessageId)]);
            cursor = page.Next;
            if (between is not null)
                await between(pages.Count);
        }
        while (cursor is not null);
        return pages;
    }

    public static async Task<ProblemType> RefusalAsync(Func<Task> call) => (await Assert.ThrowsAsync<ProblemException>(call)).Problem.Type;

    /// <summary>The order of readers.</summary>
    public static List<string> Ordered(IEnumerable<Event> events) =>
    [
        .. events.OrderByDescending(e => e.Timestamp).ThenByDescending(e => e.MessageId, StringComparer.Ordinal)
            .ThenByDescending(e => e.SourceId, StringComparer.Ordinal).Select(e => e.MessageId),
    ];
}
