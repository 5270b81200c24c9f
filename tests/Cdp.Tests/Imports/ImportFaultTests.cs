using Cdp.Ids;
using Cdp.Identity;
using Cdp.Imports;
using Cdp.Storage;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Imports;

/// <summary>
/// The importer is killed before and after every call of the storage, and overtaken by another one there. In the end every row counts once, the counts are
/// exact, and the report has every rejection once.
/// </summary>
public sealed class ImportFaultTests
{
    private const int Rows = 30;

    private static readonly string File = "userId,traits.n:number\r\n" + string.Concat(Enumerable.Range(0, Rows).Select(static i => IsBad(i) ? $"user-{i},none\r\n" : $"user-{i},{i}\r\n"));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task KilledAnywhere_TheNextOneFinishes(bool after)
    {
        var calls = await CallsAsync();
        for (var call = 1; call <= calls; call++)
        {
            var world = new ImportWorld();
            var id = await world.StartAsync(File);
            var first = world.Store.Calls;
            var killed = false;
            Task Kill(StoreCall at)
            {
                if (killed || at.Number != first + call)
                    return Task.CompletedTask;
                killed = true;
                throw new SimulatedCrashException(at);
            }

            world.Store.Before = at => after ? Task.CompletedTask : Kill(at);
            world.Store.After = at => after ? Kill(at) : Task.CompletedTask;

            await Assert.ThrowsAsync<SimulatedCrashException>(() => world.RunAsync(id));
            // The message comes again; where the end was written already nothing is left to do but to be deleted.
            Assert.Equal(ImportProgress.Done, await world.RunAsync(id));

            await VerifyAsync(world, id, tidy: false);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task OvertakenAnywhere_EveryRowCountsOnce(bool outOfTime)
    {
        var calls = await CallsAsync();
        for (var call = 1; call <= calls; call++)
        {
            var world = new ImportWorld();
            var id = await world.StartAsync(File);
            var first = world.Store.Calls;
            var overtaken = false;
            world.Store.Before = async at =>
            {
                if (overtaken || at.Number != first + call)
                    return;
                overtaken = true;
                await world.NewImporter().RunAsync(id, new Deadline(TimeProvider.System, outOfTime ? TimeSpan.Zero : TimeSpan.MaxValue), default);
            };

            await world.RunAsync(id);
            // The one that ran out of time has sent its message again.
            await world.RunAsync(id);

            Assert.True(overtaken);
            await VerifyAsync(world, id, tidy: true);
        }
    }

    /// <summary>A write took effect, its answer got lost, and the client's second try was refused: that is nobody else's write.</summary>
    [Fact]
    public async Task OwnWrites_ThatLookLikeSomebodyElses_AreRecognised()
    {
        for (var commit = 1; commit <= 6; commit++)
        {
            var world = new ImportWorld();
            var id = await world.StartAsync(File);
            var rows = new LostAnswers(world.Store, commit);
            var imports = new ImportStore(rows, new IdGenerator(world.Time), world.Time);
            var importer = new FileImporter(
                imports, world.Sources, world.NewCollector(world.Store), world.Store, world.Store, new IdGenerator(world.Time), world.Time, ImportWorld.Small);

            Assert.Equal(ImportProgress.Done, await importer.RunAsync(id, new Deadline(TimeProvider.System, TimeSpan.MaxValue), default));

            await VerifyAsync(world, id, tidy: true);
        }
    }

    private static bool IsBad(int row) => row % 7 == 3;

    private static async Task<int> CallsAsync()
    {
        var world = new ImportWorld();
        var id = await world.StartAsync(File);
        var before = world.Store.Calls;
        await world.RunAsync(id);
        var calls = world.Store.Calls - before;
        await VerifyAsync(world, id, tidy: true);
        Assert.Equal(Rows - Enumerable.Range(0, Rows).Count(IsBad), (await world.QueuedAsync()).Count);
        Assert.True(calls > 15, $"{calls} calls");
        return calls;
    }

    /// <param name="tidy">Nothing that belongs to nobody is left.</param>
    private static async Task VerifyAsync(ImportWorld world, string id, bool tidy)
    {
        world.Store.Before = world.Store.After = null;
        var done = (await world.Imports.GetAsync(id, default))!;
        var bad = Enumerable.Range(0, Rows).Where(IsBad).ToList();
        Assert.Equal((ImportState.Done, Rows, Rows - bad.Count, bad.Count), (done.State, done.Rows, done.Accepted, done.Rejected));
        Assert.Equal(bad.Select(static row => $"{row + 2} user-{row},none"), world.Report(done).Select(static line => $"{line[0]} {line[3]}"));
        Assert.Equal(
            Enumerable.Range(0, Rows).Where(static row => !IsBad(row)).Select(static row => $"user-{row}").Order(StringComparer.Ordinal),
            (await world.CountedAsync()).Values.Select(static e => e.GetProperty("userId").GetString()!).Order(StringComparer.Ordinal));
        if (tidy)
            Assert.Equal([done.FileName, done.Report!], world.Store.Blobs(ContainerName.Imports).Keys.Order(StringComparer.Ordinal));
        await world.NewProcessor().DeleteAsync(id, default);
        Assert.Empty(world.Store.Blobs(ContainerName.Imports));
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
