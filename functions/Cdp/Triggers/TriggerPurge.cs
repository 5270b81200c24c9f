using Cdp.Events;

namespace Cdp.Triggers;

/// <summary>Removes what was decided long ago, and all of triggers that were deleted.</summary>
/// <remarks>What a person was sent is remembered longer, for caps: one small row a person, which its sends of a year ago leave.</remarks>
public sealed class TriggerPurge(TriggerStore triggers, TriggerLog log, TimeProvider time)
{
    // What is left is removed the next night.
    private const int MostAtOnce = 100_000;

    public async Task RunAsync(CancellationToken cancellation)
    {
        var now = Instant.Now(time);
        foreach (var (trigger, version) in await triggers.AllAsync(cancellation))
        {
            var isGone = trigger.DeletedAt is not null;
            // A decision that is younger may still be asked for by a message that comes again.
            var before = isGone && now > trigger.DeletedAt!.Value.Plus(TriggerLimits.MostAge * 2) ? now : now.Plus(-TriggerLimits.Retention);
            if (await log.PurgeAsync(trigger.Id, before, MostAtOnce, cancellation) && isGone && before == now)
                await triggers.ForgetAsync(trigger.Id, version, cancellation);
        }
    }
}
