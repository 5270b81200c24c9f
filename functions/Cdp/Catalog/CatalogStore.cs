using System.Runtime.CompilerServices;
using Cdp.Storage;

namespace Cdp.Catalog;

/// <summary>Reads the catalogue name by name, and forgets it.</summary>
/// <remarks>Notes of other instances are up to <see cref="CatalogRecorder.FlushEvery"/> old; this one's are written first.</remarks>
public sealed class CatalogStore(IRowStore rows, CatalogRecorder recorder)
{
    private const int PageSize = 100;

    private const int DeletePageSize = 1000;

    /// <summary>Every event name, in a fixed order.</summary>
    /// <param name="after">The position of an entry; null from the first.</param>
    /// <param name="sourceId">What came from this source only.</param>
    public async IAsyncEnumerable<CatalogEntry> EntriesAsync(string? after, string? sourceId, [EnumeratorCancellation] CancellationToken cancellation)
    {
        if (after is null)
            await recorder.FlushAsync(cancellation);
        CatalogEntry? entry = null;
        await foreach (var row in rows.RangeAsync(TableName.Catalog, CatalogRows.Seen, CatalogRows.AfterName(after), CatalogRows.EndOfNames, PageSize, cancellation))
        {
            if (CatalogRows.TryRead(row, CatalogJson.Compact.SeenEvents) is not { } seen || (sourceId is not null && seen.Source != sourceId))
                continue;
            var position = CatalogRows.EncodedName(row.Key);
            if (entry is not null && entry.Position != position)
            {
                yield return entry;
                entry = null;
            }

            entry ??= new CatalogEntry(position, seen.Name);
            entry.Add(seen);
        }

        if (entry is not null)
            yield return entry;
    }

    /// <summary>The identify calls, whose traits are those of profiles; null where there was none.</summary>
    public async Task<CatalogEntry?> IdentifyAsync(string? sourceId, CancellationToken cancellation)
    {
        CatalogEntry? entry = null;
        var (from, to) = CatalogRows.OfName(EventNames.Identify);
        await foreach (var row in rows.RangeAsync(TableName.Catalog, CatalogRows.Seen, from, to, PageSize, cancellation))
        {
            if (CatalogRows.TryRead(row, CatalogJson.Compact.SeenEvents) is { } seen && (sourceId is null || seen.Source == sourceId))
                (entry ??= new CatalogEntry(CatalogRows.EncodedName(row.Key), seen.Name)).Add(seen);
        }

        return entry;
    }

    /// <summary>Forgets what was seen from a source, or from all: names that a flood left, or ones that should not be there. It fills again with the next events.</summary>
    public async Task ForgetAsync(string? sourceId, CancellationToken cancellation)
    {
        await foreach (var row in rows.RangeAsync(TableName.Catalog, CatalogRows.Seen, "", "~", DeletePageSize, cancellation))
        {
            // Refused where somebody else was first.
            if (sourceId is null || row.Key.EndsWith(RowKeys.Separator + sourceId, StringComparison.Ordinal))
                await rows.CommitAsync(TableName.Catalog, CatalogRows.Seen, [RowWrite.Delete(row.Key)], cancellation);
        }
    }
}
