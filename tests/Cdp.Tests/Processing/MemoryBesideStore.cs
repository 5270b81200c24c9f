using Cdp.Tests.Storage;

namespace Cdp.Tests.Processing;

/// <summary>What the process holds beside the rows of the store. What a row costs beyond its key and data is measured first.</summary>
internal sealed class MemoryBesideStore(FakeStore store)
{
    private readonly long empty = GC.GetTotalMemory(true);
    private readonly (int Rows, long Bytes) few = store.Size();
    private double perRow;
    private long before;

    /// <summary>The most seen since the start.</summary>
    public long Most { get; private set; } = long.MinValue;

    /// <summary>Nothing but rows has been added.</summary>
    public void Calibrate()
    {
        var (rows, bytes) = store.Size();
        perRow = (GC.GetTotalMemory(true) - empty - (bytes - few.Bytes)) / (double)(rows - few.Rows);
    }

    public void Start() => before = Beside();

    public void Sample() => Most = Math.Max(Most, Beside() - before);

    private long Beside()
    {
        var (rows, bytes) = store.Size();
        return GC.GetTotalMemory(true) - bytes - (long)(rows * perRow);
    }
}
