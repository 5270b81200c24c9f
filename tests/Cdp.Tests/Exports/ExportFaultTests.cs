using Cdp.Exports;
using Cdp.Identity;
using Cdp.Storage;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Exports;

/// <summary>
/// The exporter is killed before and after every call of the storage, and overtaken by another one there, while members come and go. A reader looks
/// at every moment: where a manifest is, everything it says must be true, and stay so.
/// </summary>
public sealed class ExportFaultTests
{
    // Members who are so all the time; the others come and go.
    private const int Steady = 25;

    private const int All = 40;

    [Theory]
    [InlineData("full")]
    [InlineData("delta")]
    public async Task KilledAnywhere_ItIsFinishedByTheNextOne(string mode)
    {
        var calls = await CallsAsync(mode);
        for (var call = 1; call <= calls; call++)
        {
            foreach (var after in new[] { false, true })
            {
                var (world, export) = await WorldAsync(mode);
                var first = world.Store.Calls;
                var killed = false;
                Task Kill(StoreCall at)
                {
                    Look(world, export);
                    if (killed || at.Number != first + call)
                        return Task.CompletedTask;
                    killed = true;
                    throw new SimulatedCrashException(at);
                }

                world.Store.Before = at => after ? Task.CompletedTask : Kill(at);
                world.Store.After = at =>
                {
                    Look(world, export);
                    return after ? Kill(at) : Task.CompletedTask;
                };

                await Assert.ThrowsAsync<SimulatedCrashException>(() => world.WorkAsync(export));
                Change(world, call);
                Assert.Equal(ExportProgress.Done, await world.WorkAsync(export));

                await VerifyAsync(world, export);
            }
        }
    }

    [Theory]
    [InlineData("full")]
    [InlineData("delta")]
    public async Task OvertakenAnywhere_BothMakeOneExport(string mode)
    {
        var calls = await CallsAsync(mode);
        for (var call = 1; call <= calls; call++)
        {
            foreach (var outOfTime in new[] { false, true })
            {
                var (world, export) = await WorldAsync(mode);
                var first = world.Store.Calls;
                var overtaken = false;
                world.Store.Before = async at =>
                {
                    Look(world, export);
                    if (overtaken || at.Number != first + call)
                        return;
                    overtaken = true;
                    Change(world, call);
                    await world.Exporter().RunAsync(export.Id, new Deadline(TimeProvider.System, outOfTime ? TimeSpan.Zero : TimeSpan.MaxValue), default);
                };
                world.Store.After = _ =>
                {
                    Look(world, export);
                    return Task.CompletedTask;
                };

                await world.WorkAsync(export);
                // The one that ran out of time has sent its message again.
                await world.WorkAsync(export);

                Assert.True(overtaken);
                await VerifyAsync(world, export);
            }
        }
    }

    /// <summary>A write took effect, its answer got lost, and the client's second try was refused: that is nobody else's write.</summary>
    [Theory]
    [InlineData("full")]
    [InlineData("delta")]
    public async Task OwnWrites_ThatLookLikeSomebodyElses_AreRecognised(string mode)
    {
        var (counted, start) = await WorldAsync(mode);
        var commits = 0;
        counted.Store.Before = call =>
        {
            commits += call.Operation == StoreOperation.Commit ? 1 : 0;
            return Task.CompletedTask;
        };
        await counted.WorkAsync(start);
        Assert.True(commits > 5);
        for (var commit = 1; commit <= commits; commit++)
        {
            var (world, export) = await WorldAsync(mode);
            var rows = new LostAnswers(world.Store, commit);
            var exports = new ExportStore(rows, new Cdp.Ids.IdGenerator(world.Time), world.Time);
            var exporter = new SegmentExporter(exports, world.Store, world.Members, new Cdp.Ids.IdGenerator(world.Time), world.Time, ExportWorld.Small);

            Assert.Equal(ExportProgress.Done, await exporter.RunAsync(export.Id, new Deadline(TimeProvider.System, TimeSpan.MaxValue), default));

            await VerifyAsync(world, export);
        }

        var fresh = new ExportWorld();
        var store = new ExportStore(new LostAnswers(fresh.Store, 1), new Cdp.Ids.IdGenerator(fresh.Time), fresh.Time);
        var started = await store.StartAsync(start.Request, null, default);
        Assert.Equal(started!.Id, Assert.Single(await store.StalledAsync(new Cdp.Events.Instant(long.MaxValue), default)));
    }

