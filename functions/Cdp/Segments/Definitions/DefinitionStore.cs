using System.Text.Json;
using Cdp.ComputedTraits;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Segments.Language;
using Cdp.Storage;
using Cdp.Triggers;

namespace Cdp.Segments.Definitions;

/// <summary>
/// Segments and computed traits in table <c>config</c>, partition <c>definitions</c>: <c>s|{id}</c> and <c>t|{id}</c>, and the row <c>epoch</c> that counts their
/// changes.
/// </summary>
/// <remarks>
/// Every change writes the definition and the epoch in one transaction on condition of the epoch that was read before the definitions. So whoever checks that
/// segments do not refer to each other in a circle has checked against what is stored, and no two changes have the same epoch. A crash leaves either both or
/// neither.
/// </remarks>
public sealed class DefinitionStore(IRowStore rows, TimeProvider time)
{
    internal const string Partition = "definitions";
    private const string EpochKey = "epoch";
    private const string SegmentPrefix = "s|";
    private const string TraitPrefix = "t|";
    private const int PageSize = 1000;

    // Each try lost against another change of a definition.
    private const int MostTries = 20;

    // As long as the epoch's row is not written nothing else is either, and the compiled definitions stay.
    private volatile Kept? kept;

    /// <summary>All definitions of the present epoch.</summary>
    public async Task<DefinitionSet> LoadAsync(CancellationToken cancellation) => (await ReadAsync(cancellation)).Set;

    /// <param name="condition">Is shown the version of the row that is there, null for none; throws where the caller does not want it.</param>
    /// <exception cref="ProblemException">segment-invalid or segment-cycle</exception>
    public async Task<(StoredSegment Segment, bool Created)> PutSegmentAsync(JsonElement json, Action<string?> condition, CancellationToken cancellation)
    {
        var definition = Checked(SegmentDefinition.Parse(Text(json)));
        for (var tries = 0; tries < MostTries; tries++)
        {
            var (set, epochRow) = await ReadAsync(cancellation);
            var present = set.ById.GetValueOrDefault(definition.Id);
            condition(present?.Head.RowVersion);
            CheckReferences(definition, set);
            var isSame = present is not null && SameMember(present.Json, json, "where");
            var head = Next(present?.Head, set, isSame);
            if (await CommitAsync(SegmentPrefix + definition.Id, json, head, present?.Head, set, epochRow, walk: !isSame, cancellation) is { } version)
                return (new StoredSegment(definition with { Epoch = head.Epoch }, json, head with { RowVersion = version }), present is null);
        }

        throw Busy();
    }

    /// <exception cref="ProblemException">segment-invalid</exception>
    public async Task<(StoredComputedTrait Trait, bool Created)> PutComputedTraitAsync(JsonElement json, Action<string?> condition, CancellationToken cancellation)
    {
        var definition = Checked(ComputedTraitDefinition.Parse(Text(json)));
        if (ComputedTraitDefinition.Predefined.Any(p => p.Id == definition.Id))
            throw Invalid([new ProblemError("id", $"'{definition.Id}' is predefined: take another id")]);
        for (var tries = 0; tries < MostTries; tries++)
        {
            var (set, epochRow) = await ReadAsync(cancellation);
            var present = set.ComputedTraits.FirstOrDefault(t => t.Id == definition.Id);
            condition(present?.Head.RowVersion);
            var isSame = present is not null && Meaning.All(member => SameMember(present.Json, json, member));
            var head = Next(present?.Head, set, isSame);
            if (await CommitAsync(TraitPrefix + definition.Id, json, head, present?.Head, set, epochRow, walk: !isSame, cancellation) is { } version)
                return (new StoredComputedTrait(definition with { Epoch = head.Epoch }, json, head with { RowVersion = version }), present is null);
        }

        throw Busy();
    }

    /// <summary>Also done where there is none.</summary>
    /// <exception cref="ProblemException">segment-in-use</exception>
    public Task DeleteSegmentAsync(string id, Action<string?> condition, CancellationToken cancellation) =>
        DeleteAsync(
            SegmentPrefix + id,
            set => set.ById.GetValueOrDefault(id)?.Head,
            async set => [.. Users(set, s => SegmentReferences.Of(s.Where).Contains(id)), .. await TriggerStore.UsersOfAsync(rows, id, cancellation)],
            condition, cancellation);

