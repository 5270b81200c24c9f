using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Cdp.Exports;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;
using Xunit.Abstractions;

namespace Cdp.Tests.Exports;

/// <summary>It measures the memory of the process, so nothing may run beside it.</summary>
[CollectionDefinition(nameof(LargeExportTests), DisableParallelization = true)]
public sealed class LargeExportGroup;

/// <summary>A million members by their rows, through the reader of the app, into a storage that keeps nothing but what the next delta needs.</summary>
[Collection(nameof(LargeExportTests))]
public sealed class LargeExportTests(ITestOutputHelper output)
{
    private const int Members = 1_000_000;

    // A part of 2 MiB as it is compressed and as it is sent, 100,000 members of 36 bytes for the next delta, and 200 documents; the rest is room.
    private const long MostBytes = 24 * 1024 * 1024;

    [Fact]
    public async Task AMillionMembers_InBoundedMemory()
    {
        var time = new SettableTime(DateTimeOffset.Parse("2026-03-01T06:00:00Z", System.Globalization.CultureInfo.InvariantCulture));
        var store = new FakeStore(time);
        var rows = new GeneratedRows(store);
        var ids = new IdGenerator(time);
        var exports = new ExportStore(rows, ids, time);
        var definitions = new DefinitionStore(store, time);
        using (var all = JsonDocument.Parse("""{"id":"all","where":{"trait":"plan","exists":true}}"""))
            await definitions.PutSegmentAsync(all.RootElement.Clone(), static _ => { }, default);
        var members = new StoredMembers(rows, definitions, new ProfileSegmentsReader(rows, new DefinitionsRegistry(definitions, time), time));
        var blobs = new ReceivingBlobs(store);
        var exporter = new SegmentExporter(exports, blobs, members, ids, time);
        var columns = ExportColumn.Of(["email", "traits.firstName", "traits.plan"], IdentityRules.Default, static _ => false, out _);
        var full = await exports.StartAsync(new ExportRequest("all", 1, "csv", "full", "gzip", columns), null, default);
        var watch = System.Diagnostics.Stopwatch.StartNew();

        await exporter.RunAsync(full!.Id, new Deadline(TimeProvider.System, TimeSpan.MaxValue), default);

        output.WriteLine($"{Members} members in {watch.Elapsed.TotalSeconds:F1} s; {blobs.Parts} parts, {blobs.Bytes / 1024 / 1024} MiB; at most {blobs.Peak / 1024 / 1024} MiB more in memory than before");
        Assert.Equal((Members, rows.Checksum(), 10), (blobs.Rows, blobs.Checksum, blobs.Parts));
        Assert.InRange(blobs.Peak, 0, MostBytes);

        // One of a thousand leaves, one of five hundred changes.
        rows.Changed = true;
        var delta = await exports.StartAsync(new ExportRequest("all", 1, "csv", "delta", "gzip", columns), null, default);
        await exporter.RunAsync(delta!.Id, new Deadline(TimeProvider.System, TimeSpan.MaxValue), default);

        var done = (await exports.GetAsync(delta.Id, default))!;
        Assert.Equal((0, Members / 1000, (Members / 1000) + (Members / 500)), (done.Entered, done.Exited, done.Rows));
    }

    /// <summary>Reads each part as it comes, and forgets it.</summary>
    private sealed class ReceivingBlobs(FakeStore store) : IBlobStore
    {
        private readonly long before = GC.GetTotalMemory(forceFullCollection: true);

        // In the store of this test, and not in the exporter.
        private long kept;

        public int Parts { get; private set; }

        public int Rows { get; private set; }

        public long Bytes { get; private set; }

        public ulong Checksum { get; private set; }

        public long Peak { get; private set; }

        public Task PutAsync(ContainerName container, string name, ReadOnlyMemory<byte> data, CancellationToken cancellation)
        {
            Peak = Math.Max(Peak, GC.GetTotalMemory(forceFullCollection: true) - before - kept);
            if (!name.Contains("/part-", StringComparison.Ordinal))
            {
                kept += data.Length;
                return store.PutAsync(container, name, data, cancellation);
            }

            Parts++;
            Bytes += data.Length;
            using var reader = new StreamReader(new GZipStream(new MemoryStream(data.ToArray()), CompressionMode.Decompress), new UTF8Encoding(false, true));
            reader.ReadLine();
            while (reader.ReadLine() is { } line)
            {
                Rows++;
                // The order does not matter to the sum, the content does.
                Checksum += Hash128.Of(line, "").High;
            }

            return Task.CompletedTask;
        }

        public Task<ReadOnlyMemory<byte>?> GetAsync(ContainerName container, string name, CancellationToken cancellation) => store.GetAsync(container, name, cancellation);

        public Task<BlobPiece?> ReadAsync(ContainerName container, string name, long from, int count, CancellationToken cancellation) =>
            store.ReadAsync(container, name, from, count, cancellation);