    private static async Task<int> CallsAsync(string mode)
    {
        var (world, export) = await WorldAsync(mode);
        var before = world.Store.Calls;
        await world.WorkAsync(export);
        var calls = world.Store.Calls - before;
        await VerifyAsync(world, export);
        Assert.True(calls > 20);
        return calls;
    }

    private static async Task<(ExportWorld World, ExportDocument Export)> WorldAsync(string mode)
    {
        var world = new ExportWorld();
        for (var i = 0; i < All; i++)
            world.Members.Put(i, version: 1, member: i < Steady || i % 2 == 0);
        await world.ExportAsync();
        for (var i = 0; i < All; i++)
            world.Members.Put(i, version: i % 3, member: i < Steady || i % 3 == 0);
        return (world, await world.StartAsync(mode));
    }

    private static void Change(ExportWorld world, int seed)
    {
        var random = new Random(seed);
        for (var i = Steady; i < All; i++)
            world.Members.Put(i, random.Next(3), random.Next(2) == 0);
    }

    private static void Look(ExportWorld world, ExportDocument export) => world.Read(export);

    /// <summary>Everybody at most once, and who was there all the time exactly once; and the next delta builds on just this.</summary>
    private static async Task VerifyAsync(ExportWorld world, ExportDocument export)
    {
        world.Store.Before = world.Store.After = null;
        var read = world.Read(export)!;
        var rows = read.Rows.ToDictionary(static row => row["profileId"], StringComparer.Ordinal);
        for (var i = 0; i < Steady; i++)
        {
            var id = ListedMembers.Id(i).Value;
            if (!export.IsDelta)
                Assert.Equal(ExportWorld.Expected(id, ListedMembers.Member(i, i % 3)), rows[id]);
            else if (i % 3 == 1)
                Assert.DoesNotContain(id, rows.Keys);
            else
                Assert.Equal(ExportWorld.Expected(id, ListedMembers.Member(i, i % 3), "updated"), rows[id]);
        }

        Assert.Equal(
            [.. read.Manifest.GetProperty("parts").EnumerateArray().Select(part => export.Folder + part.GetProperty("name").GetString()), export.ManifestName],
            world.Store.Blobs(ContainerName.Exports).Keys.Where(name => name.StartsWith(export.Folder, StringComparison.Ordinal)).OrderBy(name => name == export.ManifestName));
        Assert.Equal(ExportState.Done, (await world.Exports.GetAsync(export.Id, default))!.State);

        // Full exports list all members, so the next delta can be computed from them.
        var next = await world.ExportAsync("delta");
        Assert.Equal(export.Id, next.Manifest.GetProperty("previousExportId").GetString());
        if (!export.IsDelta)
        {
            var now = world.Members.Members.ToDictionary(static id => id, id => ExportWorld.Expected(id, world.Members.Find(id)), StringComparer.Ordinal);
            Assert.Equal(
                now.Keys.Except(rows.Keys).Select(static id => (id, "entered"))
                    .Concat(rows.Keys.Except(now.Keys).Select(static id => (id, "exited")))
                    .Concat(now.Where(member => rows.TryGetValue(member.Key, out var row) && !row.OrderBy(c => c.Key).SequenceEqual(member.Value.OrderBy(c => c.Key))).Select(static member => (member.Key, "updated")))
                    .Order(),
                next.Rows.Select(static row => (row["profileId"], row["change"])).Order());
        }
    }

    /// <summary>Answers the n-th transaction with what a repetition of it is answered with.</summary>
    private sealed class LostAnswers(FakeStore store, int lost) : IRowStore
    {
        private int commits;

        public Task<Row?> GetAsync(TableName table, string partition, string key, CancellationToken cancellation) => store.GetAsync(table, partition, key, cancellation);

        public IAsyncEnumerable<Row> RangeAsync(TableName table, string partition, string from, string to, int pageSize, CancellationToken cancellation) =>
            store.RangeAsync(table, partition, from, to, pageSize, cancellation);

        public async Task<CommitResult> CommitAsync(TableName table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellation)
        {
            var result = await store.CommitAsync(table, partition, writes, cancellation);
            return ++commits == lost ? await store.CommitAsync(table, partition, writes, cancellation) : result;
        }
    }
}