    /// <summary>Also done where there is none.</summary>
    /// <exception cref="ProblemException">segment-in-use</exception>
    public Task DeleteComputedTraitAsync(string id, Action<string?> condition, CancellationToken cancellation) =>
        DeleteAsync(
            TraitPrefix + id,
            set => set.ComputedTraits.FirstOrDefault(t => t.Id == id)?.Head,
            set => Task.FromResult(Users(set, s => SegmentReferences.NamesTrait(s.Where, id))),
            condition, cancellation);

    /// <summary>
    /// Changes a row that stands beside the definitions, and in the same transaction the hidden segment that belongs to it: there is never one of the two without the
    /// other, whoever dies or is quicker.
    /// </summary>
    /// <param name="segmentId">See <see cref="DefinitionIds.OfTrigger"/>.</param>
    /// <param name="change">
    /// Is shown the definitions; says what is to be written, the condition of the segment, null for none, and whether the row refers to other segments, which are then
    /// there when it is written. May be called again. Null where there is nothing to do.
    /// </param>
    /// <returns>The new version of the row; null where it was deleted, or nothing was to do.</returns>
    internal async Task<string?> ChangeOwnedAsync(
        string segmentId, Func<DefinitionSet, Task<(RowWrite Row, JsonElement? Where, bool Refers)?>> change, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var (set, epochRow) = await ReadAsync(cancellation);
            if (await change(set) is not var (row, where, refers))
                return null;
            var writes = new List<RowWrite> { row };
            var present = set.All.GetValueOrDefault(segmentId);
            if (where is { } condition && !(present is not null && JsonElement.DeepEquals(present.Json.GetProperty("where"), condition)))
            {
                var data = DefinitionRow.Write(DefinitionRow.Hidden(segmentId, condition), Next(present?.Head, set, isSame: false));
                writes.Add(present is null ? RowWrite.Insert(SegmentPrefix + segmentId, data) : RowWrite.Replace(SegmentPrefix + segmentId, data, present.Head.RowVersion));
                writes.Add(WriteEpoch(set.Epoch + 1, set.Epoch + 1, epochRow));
            }
            else if (where is null && present is not null)
            {
                writes.Add(RowWrite.Delete(SegmentPrefix + segmentId, present.Head.RowVersion));
                writes.Add(WriteEpoch(set.Epoch + 1, set.Epoch + 1, epochRow));
            }
            else if (refers)
            {
                // A segment that is deleted meanwhile has counted the epoch: refused, and looked at again.
                writes.Add(WriteEpoch(set.Epoch + 1, set.BackfillEpoch, epochRow));
            }

            var result = await rows.CommitAsync(TableName.Config, Partition, writes, cancellation);
            if (result.Committed)
                return result.Versions[0];
        }

