using Cdp.Events;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Segments.Backfill;
using Cdp.Segments.Definitions;
using Cdp.Segments.Language;
using Cdp.Storage;

namespace Cdp.Segments.Reading;

/// <summary>
/// Evaluates a condition that is not saved for profile after profile, from their timelines: by the evaluator that serves live events, a page of documents and their
/// timelines in one pass.
/// </summary>
internal sealed class TimelineWalk
{
    /// <summary>Of a segment under another id nothing could be saved.</summary>
    public const string Id = "preview";

    public const int PageSize = 100;

    private readonly IRowStore rows;
    private readonly CompiledDefinitions compiled;
    private readonly Instant now;

    private TimelineWalk(IRowStore rows, CompiledDefinitions compiled, Instant now)
    {
        this.rows = rows;
        this.compiled = compiled;
        this.now = now;
    }

    /// <exception cref="ProblemException">segment-invalid</exception>
    public static TimelineWalk Of(IRowStore rows, Condition where, DefinitionSet set, Instant now)
    {
        var preview = new SegmentDefinition(Id, Id, null, where, null, NotifyBackfill: false);
        var errors = SegmentReferences.Check([.. set.SegmentDefinitions, preview]);
        if (errors.Count > 0)
            throw new ProblemException(new Problem(ProblemType.SegmentInvalid, errors[0] + ".", [.. errors.Select(e => new ProblemError("where", e))]));
        var forThis = CompiledDefinitions.Compile(
            0, CompiledDefinitions.OfOneEpoch(SegmentReferences.Reachable(preview, set.SegmentDefinitions)), CompiledDefinitions.OfOneEpoch(set.ComputedDefinitions));
        return new TimelineWalk(rows, forThis, now);
    }

    /// <summary>Whether what it finds depends on what else is defined.</summary>
    public static bool UsesOthers(Condition where, DefinitionSet set) =>
        SegmentReferences.Of(where).Count > 0 || set.ComputedDefinitions.Any(trait => SegmentReferences.NamesTrait(where, trait.Id));

    /// <summary>Profiles of a shard behind one (null: the first), and what is found of each.</summary>
    /// <returns>The last profile looked at; null where there are no more behind it.</returns>
    public async Task<ProfileId?> PageAsync(string shard, ProfileId? after, Action<Profile, bool> found, CancellationToken cancellation)
    {
        var page = new List<Profile>(PageSize);
        var (from, to) = ProfileRows.Documents(after);
        var count = 0;
        await foreach (var row in rows.RangeAsync(TableName.Profiles, shard, from, to, PageSize, cancellation))
        {
            after = ProfileRows.ProfileOfLastPart(row.Key);
            if (ProfileCodec.Decode(after.Value, row.Data) is { MergedInto: null, IsEmpty: false } profile)
                page.Add(profile);
            if (++count == PageSize)
                break;
        }

        if (page.Count > 0)
        {
            await using var sweep = new EventSweep(rows, shard, page[0].Id, page[^1].Id, cancellation);
            foreach (var profile in page)
            {
                var state = await ProfileSegments.RefoldAsync(compiled, sweep.Of(profile.Id), cancellation: cancellation);
                var evaluation = await state.EvaluateAsync(
                    now, new DocumentTraits(profile), new RowTimeline(rows, profile.Id), oldestQueued: null, everything: true, cancellation);
                found(profile, evaluation.Segments.Any(static s => s is { SegmentId: Id, Member: true }));
            }
        }

        return count < PageSize ? null : after;
    }

    /// <summary>All profiles of a shard.</summary>
    public async Task ShardAsync(int shard, Action<Profile, bool> found, CancellationToken cancellation)
    {
        for (ProfileId? after = null; ;)
        {
            after = await PageAsync(ProfileId.ShardName(shard), after, found, cancellation);
            if (after is null)
                return;
        }
    }
}
