using Cdp.Events;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Segments.Backfill;
using Cdp.Segments.Definitions;
using Cdp.Segments.Language;
using Cdp.Storage;

namespace Cdp.Segments.Reading;

/// <param name="IsExact">All profiles were looked at, and <paramref name="Size"/> is how many are in it.</param>
/// <param name="Size">Estimated where it is not exact.</param>
/// <param name="Low">With 95 % confidence.</param>
/// <param name="Of">All profiles; estimated where it is not exact.</param>
public sealed record PreviewResult(bool IsExact, long Size, long Low, long High, long Scanned, long Of, IReadOnlyList<Profile> Examples, Instant At);

/// <summary>Who would be in a segment, before it is saved: by the evaluator that serves live events, from the timelines.</summary>
/// <remarks>
/// A shard is chosen by a hash of the profile's id, so the profiles of some shards are a fair sample of all. Whole shards are read until there are enough.
/// </remarks>
public sealed class SegmentPreview(IRowStore rows, DefinitionsRegistry definitions, TimeProvider time)
{
    /// <summary>Beyond this many profiles a preview is a sample: it has to be answered before the host gives up on it.</summary>
    public const int MostExact = 20_000;

    public const int MostExamples = 10;

    // Of a preview under another id nothing could be saved.
    private const string Id = "preview";

    private const int Parallel = 8;
    private const int PageSize = 100;

    // Of the normal distribution, for 95 %.
    private const double Deviations = 1.96;

    /// <param name="sample">Profiles to look at; null for all.</param>
    /// <exception cref="ProblemException">segment-invalid</exception>
    public async Task<PreviewResult> PreviewAsync(Condition where, int? sample, CancellationToken cancellation)
    {
        var set = await definitions.CurrentAsync(cancellation);
        var preview = new SegmentDefinition(Id, Id, null, where, null, NotifyBackfill: false);
        var errors = SegmentReferences.Check([.. set.SegmentDefinitions, preview]);
        if (errors.Count > 0)
            throw new ProblemException(new Problem(ProblemType.SegmentInvalid, errors[0] + ".", [.. errors.Select(e => new ProblemError("where", e))]));
        var compiled = CompiledDefinitions.Compile(
            0, CompiledDefinitions.OfOneEpoch(SegmentReferences.Reachable(preview, set.SegmentDefinitions)), CompiledDefinitions.OfOneEpoch(set.ComputedDefinitions));
        var now = Instant.Now(time);
        var enough = Math.Min(sample ?? MostExact, MostExact);
        var found = new Tally();
        var shards = 0;
        for (; shards < ProfileId.Shards && found.Scanned < enough; shards += Parallel)
        {
            var parts = await Task.WhenAll(Enumerable.Range(shards, Parallel).Select(shard => RunAsync(ProfileId.ShardName(shard), compiled, now, cancellation)));
            foreach (var part in parts)
                found.Add(part);
        }

        return Result(found, shards, now);
    }

    private static PreviewResult Result(Tally found, int shards, Instant now)
    {
        if (shards >= ProfileId.Shards)
            return new PreviewResult(true, found.Members, found.Members, found.Members, found.Scanned, found.Scanned, found.Examples, now);
        // Wilson's interval, which is sound for small shares too.
        var of = (long)Math.Round((double)found.Scanned * ProfileId.Shards / shards);
        double n = found.Scanned, share = found.Members / n, square = Deviations * Deviations;
        var centre = (share + (square / (2 * n))) / (1 + (square / n));
        var half = Deviations / (1 + (square / n)) * Math.Sqrt((share * (1 - share) / n) + (square / (4 * n * n)));
        return new PreviewResult(
            false, (long)Math.Round(share * of), (long)Math.Floor(Math.Max(0, centre - half) * of), (long)Math.Ceiling(Math.Min(1, centre + half) * of),
            found.Scanned, of, found.Examples, now);
    }

    private async Task<Tally> RunAsync(string shard, CompiledDefinitions compiled, Instant now, CancellationToken cancellation)
    {
        var tally = new Tally();
        ProfileId? after = null;
        for (var page = new List<Profile>(); ; page.Clear())
        {
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
                    tally.Add(profile, evaluation.Segments.Any(s => s is { SegmentId: Id, Member: true }));
                }
            }

            if (count < PageSize)
                return tally;
        }
    }

    private sealed class Tally
    {
        public long Scanned { get; private set; }

        public long Members { get; private set; }

        public List<Profile> Examples { get; } = [];

        public void Add(Profile profile, bool isMember)
        {
            Scanned++;
            if (!isMember)
                return;
            Members++;
            if (Examples.Count < MostExamples)
                Examples.Add(profile);
        }

        public void Add(Tally other)
        {
            Scanned += other.Scanned;
            Members += other.Members;
            Examples.AddRange(other.Examples.Take(MostExamples - Examples.Count));
        }
    }
}
