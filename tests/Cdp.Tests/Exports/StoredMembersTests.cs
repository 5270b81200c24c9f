using Cdp.Exports;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Exports;

/// <summary>Members read from membership rows and documents.</summary>
public sealed class StoredMembersTests
{
    // More than a page of ids in a shard, with few people: all of them are in two shards.
    private static readonly int[] Crowd = [.. Enumerable.Range(0, 300_000).Where(static i => StoredPeople.Id(i).Shard is "07" or "08")];

    [Theory]
    // All are members, so documents are read by range; one of fifty, so they are read one by one; and pages of ids and chunks of documents in both.
    [InlineData(1)]
    [InlineData(50)]
    public async Task Members_ComeInTheirOrder_FromAnyPlaceOn(int oneOf)
    {
        var app = new ExportApp();
        await app.DefineAsync("gold");
        await app.AddAsync(Crowd.Select(i => (i, i % oneOf == 0 ? "gold" : "basic")).Append((1_000_001, "gold")).Append((1_000_002, "gold")));
        var expected = ExportApp.InOrder(Crowd.Where(i => i % oneOf == 0).Append(1_000_001).Append(1_000_002)).ToList();

        Assert.Equal(expected, await app.MembersAsync(Request()));
        foreach (var place in new[] { 0, 1, expected.Count / 3, expected.Count - 2, expected.Count - 1 })
            Assert.Equal(expected.Skip(place + 1), await app.MembersAsync(Request(), MemberKey.Of(new ProfileId(expected[place]))));
    }

    [Fact]
    public async Task TheDocument_IsTheTruth()
    {
        var app = new ExportApp();
        await app.DefineAsync("gold");
        await app.AddAsync(Enumerable.Range(0, 40).Select(static i => (i, i % 2 == 0 ? "gold" : "basic")));
        // An index row of somebody who is no member, one without a document, and one of somebody who was merged away.
        foreach (var id in new[] { StoredPeople.Id(1), StoredPeople.Id(77) })
            await app.Store.CommitAsync(TableName.Profiles, id.Shard, [RowWrite.Upsert(ProfileRows.Member("gold", id), default)], default);
        var loser = new Profile(StoredPeople.Id(4)) { MergedInto = StoredPeople.Id(2) };
        await app.Store.CommitAsync(TableName.Profiles, loser.Id.Shard, [RowWrite.Upsert(ProfileRows.Document(loser.Id), ProfileCodec.Encode(loser))], default);

        Assert.Equal(ExportApp.InOrder(Enumerable.Range(0, 40).Where(static i => i % 2 == 0 && i != 4)), await app.MembersAsync(Request()));
        Assert.Equal(ExportApp.InOrder(Enumerable.Range(0, 40).Where(static i => i != 4)), await app.MembersAsync(Request(ExportRequest.AllProfiles)));
        Assert.Null(await app.Members.FindAsync(Request(), StoredPeople.Id(4), default));
        Assert.Null(await app.Members.FindAsync(Request(), StoredPeople.Id(77), default));
        Assert.Equal(StoredPeople.Id(1), (await app.Members.FindAsync(Request(), StoredPeople.Id(1), default))!.Profile.Id);
    }

    /// <summary>A segment that was deleted and made again has none of the members that the other one had.</summary>
    [Fact]
    public async Task MembersOfAnotherSegment_ThatHadTheId_AreNone_AndADeletedOneIsRefused()
    {
        var app = new ExportApp();
        await app.DefineAsync("gold");
        await app.AddAsync((1, "gold"));
        await app.Definitions.DeleteSegmentAsync("gold", static _ => { }, default);
        await Assert.ThrowsAsync<InvalidOperationException>(() => app.MembersAsync(Request()));
        await app.DefineAsync("gold");

        Assert.Empty(await app.MembersAsync(Request()));
    }

    [Fact]
    public async Task ComputedTraitsAndSegments_AreThoseOfTheProfile()
    {
        var app = new ExportApp();
        await app.DefineAsync("gold");
        await app.DefineAsync("known", """{"trait":"email","exists":true}""");
        await app.AddAsync((1, "gold"), (2, "gold"));

        var member = await app.Members.ReadAsync(Request(fields: ["computedTraits", "segments"]), null, default).FirstAsync();

        var shown = (await app.Segments.ReadAsync(member.Profile, default))!;
        Assert.Equal(shown.Computed, member.ComputedTraits.OrderBy(static c => c.Key, StringComparer.Ordinal));
        Assert.NotEmpty(member.ComputedTraits);
        Assert.Equal(["gold", "known"], member.Segments);
        // Nobody pays for what has no column.
        Assert.Empty((await app.Members.ReadAsync(Request(fields: ["segments"]), null, default).FirstAsync()).ComputedTraits);
        Assert.Empty((await app.Members.ReadAsync(Request(), null, default).FirstAsync()).Segments);
    }

    [Theory]
    [InlineData(1, 100)]
    [InlineData(50, 32)]
    public async Task Reads_AreFewOrBounded(int oneOf, int most)
    {
        var app = new ExportApp();
        await app.DefineAsync("gold");
        await app.AddAsync(Crowd.Select(i => (i, i % oneOf == 0 ? "gold" : "basic")));
        var (calls, underWay, peak) = (0, 0, 0);
        app.Store.Before = async call =>
        {
            if (call is { Operation: StoreOperation.GetRow, Place: nameof(TableName.Profiles) })
            {
                Interlocked.Increment(ref calls);
                var now = Interlocked.Increment(ref underWay);
                InterlockedMax(ref peak, now);
                await Task.Yield();
            }
        };
        app.Store.After = call =>
        {
            if (call is { Operation: StoreOperation.GetRow, Place: nameof(TableName.Profiles) })
                Interlocked.Decrement(ref underWay);
            return Task.CompletedTask;
        };

        await app.MembersAsync(Request());

        Assert.InRange(calls, 0, oneOf == 1 ? 0 : Crowd.Length / oneOf + 1);
        Assert.InRange(peak, 0, most);
    }

    private static ExportRequest Request(string segment = "gold", params string[] fields) => new(
        segment, 1, "csv", "full", "none", ExportColumn.Of(fields.Length == 0 ? ["email"] : fields, IdentityRules.Default, static _ => false, out _));

    private static void InterlockedMax(ref int target, int value)
    {
        for (var seen = Volatile.Read(ref target); seen < value; seen = Volatile.Read(ref target))
            Interlocked.CompareExchange(ref target, value, seen);
    }
}
