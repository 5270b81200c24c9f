using System.Buffers;
using System.Globalization;
using Cdp.Events;
using Cdp.Ids;
using Cdp.Storage;

namespace Cdp.Archive;

/// <summary>
/// The raw archive: every event as it was taken, one JSON text a line, in
/// <c>raw/{source}/{yyyy}/{MM}/{dd}/{HH}/{instance}-{n}.jsonl</c> by the hour of writing, so that an hour that is over does not change any more.
/// </summary>
/// <remarks>
/// An event is archived before its queue message is deleted, so it is never missing; after a crash it may stand twice: readers count a
/// (sourceId, messageId) once. Appends of messages in flight are grouped, for a blob write costs a hundred times a table write.
/// Each instance writes blobs of its own, at a position it knows: an append that was repeated after a time-out is refused, and the
/// instance goes on in the next blob.
/// </remarks>
public sealed class RawArchive(IBlobStore blobs, IdGenerator ids, TimeProvider time) : IDisposable
{
    // Blobs that are still comfortable to download and to rewrite when somebody's data has to be erased.
    private const long MostBlobBytes = 128L * 1024 * 1024;
    private const int MostTries = 5;

    private readonly string instance = ids.Next("");
    private readonly Lock gate = new();
    private readonly SemaphoreSlim writing = new(1, 1);
    private readonly Dictionary<string, BlobState> open = new(StringComparer.Ordinal);
    private Group current = new();

    /// <summary>Completes when all the events are durably archived.</summary>
    public Task AppendAsync(IReadOnlyList<Event> events, CancellationToken cancellation) => AppendAsync(
        group =>
        {
            foreach (var e in events)
                group.Add(e);
        },
        cancellation);

    /// <summary>Completes when the line, without its end, is durably archived.</summary>
    internal Task AppendLineAsync(string folder, ReadOnlyMemory<byte> line, CancellationToken cancellation) =>
        AppendAsync(group => group.Add(folder, line.Span), cancellation);

    private async Task AppendAsync(Action<Group> add, CancellationToken cancellation)
    {
        Group group;
        lock (gate)
        {
            group = current;
            add(group);
        }

        await writing.WaitAsync(cancellation);
        try
        {
            lock (gate)
            {
                // Whoever gets here first writes for all that joined the group meanwhile; the others find it written.
                if (ReferenceEquals(current, group))
                    current = new Group();
            }

            if (!group.Written)
            {
                foreach (var (source, lines) in group.BySource)
                    await WriteAsync(source, lines.WrittenMemory, cancellation);
                group.Written = true;
            }
        }
        finally
        {
            writing.Release();
        }
    }

    public void Dispose() => writing.Dispose();

    private async Task WriteAsync(string source, ReadOnlyMemory<byte> lines, CancellationToken cancellation)
    {
        while (!lines.IsEmpty)
        {
            var length = PartLength(lines.Span);
            await WritePartAsync(source, lines[..length], cancellation);
            lines = lines[length..];
        }
    }

    private async Task WritePartAsync(string source, ReadOnlyMemory<byte> lines, CancellationToken cancellation)
    {
        var folder = $"{source}/{time.GetUtcNow().UtcDateTime.ToString("yyyy'/'MM'/'dd'/'HH", CultureInfo.InvariantCulture)}/";
        if (!open.TryGetValue(source, out var blob) || blob.Folder != folder)
            open[source] = blob = new BlobState(folder);
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (blob.Blocks >= StorageLimits.AppendBlobBlocks || blob.Length + lines.Length > MostBlobBytes)
                blob.Roll();
            var name = $"{blob.Folder}{instance}-{blob.Number}.jsonl";
            if (await blobs.AppendAsync(ContainerName.Raw, name, blob.Length, lines, cancellation))
            {
                blob.Length += lines.Length;
                blob.Blocks++;
                return;
            }

            // An append whose answer got lost did take effect: its lines will stand twice, here and in the next blob.
            blob.Roll();
        }

        throw new ConflictException($"The raw archive of source {source} could not be written {MostTries} times in a row.");
    }

    /// <summary>As many whole lines as one append takes.</summary>
    private static int PartLength(ReadOnlySpan<byte> lines) =>
        lines.Length <= StorageLimits.AppendBlockBytes ? lines.Length : lines[..StorageLimits.AppendBlockBytes].LastIndexOf((byte)'\n') + 1;

    private sealed class Group
    {
        public Dictionary<string, ArrayBufferWriter<byte>> BySource { get; } = new(StringComparer.Ordinal);

        public bool Written { get; set; }

        public void Add(Event e)
        {
            var lines = Lines(e.SourceId);
            if (e.Historical)
            {
                // The only member that is not part of the event: a rebuild has to know it.
                lines.Write("{\"_historical\":true,"u8);
                lines.Write(e.Json.Span[1..]);
            }
            else
            {
                lines.Write(e.Json.Span);
            }

            lines.Write("\n"u8);
        }

        public void Add(string folder, ReadOnlySpan<byte> line)
        {
            var lines = Lines(folder);
            lines.Write(line);
            lines.Write("\n"u8);
        }

        private ArrayBufferWriter<byte> Lines(string folder)
        {
            if (!BySource.TryGetValue(folder, out var lines))
                BySource[folder] = lines = new ArrayBufferWriter<byte>(4096);
            return lines;
        }
    }

    private sealed class BlobState(string folder)
    {
        public string Folder { get; } = folder;

        public int Number { get; private set; }

        public long Length { get; set; }

        public int Blocks { get; set; }

        public void Roll()
        {
            Number++;
            Length = 0;
            Blocks = 0;
        }
    }
}