        public Task DeleteAsync(ContainerName container, string name, CancellationToken cancellation) => store.DeleteAsync(container, name, cancellation);

        public Task<bool> AppendAsync(ContainerName container, string name, long position, ReadOnlyMemory<byte> data, CancellationToken cancellation) =>
            store.AppendAsync(container, name, position, data, cancellation);

        public IAsyncEnumerable<string> ListAsync(ContainerName container, string prefix, CancellationToken cancellation) => store.ListAsync(container, prefix, cancellation);
    }

    /// <summary>
    /// The rows of a million members, none of which is there before it is asked for; all else is in the fake. There are a thousand documents, each of a thousand
    /// people: a document does not say whose it is.
    /// </summary>
    private sealed class GeneratedRows : IRowStore
    {
        private const int Documents = 1000;

        private readonly FakeStore store;

        // By shard, and in it by id, which is by number; and where each shard begins.
        private readonly int[] order;
        private readonly int[] starts;
        private readonly byte[][] before;
        private readonly byte[][] after;

        public GeneratedRows(FakeStore store)
        {
            this.store = store;
            var shards = new byte[Members];
            for (var i = 0; i < Members; i++)
                shards[i] = Convert.ToByte(ListedMembers.Id(i).Shard, 16);
            order = [.. Enumerable.Range(0, Members).OrderBy(i => shards[i])];
            starts = new int[ProfileId.Shards + 1];
            foreach (var shard in shards)
                starts[shard + 1]++;
            for (var i = 0; i < ProfileId.Shards; i++)
                starts[i + 1] += starts[i];
            before = [.. Enumerable.Range(0, Documents).Select(static i => Document(i, "basic"))];
            after = [.. Enumerable.Range(0, Documents).Select(static i => Document(i, i % 500 == 1 ? "gold" : "basic"))];
        }

        public bool Changed { get; set; }

        /// <summary>The sum of the hashes of all rows of the export.</summary>
        public ulong Checksum()
        {
            var sum = 0ul;
            for (var i = 0; i < Members; i++)
                sum += Hash128.Of($"{ListedMembers.Id(i).Value},person-{i % Documents}@shop.example,Ann {i % Documents},basic", "").High;
            return sum;
        }

        public Task<Row?> GetAsync(TableName table, string partition, string key, CancellationToken cancellation) =>
            table != TableName.Profiles ? store.GetAsync(table, partition, key, cancellation)
            : Number(key) is var number && Changed && number % Documents == 0 ? Task.FromResult<Row?>(null) : Task.FromResult<Row?>(Row(partition, key, number));

        public IAsyncEnumerable<Row> RangeAsync(TableName table, string partition, string from, string to, int pageSize, CancellationToken cancellation) =>
            table != TableName.Profiles ? store.RangeAsync(table, partition, from, to, pageSize, cancellation) : Generated(partition, from, to).ToAsyncEnumerable();

        public Task<CommitResult> CommitAsync(TableName table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellation) =>
            store.CommitAsync(table, partition, writes, cancellation);

        private IEnumerable<Row> Generated(string partition, string from, string to)
        {
            var shard = Convert.ToInt32(partition, 16);
            var prefix = from[..(from.LastIndexOf('|') + 1)];
            // Behind a profile, or at one, or from the start.
            var first = from.EndsWith('|') ? 0 : from.EndsWith('!') ? Number(from[..^1]) + 1 : Number(from);
            var last = to.EndsWith('!') ? Number(to[..^1]) : int.MaxValue;
            var at = Array.BinarySearch(order, starts[shard], starts[shard + 1] - starts[shard], first);
            for (at = at < 0 ? ~at : at; at < starts[shard + 1] && order[at] <= last; at++)
            {
                if (!Changed || order[at] % Documents != 0)
                    yield return Row(partition, prefix + ListedMembers.Id(order[at]).Value, order[at]);
            }
        }

        private Row Row(string partition, string key, int number) =>
            new(partition, key, "", key[0] == 'p' ? (Changed ? after : before)[number % Documents] : default);

        private static int Number(string key) => int.Parse(key.AsSpan(key.Length - 26), System.Globalization.CultureInfo.InvariantCulture);

        private static byte[] Document(int number, string plan)
        {
            var profile = new Profile(ListedMembers.Id(number)) { EventCount = 1, CreatedAt = default, FirstSeenAt = default, LastSeenAt = default };
            profile.Identifiers.Add(new OwnedIdentifier(new Identifier("email", $"person-{number}@shop.example"), default, default, "web", "m", default));
            profile.Traits["firstName"] = new Trait(JsonSerializer.SerializeToUtf8Bytes($"Ann {number}"), default, "m", "web");
            profile.Traits["plan"] = new Trait(Encoding.UTF8.GetBytes($"\"{plan}\""), default, "m", "web");
            profile.Memberships.Add(new Membership("all", default, 1, 1));
            return ProfileCodec.Encode(profile);
        }
    }
}
