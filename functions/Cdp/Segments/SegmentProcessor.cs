using System.Text.Json;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Segments.Backfill;
using Cdp.Segments.Reading;
using Cdp.Storage;

namespace Cdp.Segments;

/// <summary>Takes messages of the queue <c>segments</c>. What is not finished in one is sent again before it is deleted.</summary>
public sealed class SegmentProcessor(IRowStore rows, DueShards due, IMessageQueue queue, SegmentUpdater updater, SegmentBackfill backfill, PreviewJobs previews, TimeProvider time)
{
    /// <summary>The work of one message; shorter than the grace of absences, because the queue is asked for its backlog once.</summary>
    public static readonly TimeSpan Allowed = TimeSpan.FromSeconds(30);

    private const int PageSize = 100;

    public async Task ProcessAsync(string body, CancellationToken cancellation)
    {
        var task = SegmentTask.Parse(body);
        var deadline = new Deadline(time, Allowed);
        if (task is { Work: SegmentWork.Preview, Id: { } preview })
        {
            if (!await previews.RunAsync(preview, deadline, cancellation))
                await queue.SendAsync(QueueName.Segments, body, delay: null, cancellation);
            return;
        }

        // An event that a worker has taken is not visible and does not count: it is committed within moments, or comes back.
        var oldest = (await queue.BacklogAsync(QueueName.Events, cancellation)).OldestInsertedOn;
        Instant? oldestQueued = oldest is { } at ? Instant.Of(at) : null;
        if (task.Work == SegmentWork.Due)
        {
            var shard = ProfileId.ShardName(task.Shard);
            var started = Instant.Now(time);
            var (finished, errors) = await UpdateDueAsync(shard, oldestQueued, deadline, cancellation);
            if (!finished)
                await queue.SendAsync(QueueName.Segments, body, delay: null, cancellation);
            await NoteRestAsync(shard, started, cancellation);
            if (errors is not null)
                throw new AggregateException($"{errors.Count} profiles of shard {shard} cannot be brought up to date.", errors);
            return;
        }

        if (await backfill.RunAsync(task.Shard, oldestQueued, deadline, cancellation) is { } rest)
            await queue.SendAsync(QueueName.Segments, (task with { Shard = rest.Shard }).ToJson(), rest.Delay, cancellation);
    }

    /// <summary>What its message was about is not tried any more.</summary>
    public async Task BuryAsync(string body, CancellationToken cancellation)
    {
        // Whatever else it is: shards are begun again by the timer.
        SegmentTask? task = null;
        try
        {
            task = SegmentTask.Parse(body);
        }
        catch (JsonException)
        {
        }

        if (task is { Work: SegmentWork.Preview, Id: { } preview })
            await previews.FailAsync(preview, cancellation);
    }

    /// <summary>What is still due, because it failed or waits for the queue of events, is due again in the next minute.</summary>
    private async Task NoteRestAsync(string shard, Instant by, CancellationToken cancellation)
    {
        var (from, to) = ProfileRows.DueBy(by);
        await foreach (var _ in rows.RangeAsync(TableName.Profiles, shard, from, to, pageSize: 1, cancellation))
        {
            await due.NoteAsync(shard, Instant.Now(time).Plus(TimeSpan.FromMinutes(1)), cancellation);
            break;
        }
    }

    /// <summary>Not finished where the time is over.</summary>
    private async Task<(bool Finished, List<Exception>? Errors)> UpdateDueAsync(string shard, Instant? oldestQueued, Deadline deadline, CancellationToken cancellation)
    {
        List<Exception>? errors = null;
        var (from, to) = ProfileRows.DueBy(Instant.Now(time));
        await foreach (var row in rows.RangeAsync(TableName.Profiles, shard, from, to, PageSize, cancellation))
        {
            if (deadline.IsOver)
                return (false, errors);
            try
            {
                await updater.UpdateAsync(ProfileRows.ProfileOfLastPart(row.Key), oldestQueued, cancellation);
            }
            catch (Exception exception) when (exception is InvalidDataException or ConflictException)
            {
                // One document that cannot be read, of a newer version of the app perhaps, does not hold up the others.
                (errors ??= []).Add(exception);
            }
        }

        return (true, errors);
    }
}
