using Cdp.Events;
using Cdp.Segments.Definitions;
using Cdp.Storage;

namespace Cdp.Exports;

/// <summary>What all profiles are exported by.</summary>
/// <param name="Schedule">Six fields of a cron expression, seconds first, in UTC; null: never by itself.</param>
public sealed record ProfilesExport(string? Schedule)
{
    /// <summary>Every night at three.</summary>
    public const string Default = "0 0 3 * * *";

    /// <summary>The setting's word for no schedule.</summary>
    public const string Off = "off";
}

/// <summary>Starts the exports that are due, and goes on with those that stand still. A timer's work; may be done twice at once, or die anywhere.</summary>
/// <remarks>
/// Each look reaches back by <see cref="Overlap"/>, so that an outage postpones an export instead of skipping it. That none starts twice is decided by
/// the row that notes the start, which says up to when the schedule was obeyed.
/// </remarks>
public sealed class ExportScheduler(ExportStore exports, ExportStarter starter, DefinitionStore definitions, ProfilesExport profiles, TimeProvider time)
{
    /// <summary>What is due for longer was missed: the next time is near, or the export would be of another day.</summary>
    public static readonly TimeSpan Overlap = TimeSpan.FromHours(6);

    /// <summary>
    /// Who works on an export writes its row at least every <see cref="ExportProcessor.Allowed"/>. One whose message only waits in the queue gets a second
    /// message then; the two do each other no harm.
    /// </summary>
    public static readonly TimeSpan StandsStill = TimeSpan.FromMinutes(10);

    /// <summary>Starts what is due.</summary>
    /// <exception cref="AggregateException">Some could not be started: too many are under way, say. The others were.</exception>
    public async Task StartDueAsync(CancellationToken cancellation)
    {
        var now = Instant.Now(time);
        var after = now.Plus(-Overlap);
        var set = await definitions.LoadAsync(cancellation);
        List<Exception>? errors = null;
        foreach (var due in ExportSchedule.Due(set.SegmentDefinitions, after, now))
        {
            var segment = set.ById[due.Segment.Id];
            // A definition is obeyed from when it was put.
            if (due.At > segment.Head.UpdatedAt)
                await StartAsync(segment, due.At);
        }

        if (profiles.Schedule is { } schedule && ExportSchedule.Latest(schedule, after, now) is { } at)
            await StartAsync(null, at);
        if (errors is not null)
            throw new AggregateException($"{errors.Count} exports are due and could not be started.", errors);

        async Task StartAsync(StoredSegment? segment, Instant at)
        {
            try
            {
                await starter.StartAsync(segment, at, set, cancellation);
            }
            catch (Exception exception) when (exception is ConflictException or Problems.ProblemException)
            {
                // The timer comes again; meanwhile one segment does not hold up the others.
                (errors ??= []).Add(exception);
            }
        }
    }

    /// <summary>Sends the messages of exports whose message was never sent, or got lost.</summary>
    public async Task ResumeAsync(CancellationToken cancellation)
    {
        foreach (var id in await exports.StalledAsync(Instant.Now(time).Plus(-StandsStill), cancellation))
            await starter.SendAsync(id, cancellation);
    }
}
