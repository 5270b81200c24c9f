using Cdp.Collect;

namespace Cdp.Imports;

/// <summary>Events on their way to the collector, each with the record that it is of.</summary>
internal sealed class ImportBatch : IDisposable
{
    private readonly ByteBuilder body = new(16 * 1024);
    private readonly List<FileRecord> records = [];
    private readonly Dictionary<int, Refused> refused = [];

    public ImportBatch() => body.Append("{\"batch\":["u8);

    /// <summary>Events, those that could not be made included.</summary>
    public int Count => records.Count;

    public int Bytes => body.Length;

    /// <summary>The record whose events are added now.</summary>
    public FileRecord Record { get; set; }

    public IReadOnlyDictionary<int, Refused> Refused => refused;

    public FileRecord RecordOf(int index) => records[index];

    /// <param name="json">An object; it is known to be valid JSON.</param>
    public void Add(ReadOnlySpan<byte> json)
    {
        Separate();
        body.Append(json);
        records.Add(Record);
    }

    /// <summary>Stands for an event that could not be made.</summary>
    public void Refuse(Refused reason)
    {
        Separate();
        body.Append("null"u8);
        refused.Add(records.Count, reason);
        records.Add(Record);
    }

    /// <summary>As <c>/v1/batch</c> takes it. Nothing may be added afterwards.</summary>
    public ReadOnlyMemory<byte> Complete()
    {
        body.Append("]}"u8);
        return body.WrittenMemory;
    }

    public void Dispose() => body.Dispose();

    private void Separate()
    {
        if (records.Count > 0)
            body.Append((byte)',');
    }
}
