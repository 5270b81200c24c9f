using System.Text.Json;
using Cdp.Storage;

namespace Cdp.Sources;

/// <summary>What has to hold for a write: nothing, that the row does not exist, or that it has a certain version.</summary>
public readonly record struct PutCondition
{
    private PutCondition(bool mustBeNew, string? version)
    {
        MustBeNew = mustBeNew;
        Version = version;
    }

    public static PutCondition None => default;

    /// <summary><c>If-None-Match: *</c></summary>
    public static PutCondition IsNew => new(true, null);

    public bool MustBeNew { get; }

    public string? Version { get; }

    /// <summary><c>If-Match</c></summary>
    public static PutCondition HasVersion(string version) => new(false, version);
}

/// <param name="Version">The version after the write; null where the condition did not hold and nothing was written.</param>
/// <param name="Created">There was none before.</param>
public readonly record struct PutResult(string? Version, bool Created)
{
    public bool Done => Version is not null;
}

/// <summary>
/// The sources, in table <c>config</c>: partition <c>sources</c>, row key the source's id, data its JSON.
/// </summary>
public sealed class SourceStore(IRowStore rows)
{
    private const string Partition = "sources";

    private const int PageSize = 1000;

    // Somebody else would have to write between read and write as often as this.
    private const int MostTries = 10;

    public async Task<(Source Source, string Version)?> GetAsync(string id, CancellationToken cancellation)
    {
        if (!SourceIds.IsValid(id))
            return null;
        var row = await rows.GetAsync(TableName.Config, Partition, id, cancellation);
        return row is null ? null : (Read(row), row.Version);
    }

    /// <summary>All sources, by id.</summary>
    public async Task<IReadOnlyList<Source>> ListAsync(CancellationToken cancellation)
    {
        var sources = new List<Source>();
        await foreach (var row in rows.RangeAsync(TableName.Config, Partition, "", "~", PageSize, cancellation))
            sources.Add(Read(row));
        return sources;
    }

    /// <summary>Creates or replaces a source, if the condition holds.</summary>
    public async Task<PutResult> PutAsync(Source source, PutCondition condition, CancellationToken cancellation)
    {
        if (!SourceIds.IsValid(source.Id))
            throw new ArgumentException("The source's id is malformed.", nameof(source));
        var data = JsonSerializer.SerializeToUtf8Bytes(source, SourceJson.Default.Source);
        if (condition.MustBeNew)
            return Result(await CommitAsync(RowWrite.Insert(source.Id, data), cancellation), created: true);
        if (condition.Version is { } version)
            return Result(await CommitAsync(RowWrite.Replace(source.Id, data, version), cancellation), created: false);
        for (var i = 0; i < MostTries; i++)
        {
            var existing = await rows.GetAsync(TableName.Config, Partition, source.Id, cancellation);
            var write = existing is null ? RowWrite.Insert(source.Id, data) : RowWrite.Replace(source.Id, data, existing.Version);
            var result = Result(await CommitAsync(write, cancellation), created: existing is null);
            if (result.Done)
                return result;
        }

        return default;
    }

    /// <summary>Reads, changes and writes under the version that was read, so that no other change is lost.</summary>
    /// <param name="change">What becomes of the source (null: there is none) and its version; may be called again.</param>
    public async Task<(Source Source, string Version, Source? Before)> ChangeAsync(string id, Func<Source?, string?, Source> change, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var present = await GetAsync(id, cancellation);
            var source = change(present?.Source, present?.Version);
            var result = await PutAsync(source, present is { Version: var version } ? PutCondition.HasVersion(version) : PutCondition.IsNew, cancellation);
            if (result.Version is { } written)
                return (source, written, present?.Source);
        }

        throw new ConflictException($"The source {id} was changed by others {MostTries} times in a row.");
    }

    /// <summary>Deletes a source; also done where there is none.</summary>
    /// <returns>False where it has another version than the one named.</returns>
    public async Task<bool> DeleteAsync(string id, string? version, CancellationToken cancellation)
    {
        if (!SourceIds.IsValid(id))
            return true;
        var result = await CommitAsync(RowWrite.Delete(id, version), cancellation);
        return result.Committed || version is null;
    }

    private Task<CommitResult> CommitAsync(RowWrite write, CancellationToken cancellation) =>
        rows.CommitAsync(TableName.Config, Partition, [write], cancellation);

    private static PutResult Result(CommitResult result, bool created) => result.Committed ? new PutResult(result.Versions[0], created) : default;

    private static Source Read(Row row) => JsonSerializer.Deserialize(row.Data.Span, SourceJson.Default.Source)
        ?? throw new InvalidDataException("The row of a source is null.");
}
