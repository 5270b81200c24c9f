using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Segments.Language;
using Cdp.Storage;

namespace Cdp.Segments.Reading;

public enum PreviewState
{
    Queued,
    Running,
    Done,
    Failed,
}

/// <summary>A preview of all profiles, of which there are too many for one answer.</summary>
/// <param name="Where">The condition, as JSON.</param>
/// <param name="Epoch">Of the definitions it is found by; -1 before it has begun.</param>
/// <param name="EvaluatedAt">Everyone is looked at as of this time, in milliseconds.</param>
/// <param name="Shard">The one that is looked at; <see cref="ProfileId.Shards"/> when all were.</param>
/// <param name="Position">The last profile of it that was looked at; null for none.</param>
/// <param name="Examples">Ids only: what identifies people is read when somebody asks.</param>
/// <param name="Claim">The run that wrote last.</param>
/// <param name="Reason">Why it failed.</param>
/// <param name="UpdatedAt">When this was written, in milliseconds.</param>
public sealed record PreviewJob(
    string Id, PreviewState State, string Where, long RequestedAt, long Epoch, long EvaluatedAt, int Shard, string? Position, long Scanned, long Members,
    IReadOnlyList<string> Examples, string? Claim, string? Reason, long UpdatedAt)
{
    /// <summary>How many profiles there are: profiles are spread evenly, so what some shards have tells what all have. Null before one was looked at whole.</summary>
    public long? Of => State == PreviewState.Done ? Scanned : Shard == 0 ? null : Math.Max(Scanned, Scanned * ProfileId.Shards / Shard);
}

/// <summary>
/// Previews that take longer than a request may: in table <c>config</c>, partition <c>segment-previews</c>, a row for each, worked off through the queue
/// <c>segments</c>, some time a message.
/// </summary>
/// <remarks>
/// <para>
/// Counts and the place that they reach to are one row, written on condition of its version after each page: a page that was not written is counted again from its
/// beginning, and none is counted twice. Of two runs that are at it at once the one whose write is refused stops; the other one's message sees to the rest.
/// </para>
/// <para>
/// Who dies after the row and before its message leaves a preview that never begins: nobody was told its id, and it is removed with the others. What is finished,
/// or was given up, is removed a day after it was written last.
/// </para>
/// </remarks>
public sealed class PreviewJobs(IRowStore rows, IMessageQueue queue, DefinitionsRegistry definitions, IdGenerator ids, TimeProvider time)
{
    public const string IdPrefix = "prv_";

    /// <summary>Under way at once, of everybody: each reads all timelines.</summary>
    public const int MostActive = 10;

    public static readonly TimeSpan KeptFor = TimeSpan.FromDays(1);

    // One that was not written for so long is not under way: its message is poisoned by then.
    private static readonly TimeSpan GivenUpAfter = TimeSpan.FromMinutes(15);

    private const string Partition = "segment-previews";
    private const int PageSize = 100;