        throw Busy();
    }

    // What the value of a computed trait depends on; all but its names.
    private static readonly string[] Meaning = ["event", "where", "on", "within", "between", "compute", "of"];

    private async Task DeleteAsync(
        string key, Func<DefinitionSet, DefinitionHead?> find, Func<DefinitionSet, Task<List<string>>> usedBy, Action<string?> condition, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var (set, epochRow) = await ReadAsync(cancellation);
            var present = find(set);
            condition(present?.RowVersion);
            if (present is null)
                return;
            var users = await usedBy(set);
            if (users.Count > 0)
                throw new ProblemException(ProblemType.SegmentInUse, $"It is used by {string.Join(", ", users)}. Change or delete these first.");
            var epoch = WriteEpoch(set.Epoch + 1, set.Epoch + 1, epochRow);
            var result = await rows.CommitAsync(TableName.Config, Partition, [epoch, RowWrite.Delete(key, present.RowVersion)], cancellation);
            if (result.Committed)
                return;
        }

        throw Busy();
    }

    private async Task<string?> CommitAsync(
        string key, JsonElement json, DefinitionHead head, DefinitionHead? present, DefinitionSet set, Row? epochRow, bool walk, CancellationToken cancellation)
    {
        var data = DefinitionRow.Write(json, head);
        var epoch = WriteEpoch(set.Epoch + 1, walk ? set.Epoch + 1 : set.BackfillEpoch, epochRow);
        var write = present is null ? RowWrite.Insert(key, data) : RowWrite.Replace(key, data, present.RowVersion);
        var result = await rows.CommitAsync(TableName.Config, Partition, [epoch, write], cancellation);
        return result.Committed ? result.Versions[1] : null;
    }

    private RowWrite WriteEpoch(long epoch, long backfillEpoch, Row? present)
    {
        var data = DefinitionRow.WriteEpoch(epoch, backfillEpoch, Instant.Now(time));
        return present is null ? RowWrite.Insert(EpochKey, data) : RowWrite.Replace(EpochKey, data, present.Version);
    }

    private DefinitionHead Next(DefinitionHead? present, DefinitionSet set, bool isSame)
    {
        var (epoch, now) = (set.Epoch + 1, Instant.Now(time));
        return new DefinitionHead((present?.Version ?? 0) + 1, present?.FirstEpoch ?? epoch, isSame ? present!.Epoch : epoch, present?.CreatedAt ?? now, now, "");
    }

    /// <summary>The definitions between two equal readings of the epoch, which are those of that epoch.</summary>
    private async Task<(DefinitionSet Set, Row? Epoch)> ReadAsync(CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var before = await rows.GetAsync(TableName.Config, Partition, EpochKey, cancellation);
            if (before is null)
                return (DefinitionSet.None, null);
            if (kept is { } known && known.Epoch.Version == before.Version)
                return (known.Set, before);
            var segments = new List<StoredSegment>();
            var traits = new List<StoredComputedTrait>();
            await foreach (var row in rows.RangeAsync(TableName.Config, Partition, SegmentPrefix, TraitPrefix + "~", PageSize, cancellation))
            {
                if (row.Key.StartsWith(SegmentPrefix, StringComparison.Ordinal))
                    segments.Add(DefinitionRow.ReadSegment(row));
                else if (row.Key.StartsWith(TraitPrefix, StringComparison.Ordinal))
                    traits.Add(DefinitionRow.ReadComputedTrait(row));
            }

            var after = await rows.GetAsync(TableName.Config, Partition, EpochKey, cancellation);
            if (after?.Version != before.Version)
                continue;
            var epoch = DefinitionRow.ReadEpoch(before);
            var set = new DefinitionSet(epoch.Epoch, epoch.BackfillEpoch, new Instant(epoch.ChangedAt), segments, traits);
            kept = new Kept(set, before);
            return (set, before);
        }

        throw Busy();
    }

    private static List<string> Users(DefinitionSet set, Func<SegmentDefinition, bool> uses) => [.. set.SegmentDefinitions.Where(uses).Select(static s => s.Id)];

    private static void CheckReferences(SegmentDefinition definition, DefinitionSet set)
    {
        var all = set.SegmentDefinitions.Where(s => s.Id != definition.Id).Append(definition).ToDictionary(s => s.Id, StringComparer.Ordinal);
        var missing = SegmentReferences.Of(definition.Where).Where(used => !all.ContainsKey(used)).ToList();
        if (missing.Count > 0)
            throw Invalid([.. missing.Select(used => new ProblemError("where", $"uses segment '{used}', which there is not"))]);
        if (SegmentReferences.FindCycle(definition.Id, all) is { } cycle)
            throw new ProblemException(ProblemType.SegmentCycle, $"The segment would use itself: {string.Join(" -> ", cycle)}.");
        if (SegmentReferences.Check([.. all.Values]) is [var error, ..])
            throw Invalid([new ProblemError("where", error)]);
    }

    private static T Checked<T>(DefinitionResult<T> parsed)
        where T : class =>
        parsed.Definition ?? throw Invalid(parsed.Errors);

    private static ProblemException Invalid(IReadOnlyList<ProblemError> errors) =>
        new(new Problem(ProblemType.SegmentInvalid, errors.Count == 1 ? $"{errors[0].Path}: {errors[0].Reason}." : $"There are {errors.Count} mistakes.", errors));

    private static bool SameMember(JsonElement before, JsonElement after, string name) =>
        (before.TryGetProperty(name, out var old), after.TryGetProperty(name, out var next)) switch
        {
            (true, true) => JsonElement.DeepEquals(old, next),
            (false, false) => true,
            _ => false,
        };

    private static byte[] Text(JsonElement json) => JsonSerializer.SerializeToUtf8Bytes(json, DefinitionJson.Default.JsonElement);

    private static ConflictException Busy() => new($"The definitions were changed by others {MostTries} times in a row.");

    private sealed record Kept(DefinitionSet Set, Row Epoch);
}
