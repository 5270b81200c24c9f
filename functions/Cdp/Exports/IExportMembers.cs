using Cdp.Profiles;

namespace Cdp.Exports;

/// <summary>Whom an export is about. Read from the membership rows and documents; generated in tests.</summary>
public interface IExportMembers
{
    /// <summary>
    /// The members of the segment, each once, ordered by <see cref="MemberKey"/>, from behind <paramref name="after"/> (null: from the start). Read as they
    /// are consumed, so it is no snapshot: who comes or goes meanwhile may or may not be among them.
    /// </summary>
    IAsyncEnumerable<ExportMember> ReadAsync(ExportRequest request, string? after, CancellationToken cancellation);

    /// <summary>A profile that is no member any more; null where there is none with this id, or where it was merged into another.</summary>
    ValueTask<ExportMember?> FindAsync(ExportRequest request, ProfileId id, CancellationToken cancellation);
}

/// <summary>A profile with what its document does not say by itself, as far as the export has a column for it.</summary>
/// <param name="ComputedTraits">JSON texts by the trait's id; none where it has no value.</param>
public sealed record ExportMember(Profile Profile, IReadOnlyDictionary<string, string> ComputedTraits)
{
    /// <summary>The ids of the segments that the profile is in, in their order.</summary>
    public IReadOnlyList<string> Segments { get; init; } = [];

    public static readonly IReadOnlyDictionary<string, string> NoComputedTraits = new Dictionary<string, string>(StringComparer.Ordinal);
}

/// <summary>Orders members as the tables hold them: by shard, then by id. Ordinal comparison of the texts.</summary>
public static class MemberKey
{
    /// <summary>Two digits of the shard, and the id.</summary>
    public const int Length = 2 + IdLength;

    private const int IdLength = 4 + Ids.IdGenerator.UlidLength;

    public static string Of(ProfileId profile) => profile.Shard + profile.Value;

    public static ProfileId Profile(string key) => new(key[2..]);
}
