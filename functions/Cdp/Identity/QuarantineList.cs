using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Identity;

/// <summary>An identifier in quarantine, for a person to look at.</summary>
/// <param name="Rule">Of which type it was seen with too many values, such as <c>email.quarantine.phone</c>.</param>
/// <param name="Profile">The profile that had it when it was quarantined.</param>
public sealed record QuarantinedIdentifier(Identifier Identifier, Instant At, string MessageId, string Rule, ProfileId Profile);

/// <summary>
/// The quarantined identifiers, in table <c>config</c>: partition <c>quarantine</c>, row key as in the index. Only a list: the index decides.
/// </summary>
public sealed class QuarantineList(IRowStore rows)
{
    private const string Partition = "quarantine";

    public Task PutAsync(IdentityEntry entry, CancellationToken cancellation)
    {
        var suspension = entry.Suspension!;
        var row = new QuarantineRow(
            entry.Identifier.Type, entry.Identifier.Value, suspension.At.Milliseconds, suspension.MessageId, suspension.Rule, suspension.Home.Value);
        var write = RowWrite.Upsert(Key(entry.Identifier), JsonSerializer.SerializeToUtf8Bytes(row, QuarantineJson.Default.QuarantineRow));
        return rows.CommitAsync(TableName.Config, Partition, [write], cancellation);
    }

    /// <summary>Also done where it is not listed.</summary>
    public Task RemoveAsync(Identifier identifier, CancellationToken cancellation) =>
        rows.CommitAsync(TableName.Config, Partition, [RowWrite.Delete(Key(identifier))], cancellation);

    /// <summary>In the order of their keys.</summary>
    /// <param name="after">The key of the last one seen; null to begin.</param>
    public async IAsyncEnumerable<(string Key, QuarantinedIdentifier Quarantined)> AllAsync(
        string? after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (var row in rows.RangeAsync(TableName.Config, Partition, after is null ? "" : after + "!", "~", 100, cancellation))
        {
            var data = JsonSerializer.Deserialize(row.Data.Span, QuarantineJson.Default.QuarantineRow)
                ?? throw new InvalidDataException($"The quarantine row {row.Key} is empty.");
            yield return (row.Key, new QuarantinedIdentifier(
                new Identifier(data.Type, data.Value), new Instant(data.At), data.MessageId, data.Rule, new ProfileId(data.Profile)));
        }
    }

    private static string Key(Identifier identifier) => identifier.Type + RowKeys.Separator + RowKeys.Encode(identifier.Value);
}

internal sealed record QuarantineRow(string Type, string Value, long At, string MessageId, string Rule, string Profile);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(QuarantineRow))]
internal sealed partial class QuarantineJson : JsonSerializerContext;
