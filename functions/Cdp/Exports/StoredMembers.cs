using System.Runtime.CompilerServices;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using Cdp.Storage;

namespace Cdp.Exports;

/// <summary>
/// Members as they are stored: the rows <c>s|</c> shard by shard say who may be one, the documents say who is. Of all profiles, the documents alone.
/// </summary>
/// <remarks>
/// <para>
/// Documents are read past the cache of <see cref="ProfileStore"/>: they have to be fresh, and an export would drive out what live traffic needs. In
/// memory is a chunk of <see cref="ChunkSize"/> documents while it is consumed, the next one, which is read meanwhile, and a page of ids for each of
/// <see cref="ShardsAhead"/> shards.
/// </para>
/// <para>
/// Where most profiles of a shard are members their documents are read by range, a hundred in one call; where few are, one by one. Which of both shows
/// at the first chunk of a shard.
/// </para>
/// <para>A profile is as its document says, also in the middle of a merge or an unmerge, when part of what belongs to it is still with the other one.</para>
/// </remarks>
public sealed class StoredMembers(IRowStore rows, DefinitionStore definitions, ProfileSegmentsReader segments) : IExportMembers
{
    /// <summary>Documents in memory at once, twice; of at most 512 KiB each, and a few KiB as a rule.</summary>
    public const int ChunkSize = 100;

    // Most shards have none of a small segment's members, or few: they are asked together, so that a small export does not take 256 calls after each other.
    private const int ShardsAhead = 16;

    private const int IdsPerPage = 1000;

    private const int Parallel = 32;

    // Rows read by range for one that is wanted. Beyond that single reads are cheaper.
    private const int MostRowsPerMember = 3;

    public async IAsyncEnumerable<ExportMember> ReadAsync(ExportRequest request, string? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        ProfileId? position = after is null ? null : MemberKey.Profile(after);
        if (request.IsOfAllProfiles)
        {
            await foreach (var profile in AllAsync(position, cancellation))
                yield return await MemberAsync(request, profile, cancellation);
            yield break;
        }

        // Deleted meanwhile: nobody being in it would look as if all had left.
        var segment = (await definitions.LoadAsync(cancellation)).ById.GetValueOrDefault(request.SegmentId)
            ?? throw new InvalidOperationException($"The segment {request.SegmentId} is gone.");
        await foreach (var row in DocumentsAsync(segment.Id, position, cancellation))
        {
            if (Decode(row) is { } profile && profile.Memberships.Exists(m => m.SegmentId == segment.Id && m.DefinitionEpoch >= segment.Head.FirstEpoch))
                yield return await MemberAsync(request, profile, cancellation);
        }
    }

    public async ValueTask<ExportMember?> FindAsync(ExportRequest request, ProfileId id, CancellationToken cancellation) =>
        await DocumentAsync(id, cancellation) is { } row && Decode(row) is { } profile ? await MemberAsync(request, profile, cancellation) : null;

    /// <summary>Null for a tombstone of a merge, and where an erased profile or a claim that was given up has left an empty document.</summary>
    private static Profile? Decode(Row row) =>
        ProfileCodec.Decode(ProfileRows.ProfileOfLastPart(row.Key), row.Data) is { MergedInto: null } profile && !(profile.IsEmpty && profile.Identifiers.Count == 0)
            ? profile
            : null;

    private async ValueTask<ExportMember> MemberAsync(ExportRequest request, Profile profile, CancellationToken cancellation)
    {
        var computed = false;
        var memberships = false;
        foreach (var column in request.Columns)
        {
            computed |= column.IsComputed;
            memberships |= column.Kind == ExportColumnKind.Segments;
        }

        // Evaluating is most of the work: only where there is a column for it.
        if ((!computed && !memberships) || await segments.ReadAsync(profile, computed, cancellation) is not { } view)
            return new ExportMember(profile, ExportMember.NoComputedTraits);
        return new ExportMember(profile, computed ? new Dictionary<string, string>(view.Computed, StringComparer.Ordinal) : ExportMember.NoComputedTraits)
        {
            Segments = memberships ? [.. view.Memberships.Select(static m => m.SegmentId)] : [],
        };
    }

    private async IAsyncEnumerable<Profile> AllAsync(ProfileId? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        for (var shard = FirstShard(after); shard < ProfileId.Shards; shard++)
        {
            var name = ProfileId.ShardName(shard);
            var (from, to) = ProfileRows.Documents(after is { } id && id.Shard == name ? after : null);
            await foreach (var row in rows.RangeAsync(TableName.Profiles, name, from, to, ChunkSize, cancellation))
            {
                if (Decode(row) is { } profile)
                    yield return profile;
            }
        }
    }

