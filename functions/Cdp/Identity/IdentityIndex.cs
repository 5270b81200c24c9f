using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Caching;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Identity;

/// <summary>Which profile an identifier leads to.</summary>
/// <param name="Past">
/// Profiles the identifier led to before. A message that was committed there once must not count again here, so their markers are read too.
/// </param>
/// <param name="Version">For a conditional repoint.</param>
/// <param name="FromCache">Not read now: it may be stale, which shows at the document.</param>
public sealed record IdentityEntry(
    Identifier Identifier, ProfileId Profile, IReadOnlyList<ProfileId> Past, Instant ClaimedAt, string Version, bool FromCache = false);

/// <summary>
/// The identities table: <c>{type}|{value}</c> in one of 256 partitions by hash. It is an index: the document of the profile says
/// whether the identifier is really owned. An entry may be ahead (a claim whose commit is still to come, or died) or stale (the
/// profile was merged since); both are found out at the document.
/// </summary>
public sealed class IdentityIndex(IRowStore rows, TimeProvider time)
{
    // About 200 bytes an entry: 2 x 100,000 entries are 40 MB at most.
    private readonly TwoGenerationCache<Identifier, IdentityEntry> cache = new(100_000);

    /// <summary>Finds the entry of an identifier, null where nobody has it.</summary>
    /// <param name="fresh">Read the table even where the answer is cached.</param>
    public ValueTask<IdentityEntry?> FindAsync(Identifier identifier, bool fresh, CancellationToken cancellation) =>
        !fresh && FindCached(identifier) is { } cached ? new(cached) : new(ReadAsync(identifier, cancellation));

    /// <summary>What this process remembers; null where it does not know.</summary>
    public IdentityEntry? FindCached(Identifier identifier) => cache.TryGet(identifier, out var cached) ? cached : null;

    /// <summary>Reads the table.</summary>
    public async Task<IdentityEntry?> ReadAsync(Identifier identifier, CancellationToken cancellation)
    {
        var row = await rows.GetAsync(TableName.Identities, Partition(identifier), Key(identifier), cancellation);
        if (row is null)
        {
            cache.Remove(identifier);
            return null;
        }

        var entry = Read(identifier, row);
        Remember(entry);
        return entry;
    }

    /// <summary>Reserves an identifier nobody has. Null where somebody was quicker.</summary>
    public async Task<IdentityEntry?> ClaimAsync(Identifier identifier, ProfileId profile, CancellationToken cancellation)
    {
        var now = Instant.Now(time);
        var write = RowWrite.Insert(Key(identifier), Data(identifier, profile, [], now));
        var result = await rows.CommitAsync(TableName.Identities, Partition(identifier), [write], cancellation);
        if (!result.Committed)
        {
            cache.Remove(identifier);
            return null;
        }

        var entry = new IdentityEntry(identifier, profile, [], now, result.Versions[0]!);
        Remember(entry);
        return entry;
    }

    /// <summary>Takes a claim back that came to nothing, unless somebody else built on it. The identifier is nobody's again.</summary>
    public async Task ReleaseAsync(IdentityEntry entry, CancellationToken cancellation)
    {
        cache.Remove(entry.Identifier);
        var write = RowWrite.Delete(Key(entry.Identifier), entry.Version);
        await rows.CommitAsync(TableName.Identities, Partition(entry.Identifier), [write], cancellation);
    }

    /// <summary>Leads an identifier to another profile from now on. Null where the entry changed meanwhile.</summary>
    /// <param name="remember">Keep the present profile in <see cref="IdentityEntry.Past"/>: its markers stay there.</param>
    public async Task<IdentityEntry?> RepointAsync(IdentityEntry entry, ProfileId profile, bool remember, CancellationToken cancellation)
    {
        ProfileId[] past = remember && entry.Profile != profile && !entry.Past.Contains(entry.Profile) ? [.. entry.Past, entry.Profile] : [.. entry.Past];
        var now = Instant.Now(time);
        var write = RowWrite.Replace(Key(entry.Identifier), Data(entry.Identifier, profile, past, now), entry.Version);
        var result = await rows.CommitAsync(TableName.Identities, Partition(entry.Identifier), [write], cancellation);
        if (!result.Committed)
        {
            cache.Remove(entry.Identifier);
            return null;
        }

        var written = new IdentityEntry(entry.Identifier, profile, past, now, result.Versions[0]!);
        Remember(written);
        return written;
    }

    private void Remember(IdentityEntry entry) => cache.Set(entry.Identifier, entry with { FromCache = true });

    private static string Partition(Identifier identifier) =>
        ProfileId.ShardName((int)(Hash128.Of(identifier.Type, identifier.Value).High >> 56));

    private static string Key(Identifier identifier) => identifier.Type + RowKeys.Separator + RowKeys.Encode(identifier.Value);

    private static byte[] Data(Identifier identifier, ProfileId profile, ProfileId[] past, Instant at) =>
        JsonSerializer.SerializeToUtf8Bytes(
            new IdentityRow(profile.Value, at.Milliseconds, past.Length == 0 ? null : Array.ConvertAll(past, p => p.Value), identifier.Value),
            IdentityJson.Default.IdentityRow);

    private static IdentityEntry Read(Identifier identifier, Row row)
    {
        var data = JsonSerializer.Deserialize(row.Data.Span, IdentityJson.Default.IdentityRow)
            ?? throw new InvalidDataException($"The identities row {row.Key} is empty.");
        var past = data.Past is null ? [] : Array.ConvertAll(data.Past, p => new ProfileId(p));
        return new IdentityEntry(identifier, new ProfileId(data.Profile), past, new Instant(data.At), row.Version);
    }
}

/// <param name="Value">The identifier's value, which a hashed key does not tell.</param>
internal sealed record IdentityRow(string Profile, long At, string[]? Past, string Value);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(IdentityRow))]
internal sealed partial class IdentityJson : JsonSerializerContext;
