using Cdp.Archive;
using Cdp.Collect;
using Cdp.Events;
using Cdp.Failures;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Processing;

/// <summary>
/// Takes a message of the <c>events</c> queue to the end: every event is resolved to a profile and committed, or recorded as a failure, and
/// archived. A return means that the message may be deleted; a throw, that it has to come again.
/// </summary>
/// <remarks>
/// Repeatable at every point: what was committed is recognised by its markers, failures are upserts, the archive tolerates
/// repetition, and the overflow blob is deleted last, when nothing is left to do.
/// </remarks>
public sealed class EventProcessor(
    IBlobStore blobs, IdentityResolver resolver, ProfileCommitter committer, RawArchive archive, FailureLog failures, IdentityRulesRegistry rules)
{
    /// <summary>From this delivery on a message is taken apart, so that one bad event does not keep its neighbours.</summary>
    public const int AloneFrom = 3;

    // A resolution gets stale when a merge or another worker's commit comes between; each round sees the new state.
    private const int MostRounds = 12;

    // Groups of a message are independent; the storage answers better to a few at once than to one after the other.
    private const int Parallel = 8;

    private const string Unusable = "No identifier of the event is usable under the identity rules.";

    /// <param name="body">The message's text.</param>
    /// <param name="deliveries">How often it was delivered, this time included.</param>
    public async Task ProcessAsync(string body, long deliveries, CancellationToken cancellation)
    {
        var collected = await EventMessageCodec.DecodeAsync(body, blobs, cancellation);
        var events = new List<Event>(collected.Count);
        List<Exception>? errors = null;
        foreach (var (json, historical) in collected)
        {
            try
            {
                events.Add(Event.Parse(json, historical));
            }
            catch (FormatException exception) when (deliveries >= AloneFrom)
            {
                (errors ??= []).Add(exception);
            }
        }

        if (deliveries >= AloneFrom)
            await ProcessAloneAsync(events, errors, cancellation);
        else
            await ProcessTogetherAsync(events, cancellation);

        await archive.AppendAsync(events, cancellation);
        if (EventMessageCodec.OverflowBlob(body) is { } blob)
            await blobs.DeleteAsync(ContainerName.Overflow, blob, cancellation);
    }

    /// <summary>
    /// A message that was given up: each event is tried once more alone, and what fails again is kept as a failure, where it can be seen
    /// and sent again.
    /// </summary>
    public async Task BuryAsync(string body, CancellationToken cancellation)
    {
        IReadOnlyList<CollectedEvent> collected;
        try
        {
            collected = await EventMessageCodec.DecodeAsync(body, blobs, cancellation);
        }
        catch (FormatException exception)
        {
            await failures.RecordMessageAsync(FailureReason.Undecodable, body, exception.Message, cancellation);
            return;
        }

        var events = new List<Event>(collected.Count);
        foreach (var (json, historical) in collected)
        {
            try
            {
                var e = Event.Parse(json, historical);
                events.Add(e);
                await BuryAsync(e, cancellation);
            }
            catch (FormatException exception)
            {
                await failures.RecordMessageAsync(FailureReason.Undecodable, EventMessageCodec.Encode([new CollectedEvent(json, historical)]), exception.Message, cancellation);
            }
        }

        await archive.AppendAsync(events, cancellation);
        if (EventMessageCodec.OverflowBlob(body) is { } blob)
            await blobs.DeleteAsync(ContainerName.Overflow, blob, cancellation);
    }

    private async Task BuryAsync(Event e, CancellationToken cancellation)
    {
        try
        {
            await CommitAsync([e], cancellation);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            await failures.RecordAsync(e, FailureReason.Poisoned, $"{exception.GetType().Name}: {exception.Message}", null, cancellation);
        }
    }

    private async Task ProcessTogetherAsync(List<Event> events, CancellationToken cancellation)
    {
        var groups = await GroupAsync(events, await rules.CurrentAsync(cancellation), cancellation);
        if (groups.Count == 1)
        {
            await CommitAsync(groups[0], cancellation);
            return;
        }

        await System.Threading.Tasks.Parallel.ForEachAsync(
            groups,
            new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellation },
            async (group, token) => await CommitAsync(group, token));
    }

    private async Task ProcessAloneAsync(List<Event> events, List<Exception>? errors, CancellationToken cancellation)
    {
        foreach (var e in events)
        {
            try
            {
                await CommitAsync([e], cancellation);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                (errors ??= []).Add(exception);
            }
        }

        if (errors is not null)
            throw new AggregateException($"{errors.Count} events of the message could not be processed.", errors);
    }

    /// <summary>
    /// Events that share an identifier belong together and are taken in their order; different groups do not touch the same profile
    /// but by chance.
    /// </summary>
    private async Task<List<List<Event>>> GroupAsync(List<Event> events, IdentityRules current, CancellationToken cancellation)
    {
        // Union-find over the positions: parent[i] is an earlier event of the same group.
        var parent = new int[events.Count];
        var firstWith = new Dictionary<Identifier, int>();
        for (var i = 0; i < parent.Length; i++)
        {
            parent[i] = i;
            var identifiers = EventIdentifiers.Of(events[i], current).All;
            if (identifiers.Count == 0)
            {
                await failures.RecordAsync(events[i], FailureReason.NoIdentity, Unusable, null, cancellation);
                parent[i] = -1;
            }

            foreach (var identifier in identifiers)
            {
                if (!firstWith.TryAdd(identifier, i))
                    Join(parent, firstWith[identifier], i);
            }
        }

        var groups = new List<List<Event>>();
        var groupOf = new Dictionary<int, List<Event>>();
        for (var i = 0; i < parent.Length; i++)
        {
            if (parent[i] < 0)
                continue;
            var root = Root(parent, i);
            if (!groupOf.TryGetValue(root, out var group))
                groups.Add(groupOf[root] = group = []);
            group.Add(events[i]);
        }

        return groups;
    }

    private static void Join(int[] parent, int a, int b)
    {
        var (first, second) = (Root(parent, a), Root(parent, b));
        parent[Math.Max(first, second)] = Math.Min(first, second);
    }

    private static int Root(int[] parent, int i)
    {
        while (parent[i] != i)
            i = parent[i] = parent[parent[i]];
        return i;
    }

    /// <summary>Resolves and commits events that share identifiers, until none is left.</summary>
    private async Task CommitAsync(IReadOnlyList<Event> events, CancellationToken cancellation)
    {
        var current = await rules.CurrentAsync(cancellation);
        var rest = events;
        var scope = new ResolutionScope(current);
        for (var (round, futile) = (0, 0); rest.Count > 0; round++)
        {
            if (futile >= MostRounds)
                throw new ConflictException($"The profiles of {rest.Count} events changed {MostRounds} times while they were processed.");
            var (assignments, left) = await AssignAsync(rest, scope, fresh: round > 0, cancellation);
            foreach (var (profile, assigned) in assignments)
            {
                var outcome = await committer.CommitAsync(profile, assigned, current, cancellation);
                left.AddRange(outcome.Stale);
                scope.Listed(outcome.Listed);
                foreach (var e in outcome.Reused)
                    await failures.RecordAsync(e, FailureReason.MessageIdReused, "The messageId was used before for a message with another content. Use a new messageId for each message.", profile, cancellation);
                foreach (var e in outcome.RefusedTraits)
                    await failures.RecordAsync(e, FailureReason.ProfileFull, $"The profile's document has reached {ProfileCodec.MostBytes:N0} bytes and takes no more traits. The event itself is stored.", profile, cancellation);
            }

            futile = left.Count < rest.Count ? 0 : futile + 1;
            // In the order they came: what had to wait stands behind what it waited for.
            rest = left.Count == 0 ? [] : [.. rest.Where(left.ToHashSet().Contains)];
        }

        await resolver.ReleaseUnusedAsync(scope, cancellation);
    }

    /// <returns>Which events go where, and those that have to wait until these are committed.</returns>
    private async Task<(Dictionary<ProfileId, List<AssignedEvent>> Assigned, List<Event> Left)> AssignAsync(
        IReadOnlyList<Event> events, ResolutionScope scope, bool fresh, CancellationToken cancellation)
    {
        var assigned = new Dictionary<ProfileId, List<AssignedEvent>>();
        scope.BeginRound();
        for (var i = 0; i < events.Count; i++)
        {
            var e = events[i];
            if (await resolver.ResolveAsync(e, scope, fresh, cancellation) is not { } resolution)
            {
                await failures.RecordAsync(e, FailureReason.NoIdentity, Unusable, null, cancellation);
                continue;
            }

            // Those behind it may depend on it.
            if (ReferenceEquals(resolution, Resolution.Later))
                return (assigned, [.. events.Skip(i)]);
            if (!assigned.TryGetValue(resolution.Profile, out var list))
                assigned[resolution.Profile] = list = [];
            list.Add(new AssignedEvent(e, resolution));
            scope.Expect(resolution.Profile, resolution.Identifiers);
        }

        return (assigned, []);
    }
}
