using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Caching;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Identity;

/// <summary>Whether an identifier still shows that two profiles are one person.</summary>
public enum LinkState
{
    Linking,

    /// <summary>Two different people use it.</summary>
    Detached,

    /// <summary>Seen with too many others.</summary>
    Quarantined,
}

/// <summary>Why an identifier links nobody any more.</summary>
/// <param name="Home">The profile that had it then, whose document shows it.</param>
/// <param name="Pending">That document does not say so yet: whoever meets this finishes it.</param>
public sealed record Suspension(ProfileId Home, bool Pending, Instant At, string MessageId, string Rule);

/// <summary>Which profile an identifier leads to.</summary>
/// <param name="Past">
/// Profiles the identifier led to before. A message that was committed there once must not count again here, so their markers are read too.
/// </param>
/// <param name="Version">For a conditional change.</param>
/// <param name="FromCache">Not read now: it may be stale, which shows at the document.</param>
/// <param name="Owned">The profile lists it or will; where not, its events go there and that is all.</param>
/// <param name="Suspension">Null while it links.</param>
/// <param name="SeenWith">By type, hashes of the values it was seen with that are not of its profile.</param>
public sealed record IdentityEntry(
    Identifier Identifier,
    ProfileId Profile,
    IReadOnlyList<ProfileId> Past,
    Instant ClaimedAt,
    string Version,
    bool FromCache = false,
    LinkState State = LinkState.Linking,
    bool Owned = true,
    Suspension? Suspension = null,
    IReadOnlyDictionary<string, IReadOnlyList<uint>>? SeenWith = null)
{
    /// <summary>All profiles that may have the markers of its messages, but the one it leads to.</summary>
    public IEnumerable<ProfileId> Elsewhere => Suspension is { } suspension ? Past.Append(suspension.Home) : Past;

    public IdentityEntry LeadingTo(ProfileId profile, Instant at, bool remember) => this with
    {
        Profile = profile,
        ClaimedAt = at,
        Past = remember && Profile != profile && !Past.Contains(Profile) ? [.. Past, Profile] : Past,
    };
}

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
        var entry = new IdentityEntry(identifier, profile, [], Instant.Now(time), "");
        var write = RowWrite.Insert(Key(identifier), Data(entry));
        var result = await rows.CommitAsync(TableName.Identities, Partition(identifier), [write], cancellation);
        if (!result.Committed)
        {
            cache.Remove(identifier);
            return null;
        }

        entry = entry with { Version = result.Versions[0]! };
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
    public Task<IdentityEntry?> RepointAsync(IdentityEntry entry, ProfileId profile, bool remember, CancellationToken cancellation) =>
        ChangeAsync(entry.LeadingTo(profile, Instant.Now(time), remember), cancellation);

    /// <summary>Writes a changed entry in place of the version it was read as. Null where it changed meanwhile.</summary>
    public async Task<IdentityEntry?> ChangeAsync(IdentityEntry changed, CancellationToken cancellation)
    {
        var write = RowWrite.Replace(Key(changed.Identifier), Data(changed), changed.Version);
        var result = await rows.CommitAsync(TableName.Identities, Partition(changed.Identifier), [write], cancellation);
        if (!result.Committed)
        {
            cache.Remove(changed.Identifier);
            return null;
        }

        var written = changed with { Version = result.Versions[0]!, FromCache = false };
        Remember(written);
        return written;
    }

    private void Remember(IdentityEntry entry) => cache.Set(entry.Identifier, entry with { FromCache = true });

    private static string Partition(Identifier identifier) =>
        ProfileId.ShardName((int)(Hash128.Of(identifier.Type, identifier.Value).High >> 56));

    private static string Key(Identifier identifier) => identifier.Type + RowKeys.Separator + RowKeys.Encode(identifier.Value);

    private static byte[] Data(IdentityEntry entry) => JsonSerializer.SerializeToUtf8Bytes(
        new IdentityRow(
            entry.Profile.Value,
            entry.ClaimedAt.Milliseconds,
            entry.Past.Count == 0 ? null : [.. entry.Past.Select(p => p.Value)],
            entry.Identifier.Value,
            entry.State == LinkState.Linking ? null : entry.State,
            entry.Owned ? null : true,
            entry.Suspension is { } s ? new SuspensionRow(s.Home.Value, s.Pending, s.At.Milliseconds, s.MessageId, s.Rule) : null,
            entry.SeenWith),
        IdentityJson.Default.IdentityRow);

    private static IdentityEntry Read(Identifier identifier, Row row)
    {
        var data = JsonSerializer.Deserialize(row.Data.Span, IdentityJson.Default.IdentityRow)
            ?? throw new InvalidDataException($"The identities row {row.Key} is empty.");
        return new IdentityEntry(
            identifier,
            new ProfileId(data.Profile),
            data.Past is null ? [] : Array.ConvertAll(data.Past, p => new ProfileId(p)),
            new Instant(data.At),
            row.Version,
            State: data.State ?? LinkState.Linking,
            Owned: data.NotOwned != true,
            Suspension: data.Suspension is { } s ? new Suspension(new ProfileId(s.Home), s.Pending, new Instant(s.At), s.MessageId, s.Rule) : null,
            SeenWith: data.SeenWith);
    }
}

/// <param name="Value">The identifier's value, which a hashed key does not tell.</param>
internal sealed record IdentityRow(
    string Profile,
    long At,
    string[]? Past,
    string Value,
    LinkState? State,
    bool? NotOwned,
    SuspensionRow? Suspension,
    IReadOnlyDictionary<string, IReadOnlyList<uint>>? SeenWith);

internal sealed record SuspensionRow(string Home, bool Pending, long At, string MessageId, string Rule);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(IdentityRow))]
internal sealed partial class IdentityJson : JsonSerializerContext;
