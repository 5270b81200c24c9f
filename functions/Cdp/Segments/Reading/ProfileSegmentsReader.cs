using Cdp.Events;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Storage;

namespace Cdp.Segments.Reading;

/// <summary>What readers of a profile are told of its segments.</summary>
/// <param name="Memberships">By segment id.</param>
/// <param name="Computed">Values of computed traits, as JSON texts, by id; those without a value, and those that are not known yet, are absent.</param>
public sealed record ProfileSegmentsView(IReadOnlyList<Membership> Memberships, IReadOnlyList<KeyValuePair<string, string>> Computed);

/// <summary>
/// Segments as they were found last, and computed traits as they are now: days since an order need no write every day.
/// </summary>
public sealed class ProfileSegmentsReader(IRowStore rows, DefinitionsRegistry definitions, TimeProvider time)
{
    /// <returns>Null where nothing is defined.</returns>
    public Task<ProfileSegmentsView?> ReadAsync(Profile profile, CancellationToken cancellation) => ReadAsync(profile, computed: true, cancellation);

    /// <param name="computed">False: computed traits are not wanted, and finding them is most of the work.</param>
    /// <returns>Null where nothing is defined.</returns>
    public async Task<ProfileSegmentsView?> ReadAsync(Profile profile, bool computed, CancellationToken cancellation)
    {
        var set = await definitions.CurrentAsync(cancellation);
        if (SegmentFold.NeedsNewer(set, profile))
            set = await definitions.NewerAsync(cancellation);
        if (set.IsEmpty)
            return null;
        List<Membership> memberships = [.. profile.Memberships.Where(m => !SegmentFold.IsGone(set, m)).OrderBy(m => m.SegmentId, StringComparer.Ordinal)];
        return new ProfileSegmentsView(memberships, computed ? await ComputeAsync(profile, set, cancellation) : []);
    }

    private async Task<IReadOnlyList<KeyValuePair<string, string>>> ComputeAsync(Profile profile, DefinitionSet set, CancellationToken cancellation)
    {
        // During a merge the state is that of one side alone.
        if (profile.SegmentState.IsEmpty || profile.NeedsRefold || SegmentFold.NeedsNewer(set, profile))
            return [];
        var state = ProfileSegments.Open(set.Compiled, profile.SegmentState);
        var evaluation = await state.EvaluateAsync(
            Instant.Now(time), new DocumentTraits(profile), new RowTimeline(rows, profile.Id), oldestQueued: null, everything: true, cancellation);
        var values = new List<KeyValuePair<string, string>>();
        foreach (var result in evaluation.Computed)
        {
            if (result.Json is { } value)
                values.Add(new KeyValuePair<string, string>(result.TraitId, value));
        }

        values.Sort(static (a, b) => string.CompareOrdinal(a.Key, b.Key));
        return values;
    }
}
