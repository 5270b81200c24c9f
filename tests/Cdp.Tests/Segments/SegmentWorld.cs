using System.Text.Json;
using Cdp.Profiles;
using Cdp.Segments;
using Cdp.Segments.Definitions;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Segments;

/// <summary>Definitions and memberships in a <see cref="World"/>.</summary>
internal static class SegmentWorld
{
    public static async Task<World> CreateAsync(int seed, params (string Id, string Where)[] segments)
    {
        var world = await World.CreateAsync(seed, segments: true);
        foreach (var (id, where) in segments)
            await world.DefineAsync(id, where);
        return world;
    }

    public static async Task DefineAsync(this World world, string id, string where, bool notify = false)
    {
        using var json = JsonDocument.Parse($$"""{"id":"{{id}}","where":{{where}},"backfill":{"notify":{{(notify ? "true" : "false")}} } }""");
        await new DefinitionStore(world.Store, world.Time).PutSegmentAsync(json.RootElement.Clone(), _ => { }, CancellationToken.None);
    }

    public static Task RemoveAsync(this World world, string id) =>
        new DefinitionStore(world.Store, world.Time).DeleteSegmentAsync(id, _ => { }, CancellationToken.None);

    /// <summary>What the timer does: whoever is due is brought up to date.</summary>
    public static async Task UpdateDueAsync(this World world, Cdp.Events.Instant? oldestQueued = null)
    {
        var now = Cdp.Events.Instant.Now(world.Time);
        foreach (var row in world.Rows("d|").Where(r => long.Parse(r.Key.Split('|')[1], null) <= now.Milliseconds))
            await world.Worker.UpdateAsync(ProfileRows.ProfileOfLastPart(row.Key), oldestQueued);
    }

    public static IReadOnlyList<FakeRow> Rows(this World world, string prefix) =>
        [.. world.Store.Snapshot().Where(r => r.Table == TableName.Profiles && r.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(r => new FakeRow(r.Key, r.Data))];

    /// <summary>The segments of whoever owns the identifier, by id.</summary>
    public static string SegmentsOf(this World world, string type, string value) =>
        string.Join(' ', world.Owners(type, value).Single().Memberships.Select(m => m.SegmentId).Order(StringComparer.Ordinal));

    public static List<string> Changes(this World world) =>
        [.. world.Rows("e|").Select(r => EventRow.Decode(new ProfileId(r.Key.Split('|')[1]), r.Data)).OrderBy(r => r.Event.MessageId, StringComparer.Ordinal)
            .SelectMany(r => (r.Changes ?? []).Select(c => $"{r.Event.MessageId} {(c.Entered ? "entered" : "exited")} {c.SegmentId}"))];

    /// <summary>Index rows, due rows and documents say the same, and what they say is what the timelines say.</summary>
    public static async Task CheckAsync(this World world)
    {
        var documents = world.Profiles();
        Assert.Equal(
            documents.SelectMany(p => p.Memberships.Select(m => ProfileRows.Member(m.SegmentId, p.Id))).Order(StringComparer.Ordinal),
            world.Rows("s|").Select(r => r.Key).Order(StringComparer.Ordinal));
        Assert.Equal(
            documents.Where(p => p.Due is not null).Select(p => ProfileRows.Due(p.Id, p.Due!.Value)).Order(StringComparer.Ordinal),
            world.Rows("d|").Select(r => r.Key).Order(StringComparer.Ordinal));
        Assert.All(documents.Where(p => p.MergedInto is not null), p => Assert.Empty(p.Memberships));
        var set = await new DefinitionStore(world.Store, world.Time).LoadAsync(CancellationToken.None);
        var now = Cdp.Events.Instant.Now(world.Time);
        foreach (var profile in world.Live())
        {
            var held = profile.Memberships.Select(m => m.SegmentId).Order(StringComparer.Ordinal).ToList();
            var timeline = new RowTimeline(world.Store, profile.Id);
            var fold = await SegmentFold.RefoldAsync(set, profile, timeline, timeline, now, CancellationToken.None);
            await fold.EvaluateAsync(null, everything: true, CancellationToken.None);
            Assert.Equal(profile.Memberships.Select(m => m.SegmentId).Order(StringComparer.Ordinal), held);
        }
    }

    public sealed record FakeRow(string Key, ReadOnlyMemory<byte> Data);
}
