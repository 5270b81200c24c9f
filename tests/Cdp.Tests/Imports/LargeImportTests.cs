using System.Text;
using Cdp.Collect;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Imports;
using Cdp.Storage;
using Xunit.Abstractions;

namespace Cdp.Tests.Imports;

/// <summary>It measures the memory of the process, so nothing may run beside it.</summary>
[CollectionDefinition(nameof(LargeImportTests), DisableParallelization = true)]
public sealed class LargeImportGroup;

/// <summary>A file of a million rows, none of which exists before it is read, into a queue that looks at each event and forgets it.</summary>
[Collection(nameof(LargeImportTests))]
public sealed class LargeImportTests(ITestOutputHelper output)
{
    private const int Rows = 1_000_000;

    // A chunk of the file, some messages of 128 KiB under way and what they are compressed from; the rest is room.
    private const long MostBytes = 24 * 1024 * 1024;

    [Fact]
    public async Task AMillionRows_InBoundedMemory()
    {
        var world = new ImportWorld();
        var queue = new CountingQueue();
        var blobs = new GeneratedFile(world.Store);
        var id = (await world.AnnounceAsync("""{"sourceId":"shop","format":"csv"}""")).Id;
        await world.Imports.StartAsync(id, default);
        var importer = new FileImporter(world.Imports, world.Sources, world.NewCollector(queue), queue, blobs, new IdGenerator(world.Time), world.Time);
        queue.Before = GC.GetTotalMemory(forceFullCollection: true);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var messages = 1;

        while (await importer.RunAsync(id, new Deadline(TimeProvider.System, TimeSpan.FromSeconds(1)), default) == ImportProgress.Unfinished)
            messages++;

        var done = (await world.Imports.GetAsync(id, default))!;
        output.WriteLine(
            $"{Rows} rows, {done.File!.Length / 1024 / 1024} MiB in {watch.Elapsed.TotalSeconds:F1} s, {messages} messages; at most {queue.Peak / 1024 / 1024} MiB more in memory than before");
        var bad = Enumerable.Range(0, Rows).Count(GeneratedFile.IsBad);
        Assert.Equal((ImportState.Done, Rows, Rows - bad, bad), (done.State, done.Rows, done.Accepted, done.Rejected));
        Assert.Equal(Rows - bad, queue.Events);
        // Every user once, whatever the order.
        Assert.Equal(Enumerable.Range(0, Rows).Where(static i => !GeneratedFile.IsBad(i)).Aggregate(0UL, static (sum, i) => sum + CountingQueue.Digest(GeneratedFile.User(i))), queue.Users);
        Assert.Equal(Enumerable.Range(0, Rows).Where(GeneratedFile.IsBad).Select(static i => $"{i + 2}"), world.Report(done).Select(static line => line[0]));
        Assert.InRange(queue.Peak, 0, MostBytes);
    }

    private sealed class CountingQueue : IMessageQueue
    {
        private readonly Lock gate = new();
        private int sent;

        public long Before { get; set; }

        public long Peak { get; private set; }

        public int Events { get; private set; }

        public ulong Users { get; private set; }

        public static ulong Digest(string user) => Hash128.Of(user, "").High;

        public async Task SendAsync(QueueName queue, string body, TimeSpan? delay, CancellationToken cancellation)
        {
            await Task.Yield();
            var events = await EventMessageCodec.DecodeAsync(body, null!, cancellation);
            var users = 0UL;
            foreach (var collected in events)
            {
                Assert.True(collected.Historical);
                using var json = System.Text.Json.JsonDocument.Parse(collected.Json);
                users += Digest(json.RootElement.GetProperty("userId").GetString()!);
            }

            lock (gate)
            {
                Events += events.Count;
                Users += users;
                if (sent++ % 100 == 0)
                    Peak = Math.Max(Peak, GC.GetTotalMemory(forceFullCollection: true) - Before);
            }
        }

        public Task<QueueBacklog> BacklogAsync(QueueName queue, CancellationToken cancellation) => Task.FromResult(new QueueBacklog(0, null));
    }

    /// <summary>Rows of the same length, so that any stretch of the file can be made without the rest.</summary>
    private sealed class GeneratedFile(IBlobStore store) : IBlobStore
    {
        private static readonly byte[] Header = Encoding.UTF8.GetBytes("userId,traits.name,traits.plan,traits.age:number\n");

        private static readonly int RowBytes = Row(0).Length;

        public static bool IsBad(int i) => i % 1000 == 999;

        public static string User(int i) => $"user-{i:D7}";

        public Task<BlobPiece?> ReadAsync(ContainerName container, string name, long from, int count, CancellationToken cancellation)
        {
            var length = Header.Length + ((long)Rows * RowBytes);
            var piece = new byte[Math.Min(count, length - from)];
            var at = 0;
            if (from < Header.Length)
            {
                Header.AsSpan((int)from).CopyTo(piece);
                at = Header.Length - (int)from;
            }

            while (at < piece.Length)
            {
                var place = from + at - Header.Length;
                var row = Row((int)(place / RowBytes)).AsSpan((int)(place % RowBytes));
                row = row[..Math.Min(row.Length, piece.Length - at)];
                row.CopyTo(piece.AsSpan(at));
                at += row.Length;
            }

            return Task.FromResult<BlobPiece?>(new BlobPiece(piece, length, "1"));
        }

        public Task PutAsync(ContainerName container, string name, ReadOnlyMemory<byte> data, CancellationToken cancellation) => store.PutAsync(container, name, data, cancellation);

        public Task<ReadOnlyMemory<byte>?> GetAsync(ContainerName container, string name, CancellationToken cancellation) => store.GetAsync(container, name, cancellation);

        public Task DeleteAsync(ContainerName container, string name, CancellationToken cancellation) => store.DeleteAsync(container, name, cancellation);

        public Task<bool> AppendAsync(ContainerName container, string name, long position, ReadOnlyMemory<byte> data, CancellationToken cancellation) =>
            store.AppendAsync(container, name, position, data, cancellation);

        public IAsyncEnumerable<string> ListAsync(ContainerName container, string prefix, CancellationToken cancellation) => store.ListAsync(container, prefix, cancellation);

        private static byte[] Row(int i) => Encoding.UTF8.GetBytes($"{User(i)},\"Ann, \"\"{i:D7}\"\"\",{(i % 3 == 0 ? "gold " : "basic")},{(IsBad(i) ? "xx" : (10 + (i % 80)).ToString("D2"))}\n");
    }
}
