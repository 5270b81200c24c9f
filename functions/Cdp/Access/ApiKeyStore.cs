using System.Text.Json;
using Cdp.Storage;

namespace Cdp.Access;

/// <summary>The API keys, in table <c>config</c>: partition <c>apikeys</c>, row key the key's id, data its JSON.</summary>
public sealed class ApiKeyStore(IRowStore rows)
{
    private const string Partition = "apikeys";
    private const int PageSize = 1000;

    /// <summary>False where there is a key of this id already.</summary>
    public async Task<bool> AddAsync(ApiKey key, CancellationToken cancellation) =>
        (await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Insert(key.Id, JsonSerializer.SerializeToUtf8Bytes(key, ApiKeyJson.Default.ApiKey))], cancellation)).Committed;

    public async Task<ApiKey?> GetAsync(string id, CancellationToken cancellation) =>
        IsId(id) && await rows.GetAsync(TableName.Config, Partition, id, cancellation) is { } row ? Read(row) : null;

    /// <summary>All keys, by id.</summary>
    public async Task<IReadOnlyList<ApiKey>> ListAsync(CancellationToken cancellation)
    {
        var keys = new List<ApiKey>();
        await foreach (var row in rows.RangeAsync(TableName.Config, Partition, "", "~", PageSize, cancellation))
            keys.Add(Read(row));
        return keys;
    }

    /// <summary>Also done where there is none.</summary>
    public async Task DeleteAsync(string id, CancellationToken cancellation)
    {
        if (IsId(id))
            await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Delete(id)], cancellation);
    }

    // Ids come from paths, and not every character may stand in a row key.
    private static bool IsId(string id) => id.Length is > 0 and <= 100 && id.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');

    private static ApiKey Read(Row row) =>
        JsonSerializer.Deserialize(row.Data.Span, ApiKeyJson.Default.ApiKey) ?? throw new InvalidDataException("The row of an API key is null.");
}
