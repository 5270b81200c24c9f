using System.IO.Compression;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Cdp.Exports;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;
using Xunit.Abstractions;

namespace Cdp.Tests.Exports;

/// <summary>It measures the memory of the process, so nothing may run beside it.</summary>
[CollectionDefinition(nameof(LargeExportTests), DisableParallelization = true)]
public sealed class LargeExportGroup;

/// <summary>A million members, none of which exists before it is asked for, into a storage that keeps nothing but what the next delta needs.</summary>
[Collection(nameof(LargeExportTests))]
public sealed class LargeExportTests(ITestOutputHelper output)
{
    private const int Members = 1_000_000;

    // A part of 2 MiB as it is compressed and as it is sent, and 100,000 members of 36 bytes for the next delta; the rest is room.
    private const long MostBytes = 24 * 1024 * 1024;

    [Fact]
    public async Task AMillionMembers_InBoundedMemory()
    {
        var time = new SettableTime(DateTimeOffset.Parse("2026-03-01T06:00:00Z", System.Globalization.CultureInfo.InvariantCulture));
        var rows = new FakeStore(time);
        var ids = new IdGenerator(time);
        var exports = new ExportStore(rows, ids, time);
        var members = new GeneratedMembers();
        var blobs = new ReceivingBlobs(rows);
        var exporter = new SegmentExporter(exports, blobs, members, ids, time);
        var columns = ExportColumn.Of(["email", "traits.firstName", "traits.plan"], IdentityRules.Default, static _ => false, out _);
        var full = await exports.StartAsync(new ExportRequest("all", 1, "csv", "full", "gzip", columns), null, default);
        var watch = System.Diagnostics.Stopwatch.StartNew();

        await exporter.RunAsync(full!.Id, new Deadline(TimeProvider.System, TimeSpan.MaxValue), default);

        output.WriteLine($"{Members} members in {watch.Elapsed.TotalSeconds:F1} s; {blobs.Parts} parts, {blobs.Bytes / 1024 / 1024} MiB; at most {blobs.Peak / 1024 / 1024} MiB more in memory than before");
        Assert.Equal((Members, members.Checksum, 10), (blobs.Rows, blobs.Checksum, blobs.Parts));
        Assert.InRange(blobs.Peak, 0, MostBytes);

        // One of a thousand leaves, one of five hundred changes.
        members.Changed = true;
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

    private sealed class GeneratedMembers : IExportMembers
    {
        // By shard, and in it by id, which is by number.
        private readonly int[] order;

        public GeneratedMembers()
        {
            var shards = new byte[Members];
            for (var i = 0; i < Members; i++)
                shards[i] = Convert.ToByte(ListedMembers.Id(i).Shard, 16);
            order = [.. Enumerable.Range(0, Members).OrderBy(i => shards[i])];
        }

        public bool Changed { get; set; }

        /// <summary>The sum of the hashes of all rows that were asked for.</summary>
        public ulong Checksum { get; private set; }

        public async IAsyncEnumerable<ExportMember> ReadAsync(string segmentId, string? after, [EnumeratorCancellation] CancellationToken cancellation)
        {
            Assert.Null(after);
            await Task.Yield();
            foreach (var number in order)
            {
                if (Changed && number % 1000 == 0)
                    continue;
                yield return Member(number);
            }
        }

        public ValueTask<ExportMember?> FindAsync(ProfileId id, CancellationToken cancellation) => ValueTask.FromResult<ExportMember?>(null);

        private ExportMember Member(int number)
        {
            var profile = new Profile(ListedMembers.Id(number));
            var email = $"person-{number * 2654435761L % Members}@shop.example";
            var plan = Changed && number % 500 == 1 ? "gold" : "basic";
            profile.Identifiers.Add(new OwnedIdentifier(new Identifier("email", email), default, default, "web", "m", default));
            profile.Traits["firstName"] = new Trait(JsonSerializer.SerializeToUtf8Bytes($"Ann {number}"), default, "m", "web");
            profile.Traits["plan"] = new Trait(Encoding.UTF8.GetBytes($"\"{plan}\""), default, "m", "web");
            Checksum += Hash128.Of($"{profile.Id.Value},{email},Ann {number},{plan}", "").High;
            return new ExportMember(profile, ExportMember.NoComputedTraits);
        }
    }
}
