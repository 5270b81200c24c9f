using System.Runtime.CompilerServices;
using System.Text.Json;
using Cdp.Events;
using Cdp.Ids;
using Cdp.Storage;

namespace Cdp.Imports;

/// <summary>The imports, in table <c>config</c>: partition <c>imports</c>, row key the import's id, data its JSON.</summary>
public sealed class ImportStore(IRowStore rows, IdGenerator ids, TimeProvider time)
{
    internal const string Partition = "imports";

    private const int PageSize = 100;

    // An import would have to move on between read and write as often as this.
    private const int MostTries = 10;

    /// <summary>Notes an import whose file is still to come.</summary>
    public async Task<ImportDocument> CreateAsync(ImportRequest request, CancellationToken cancellation)
    {
        var import = ImportDocument.New(ids.Next(ImportDocument.IdPrefix), request, Instant.Now(time));
        // Refused can only mean that the answer to this very write got lost: nobody else has the id.
        await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Insert(import.Id, Data(import))], cancellation);
        return import;
    }

    /// <summary>Null where there is none.</summary>
    public async Task<ImportDocument?> GetAsync(string id, CancellationToken cancellation) =>
        await FindAsync(id, cancellation) is { } found ? found.Import : null;

    /// <summary>By id, so by the time they were made, from <paramref name="after"/> (exclusive) on.</summary>
    public async IAsyncEnumerable<ImportDocument> ListAsync(string? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        // "!" sorts before whatever an id contains.
        var from = after is null ? ImportDocument.IdPrefix : after + "!";
        await foreach (var row in rows.RangeAsync(TableName.Config, Partition, from, ImportDocument.IdPrefix + "~", PageSize, cancellation))
            yield return Read(row);
    }

    /// <summary>
    /// Sets an import running that waits, or that failed: it goes on where it stands. One that runs or is done stays as it is. Who dies before its message
    /// is sent leaves one that stands still, which the timer finds.
    /// </summary>
    /// <returns>Null where there is none.</returns>
    /// <exception cref="ConflictException">Others changed it again and again.</exception>
    public Task<ImportDocument?> StartAsync(string id, CancellationToken cancellation) => ChangeAsync(
        id,
        import => import.State is not (ImportState.Waiting or ImportState.Failed) ? import : import with
        {
            State = ImportState.Running,
            StartedAt = import.StartedAt ?? Instant.Now(time),
            CompletedAt = null,
            Reason = null,
            // What was reported stays so.
            ReportParts = import is { Report: { } report, ReportParts: [] } ? [report] : import.ReportParts,
        },
        cancellation);

    /// <summary>Gives an import up, for instance because its message was poisoned. Nothing happens where it is done, or there is none.</summary>
    /// <exception cref="ConflictException">Others changed it again and again.</exception>
    public Task FailAsync(string id, string reason, CancellationToken cancellation) => ChangeAsync(
        id,
        import => import.State is not (ImportState.Running or ImportState.Ending) ? import : import with { State = ImportState.Failed, CompletedAt = Instant.Now(time), Reason = reason },
        cancellation);

    /// <summary>Forgets an import; whoever works on it finds out at the next write. No error where there is none.</summary>
    internal Task DeleteAsync(string id, CancellationToken cancellation) =>
        rows.CommitAsync(TableName.Config, Partition, [RowWrite.Delete(id)], cancellation);

    internal async Task<(ImportDocument Import, string Version)?> FindAsync(string id, CancellationToken cancellation)
    {
        if (!IdGenerator.IsId(id, ImportDocument.IdPrefix) || await rows.GetAsync(TableName.Config, Partition, id, cancellation) is not { } row)
            return null;
        return (Read(row), row.Version);
    }

    /// <summary>Writes how far an import has come.</summary>
    /// <returns>The new version; null where somebody else has written since: the import is theirs now, or deleted.</returns>
    internal async Task<string?> SaveAsync(ImportDocument import, string version, CancellationToken cancellation)
    {
        var data = Data(import);
        var result = await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Replace(import.Id, data, version)], cancellation);
        if (result.Committed)
            return result.Versions[0];
        // Refused can also mean that this very write took effect and its answer got lost.
        var row = await rows.GetAsync(TableName.Config, Partition, import.Id, cancellation);
        return row is not null && row.Data.Span.SequenceEqual(data) ? row.Version : null;
    }

    private async Task<ImportDocument?> ChangeAsync(string id, Func<ImportDocument, ImportDocument> change, CancellationToken cancellation)
    {
        for (var i = 0; i < MostTries; i++)
        {
            if (await FindAsync(id, cancellation) is not var (import, version))
                return null;
            var changed = change(import);
            if (ReferenceEquals(changed, import))
                return import;
            changed = changed with { UpdatedAt = Instant.Now(time), Run = ids.Next("") };
            if (await SaveAsync(changed, version, cancellation) is not null)
                return changed;
        }

        throw new ConflictException($"Import {id} changes all the time.");
    }

    private static ImportDocument Read(Row row) => JsonSerializer.Deserialize(row.Data.Span, ImportJson.Default.ImportDocument)
        ?? throw new InvalidDataException($"The row of import {row.Key} is null.");

    private static byte[] Data(ImportDocument import) => JsonSerializer.SerializeToUtf8Bytes(import, ImportJson.Default.ImportDocument);
}
