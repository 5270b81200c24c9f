using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Storage;

namespace Cdp.Destinations.Blobs;

/// <summary>
/// JSON lines in the app's own storage, container <c>feeds</c>: <c>{destination}/{yyyy}/{MM}/{dd}/{HH}/{instance}-{n}.jsonl</c>, by the hour of writing. A line has the
/// key and the payload; after a crash it may stand twice.
/// </summary>
public sealed class BlobDestination(IBlobStore blobs, IdGenerator ids, TimeProvider time) : IDestinationType
{
    public const string TypeName = "blob";

    private const int MostTries = 3;
    private const long MostBlobBytes = 256L * 1024 * 1024;

    private readonly string instance = ids.Next("");
    private readonly ConcurrentDictionary<string, Log> logs = new(StringComparer.Ordinal);

    public string Name => TypeName;

    public IReadOnlyList<string> Secrets { get; } = [];

    public (int Default, int Most) BatchSize => (100, 100);

    public void Check(JsonFields settings, Func<string, bool> has)
    {
    }

    public async Task<SendResult> SendAsync(DestinationTarget target, IReadOnlyList<Outgoing> batch, CancellationToken cancellation)
    {
        var lines = new ArrayBufferWriter<byte>();
        foreach (var item in batch)
        {
            lines.Write(PayloadText.Of(json =>
            {
                json.WriteStartObject();
                json.WriteString("id"u8, item.DeliveryId);
                json.WriteString("key"u8, item.Key);
                json.WriteNumber("profileVersion"u8, item.ProfileVersion);
                json.WritePropertyName("payload"u8);
                PayloadText.Raw(json, item.Payload);
                json.WriteEndObject();
            }).Span);
            lines.Write("\n"u8);
        }

        var log = logs.GetOrAdd(target.Id, static _ => new Log());
        await log.Writing.WaitAsync(cancellation);
        try
        {
            var name = await AppendAsync(log, target.Id, lines.WrittenMemory, cancellation);
            return name is null
                ? new SendResult(SendStatus.Retry, new Exchange("APPEND", target.Id, lines.WrittenCount, Error: "The blob could not be appended to."))
                : new SendResult(SendStatus.Delivered, new Exchange("APPEND", name, lines.WrittenCount, Status: 201));
        }
        finally
        {
            log.Writing.Release();
        }
    }

    private async Task<string?> AppendAsync(Log log, string destination, ReadOnlyMemory<byte> lines, CancellationToken cancellation)
    {
        var folder = $"{destination}/{time.GetUtcNow().UtcDateTime.ToString("yyyy'/'MM'/'dd'/'HH", CultureInfo.InvariantCulture)}/";
        if (log.Folder != folder)
            log.Begin(folder);
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (log.Blocks >= StorageLimits.AppendBlobBlocks || log.Length + lines.Length > MostBlobBytes)
                log.Roll();
            var name = $"{folder}{instance}-{log.Number}.jsonl";
            if (await blobs.AppendAsync(ContainerName.Feeds, name, log.Length, lines, cancellation))
            {
                log.Length += lines.Length;
                log.Blocks++;
                return name;
            }

            // An append whose answer got lost did take effect: its lines will stand twice, here and in the next blob.
            log.Roll();
        }

        return null;
    }

    private sealed class Log
    {
        public SemaphoreSlim Writing { get; } = new(1, 1);

        public string Folder { get; private set; } = "";

        public int Number { get; private set; }

        public long Length { get; set; }

        public int Blocks { get; set; }

        public void Begin(string folder)
        {
            Folder = folder;
            Roll();
        }

        public void Roll()
        {
            Number++;
            Length = 0;
            Blocks = 0;
        }
    }
}
