using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Cdp.Storage;

namespace Cdp.Catalog;

/// <summary>
/// Keys of the catalog table:
/// <list type="bullet">
/// <item><c>seen</c>, <c>e|{event name}|{source}</c>: what was seen of the events of a name from a source</item>
/// <item><c>seen</c>, <c>n|{source}</c>: the names that the source has here, so that no more than <see cref="CatalogLimits.Names"/> come in</item>
/// <item><c>violations</c>, <c>{source}</c>: what contradicted the source's tracking plan</item>
/// </list>
/// </summary>
/// <remarks>
/// A name is written into <c>n|</c> before its row is made. Dies between: the name has its place, and the next event with it makes the row.
/// Ordered by name first, so that a list puts the sources of a name together as it passes.
/// </remarks>
internal static class CatalogRows
{
    public const string Seen = "seen";
    public const string Violations = "violations";

    // Several instances flush the same rows at about the same time.
    private const int MostTries = 10;

    public static string Events(string name, string source) => $"e|{RowKeys.Encode(name)}|{source}";

    public static string Names(string source) => "n|" + source;

    /// <summary>Behind all keys of events.</summary>
    public const string EndOfNames = "e}";

    /// <summary>The first key behind a name's, by its encoded form; the first of all without one.</summary>
    public static string AfterName(string? encodedName) => encodedName is null ? "e|" : $"e|{encodedName}{RowKeys.AfterSeparator}";

    /// <summary>The range of one name, all sources.</summary>
    public static (string From, string To) OfName(string name) => (Events(name, ""), AfterName(RowKeys.Encode(name)));

    /// <summary>The part of a key that orders names.</summary>
    public static string EncodedName(string key) => key[2..key.LastIndexOf(RowKeys.Separator)];

    /// <summary>
    /// Null where the row is nothing that this app wrote. Whoever writes next begins it anew, and readers pass it over: what cannot be read is lost anyway, and must
    /// not cost the other rows anything.
    /// </summary>
    public static T? TryRead<T>(Row row, JsonTypeInfo<T> type)
        where T : class, ISeen
    {
        try
        {
            return JsonSerializer.Deserialize(row.Data.Span, type) is { } seen && seen.IsSound() ? seen : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Reads, changes and writes a row under its version, until nobody came between.</summary>
    /// <param name="change">What shall be there; null where what is there may stay.</param>
    public static async Task ChangeAsync(
        IRowStore rows, string partition, string key, Func<Row?, byte[]?> change, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var row = await rows.GetAsync(TableName.Catalog, partition, key, cancellation);
            if (change(row) is not { } data)
                return;
            var write = row is null ? RowWrite.Insert(key, data) : RowWrite.Replace(key, data, row.Version);
            if ((await rows.CommitAsync(TableName.Catalog, partition, [write], cancellation)).Committed)
                return;
        }

        throw new ConflictException($"A row of the catalogue was changed by others {MostTries} times in a row.");
    }
}

/// <summary>What stands in a row of the catalogue.</summary>
internal interface ISeen
{
    /// <summary>Has no null where there must be none.</summary>
    bool IsSound();
}
