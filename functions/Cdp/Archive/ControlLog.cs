using System.Buffers;
using System.Text.Json;

namespace Cdp.Archive;

/// <summary>
/// What was decided about identities, as lines of the raw archive beside the events, under <c>raw/_control/</c>: merges, unmerges, identifiers that
/// were detached or quarantined, changes of the rules. With the events everything can be rebuilt from it.
/// </summary>
/// <remarks>Written before the decision's message is done with, so a line is never missing; after a crash it may stand twice, with the same id.</remarks>
public sealed class ControlLog(RawArchive archive)
{
    /// <summary>No source can have this id.</summary>
    public const string Folder = "_control";

    /// <param name="write">Writes one JSON object.</param>
    public Task RecordAsync(Action<Utf8JsonWriter> write, CancellationToken cancellation)
    {
        var line = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(line))
            write(json);
        return archive.AppendLineAsync(Folder, line.WrittenMemory, cancellation);
    }
}
