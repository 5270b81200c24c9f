using System.Text.Json;
using Cdp.Problems;
using Cdp.Storage;

namespace Cdp.Identity;

/// <summary>
/// The configured rules, in table <c>config</c>: partition <c>identity-rules</c>, row <c>current</c>, data as <see cref="IdentityRulesDocument"/>
/// writes them. No row: nobody has configured anything.
/// </summary>
public sealed class IdentityRulesStore(IRowStore rows)
{
    private const string Partition = "identity-rules";
    private const string Current = "current";

    // A row keeps its object as long as it is not written, so that a reload does not compile the rules again.
    private volatile Kept? kept;

    /// <returns>Null where none are stored: <see cref="IdentityRules.Default"/> holds.</returns>
    public async Task<(IdentityRules Rules, string Version)?> GetAsync(CancellationToken cancellation)
    {
        if (await rows.GetAsync(TableName.Config, Partition, Current, cancellation) is not { } row)
            return null;
        if (kept is { } known && known.Version == row.Version)
            return (known.Rules, known.Version);
        var rules = Read(row);
        kept = new Kept(rules, row.Version);
        return (rules, row.Version);
    }

    /// <param name="replacing">The version of the row that is replaced; null: there is none.</param>
    /// <returns>The new version of the row; null where somebody else has written it meanwhile.</returns>
    public async Task<string?> PutAsync(IdentityRules rules, string? replacing, CancellationToken cancellation)
    {
        using var data = new MemoryStream();
        await using (var json = new Utf8JsonWriter(data))
            IdentityRulesDocument.Write(json, rules);
        var write = replacing is null ? RowWrite.Insert(Current, data.ToArray()) : RowWrite.Replace(Current, data.ToArray(), replacing);
        var result = await rows.CommitAsync(TableName.Config, Partition, [write], cancellation);
        return result.Committed ? result.Versions[0] : null;
    }

    private static IdentityRules Read(Row row)
    {
        try
        {
            using var json = JsonDocument.Parse(row.Data);
            return IdentityRulesDocument.Read(json.RootElement, json.RootElement.GetProperty("version").GetInt64());
        }
        catch (Exception exception) when (exception is JsonException or ProblemException or InvalidOperationException or KeyNotFoundException)
        {
            throw new InvalidDataException("The stored identity rules cannot be read: " + exception.Message, exception);
        }
    }

    private sealed record Kept(IdentityRules Rules, string Version);
}