    /// <summary>Notes it, and sends its message.</summary>
    /// <exception cref="ProblemException">rate-limited</exception>
    public async Task<PreviewJob> StartAsync(string where, CancellationToken cancellation)
    {
        var now = Instant.Now(time);
        var active = 0;
        await foreach (var row in rows.RangeAsync(TableName.Config, Partition, IdPrefix, "~", PageSize, cancellation))
        {
            if (Read(row) is { State: PreviewState.Queued or PreviewState.Running } other && other.UpdatedAt > now.Plus(-GivenUpAfter).Milliseconds)
                active++;
        }

        if (active >= MostActive)
            throw new ProblemException(new Problem(ProblemType.RateLimited, $"{active} previews are under way. Wait until one is done, or ask for a sample.", RetryAfterSeconds: 60));
        var id = ids.Next(IdPrefix);
        var job = new PreviewJob(id, PreviewState.Queued, where, now.Milliseconds, -1, now.Milliseconds, 0, null, 0, 0, [], null, null, now.Milliseconds);
        // An id is new: what is there already is this insert, whose answer got lost.
        await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Insert(id, Data(job))], cancellation);
        await queue.SendAsync(QueueName.Segments, new SegmentTask(SegmentWork.Preview, 0) { Id = id }.ToJson(), delay: null, cancellation);
        return job;
    }

    /// <summary>Null where there is none, or none any more.</summary>
    public async Task<PreviewJob?> GetAsync(string id, CancellationToken cancellation) =>
        IdGenerator.IsId(id, IdPrefix) && await rows.GetAsync(TableName.Config, Partition, id, cancellation) is { } row ? Read(row) : null;

    /// <summary>False where the time is over and there is more to do.</summary>
    public async Task<bool> RunAsync(string id, Deadline deadline, CancellationToken cancellation)
    {
        if (await FindAsync(id, cancellation) is not { } found || !IsOpen(found.Job))
            return true;
        var (job, version) = found;
        var claim = ids.Next("");
        var set = await definitions.CurrentAsync(cancellation);
        if (set.Epoch < job.Epoch)
            set = await definitions.NewerAsync(cancellation);
        if (set.Epoch < job.Epoch)
            throw new ConflictException($"The preview {id} was begun with definitions that cannot be read yet.");
        if (SegmentDefinition.ParseWhere(Encoding.UTF8.GetBytes(job.Where)).Definition is not { } where)
        {
            await SaveAsync(job with { State = PreviewState.Failed, Reason = "The condition cannot be read." }, version, cancellation);
            return true;
        }

        // What was counted by other meanings of what it uses does not add up with what comes.
        if (job.Epoch != set.Epoch && (job.Epoch < 0 || TimelineWalk.UsesOthers(where, set)))
            job = job with { EvaluatedAt = Instant.Now(time).Milliseconds, Shard = 0, Position = null, Scanned = 0, Members = 0, Examples = [] };
        job = job with { State = PreviewState.Running, Epoch = set.Epoch, Claim = claim };
        TimelineWalk walk;
        try
        {
            walk = TimelineWalk.Of(rows, where, set, new Instant(job.EvaluatedAt));
        }
        catch (ProblemException problem)
        {
            // A segment that it uses has been deleted since.
            await SaveAsync(job with { State = PreviewState.Failed, Reason = problem.Message }, version, cancellation);
            return true;
        }

        while (job.State == PreviewState.Running)
        {
            if (deadline.IsOver)
                return false;
            job = await PageAsync(walk, job, cancellation);
            if (await SaveAsync(job, version, cancellation) is { } saved)
            {
                version = saved;
                continue;
            }

            // Its own write, whose answer got lost; or another run is at it, or it was removed.
            if (await FindAsync(id, cancellation) is not { } now || now.Job.Claim != claim)
                return true;
            (job, version) = now;
        }

        return true;
    }

    /// <summary>Gives one up whose message failed every time.</summary>
    public async Task FailAsync(string id, CancellationToken cancellation)
    {
        if (await FindAsync(id, cancellation) is { } found && IsOpen(found.Job))
            await SaveAsync(found.Job with { State = PreviewState.Failed, Reason = "It could not be finished, every time it was tried. The failures say more." }, found.Version, cancellation);
    }

    /// <summary>Removes those that nobody has written for a day.</summary>
    public async Task SweepAsync(CancellationToken cancellation)
    {
        var before = Instant.Now(time).Plus(-KeptFor).Milliseconds;
        await foreach (var row in rows.RangeAsync(TableName.Config, Partition, IdPrefix, "~", PageSize, cancellation))
        {
            // On condition of its version: one that somebody is at again stays.
            if (Read(row).UpdatedAt < before)
                await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Delete(row.Key, row.Version)], cancellation);
        }
    }

    private static async Task<PreviewJob> PageAsync(TimelineWalk walk, PreviewJob job, CancellationToken cancellation)
    {
        var (scanned, members, examples) = (job.Scanned, job.Members, job.Examples.ToList());
        var after = await walk.PageAsync(
            ProfileId.ShardName(job.Shard), job.Position is { } position ? new ProfileId(position) : null,
            (profile, isMember) =>
            {
                scanned++;
                members += isMember ? 1 : 0;
                if (isMember && examples.Count < SegmentPreview.MostExamples)
                    examples.Add(profile.Id.Value);
            },
            cancellation);
        var shard = after is null ? job.Shard + 1 : job.Shard;
        return job with
        {
            State = shard == ProfileId.Shards ? PreviewState.Done : PreviewState.Running,
            Shard = shard,
            Position = after?.Value,
            Scanned = scanned,
            Members = members,
            Examples = examples,
        };
    }

    private static bool IsOpen(PreviewJob job) => job.State is PreviewState.Queued or PreviewState.Running;

    private async Task<(PreviewJob Job, string Version)?> FindAsync(string id, CancellationToken cancellation) =>
        await rows.GetAsync(TableName.Config, Partition, id, cancellation) is { } row ? (Read(row), row.Version) : null;

    /// <summary>The new version; null where somebody else was quicker.</summary>
    private async Task<string?> SaveAsync(PreviewJob job, string version, CancellationToken cancellation)
    {
        var result = await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Replace(job.Id, Data(job with { UpdatedAt = Instant.Now(time).Milliseconds }), version)], cancellation);
        return result.Committed ? result.Versions[0] : null;
    }

    private static byte[] Data(PreviewJob job) => JsonSerializer.SerializeToUtf8Bytes(job, PreviewJson.Default.PreviewJob);

    private static PreviewJob Read(Row row) => JsonSerializer.Deserialize(row.Data.Span, PreviewJson.Default.PreviewJob)
        ?? throw new InvalidDataException("The row of a preview is null.");
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true, IgnoreReadOnlyProperties = true)]
[JsonSerializable(typeof(PreviewJob))]
internal sealed partial class PreviewJson : JsonSerializerContext;