    /// <summary>The documents of whom the index names, those that are gone left out; a chunk ahead of the one that is consumed.</summary>
    private async IAsyncEnumerable<Row> DocumentsAsync(string segment, ProfileId? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        Task<IReadOnlyList<Row>>? ahead = null;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            var density = new Density();
            await foreach (var chunk in ChunksAsync(segment, after, stop.Token))
            {
                var current = ahead is null ? [] : await ahead;
                ahead = ReadChunkAsync(chunk, density, stop.Token);
                foreach (var row in current)
                    yield return row;
            }

            if (ahead is not null)
            {
                foreach (var row in await ahead)
                    yield return row;
            }
        }
        finally
        {
            // The export stops in the middle when its time is up: nobody waits for what was read ahead.
            await stop.CancelAsync();
            if (ahead is not null)
                await ((Task)ahead).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Ids of one shard each, in their order.</summary>
    private async IAsyncEnumerable<IReadOnlyList<ProfileId>> ChunksAsync(string segment, ProfileId? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        for (var first = FirstShard(after); first < ProfileId.Shards; first += ShardsAhead)
        {
            var start = first;
            var pages = await Task.WhenAll(Enumerable.Range(start, Math.Min(ShardsAhead, ProfileId.Shards - start))
                .Select(shard => PageAsync(segment, ProfileId.ShardName(shard), shard == start && after?.Shard == ProfileId.ShardName(shard) ? after : null, cancellation)));
            for (var i = 0; i < pages.Length; i++)
            {
                var page = pages[i];
                while (true)
                {
                    for (var at = 0; at < page.Count; at += ChunkSize)
                        yield return page.GetRange(at, Math.Min(ChunkSize, page.Count - at));
                    if (page.Count < IdsPerPage)
                        break;
                    page = await PageAsync(segment, page[^1].Shard, page[^1], cancellation);
                }
            }
        }
    }

    private async Task<List<ProfileId>> PageAsync(string segment, string shard, ProfileId? after, CancellationToken cancellation)
    {
        var ids = new List<ProfileId>();
        var (from, to) = ProfileRows.Members(segment, after);
        await foreach (var row in rows.RangeAsync(TableName.Profiles, shard, from, to, IdsPerPage, cancellation))
        {
            ids.Add(ProfileRows.ProfileOfLastPart(row.Key));
            if (ids.Count == IdsPerPage)
                break;
        }

        return ids;
    }

    private async Task<IReadOnlyList<Row>> ReadChunkAsync(IReadOnlyList<ProfileId> ids, Density density, CancellationToken cancellation)
    {
        var shard = ids[0].Shard;
        var found = new Row?[ids.Count];
        var next = 0;
        if (density.IsDense(shard))
        {
            var left = ids.Count * MostRowsPerMember;
            await foreach (var row in rows.RangeAsync(
                TableName.Profiles, shard, ProfileRows.Document(ids[0]), ProfileRows.Document(ids[^1]) + "!", Math.Min(left, ChunkSize), cancellation))
            {
                var id = ProfileRows.ProfileOfLastPart(row.Key);
                // Whose document is gone is passed by.
                while (next < ids.Count && ids[next] < id)
                    next++;
                if (next < ids.Count && ids[next] == id)
                    found[next++] = row;
                if (--left == 0)
                    break;
            }

            if (left > 0)
                next = ids.Count;
            else
                density.IsSparse(shard);
        }

        await System.Threading.Tasks.Parallel.ForAsync(
            next, ids.Count, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellation },
            async (i, token) => found[i] = await DocumentAsync(ids[i], token));
        return [.. found.OfType<Row>()];
    }

    private Task<Row?> DocumentAsync(ProfileId id, CancellationToken cancellation) =>
        rows.GetAsync(TableName.Profiles, id.Shard, ProfileRows.Document(id), cancellation);

    private static int FirstShard(ProfileId? after) => after is { } id ? Convert.ToInt32(id.Shard, 16) : 0;

    /// <summary>Where reading by range was not worth it. Chunks are read one after another.</summary>
    private sealed class Density
    {
        private string? sparse;

        public bool IsDense(string shard) => shard != sparse;

        public void IsSparse(string shard) => sparse = shard;
    }
}
