using System.Collections.Concurrent;
using System.Text.Json;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Stats;
using Cdp.Storage;
using Polly;

namespace Cdp.Deliveries;

/// <summary>Sends deliveries, alone or in batches, and notes what became of them.</summary>
/// <remarks>
/// <para>
/// A message stands for one delivery, and there is one in the queue as long as the delivery is pending: whoever takes it sends another before it is deleted, or has
/// finished. A worker claims what it sends, under the version it read; so of two with the same message one sends. The result is written under the claim's version.
/// </para>
/// <para>
/// Dies before the claim: the message comes again. Dies after the claim, before or after the request: the message comes again, waits for the end of the claim, and the
/// request is made (again) under the same key. Dies after the result was written: the message comes again and finds the delivery done, or not due yet. Others of a batch
/// have messages of their own. Is the claim over before the result is written (a worker that was stopped for minutes), another may send too, under the same key, and
/// the version decides whose result counts.
/// </para>
/// </remarks>
public sealed class Deliverer(
    DestinationRegistry destinations, DestinationStore stored, DestinationTypes types, SecretVault secrets, DeliveryStore deliveries, DeliveryViews views, DeliveryPlanner planner,
    IMessageQueue queue, DeliveryPolicy policy, TimeProvider time)
{
    public const string Disabled = "destination-disabled";
    public const string ProfileGone = "profile-gone";
    public const string EventGone = "event-gone";

    /// <summary>A success is noted at most so often; a change of the breaker always.</summary>
    private static readonly TimeSpan HealthEvery = TimeSpan.FromSeconds(10);

    // Queues count whole seconds.
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, Line> lines = new(StringComparer.Ordinal);

    public async Task DeliverAsync(DeliveryTask task, CancellationToken cancellation)
    {
        var set = await destinations.CurrentAsync(cancellation);
        if (set.Find(task.Destination) is not { } ready)
        {
            // Deleted; or so new that this process has not heard of it yet.
            if (await stored.GetAsync(task.Destination, cancellation) is not null)
                await PostponeAsync(task, DestinationRegistryAge, cancellation);
            return;
        }

        var line = LineOf(ready);
        var now = Instant.Now(time);
        // From memory alone: while a destination is busy or down its messages cost one call each and hold nobody up.
        if (now < task.QueuedAt.Plus(policy.GiveUpAfter))
        {
            if (line.Way.ClosedUntil(now) is { } until)
            {
                await PostponeAsync(task, until.ToDateTimeOffset() - now.ToDateTimeOffset(), cancellation);
                return;
            }

            if (!line.Way.TryEnter())
            {
                await PostponeAsync(task, TimeSpan.Zero, cancellation);
                return;
            }
        }
        else
        {
            line.Way.Enter();
        }

        try
        {
            await DeliverAsync(task, ready, line, cancellation);
        }
        finally
        {
            line.Way.Leave();
        }
    }

    private static TimeSpan DestinationRegistryAge => Caching.SharedSnapshot<DestinationSet>.FreshFor;

    private async Task DeliverAsync(DeliveryTask task, ReadyDestination ready, Line line, CancellationToken cancellation)
    {
        var now = Instant.Now(time);
        if (await deliveries.FindAsync(task.Destination, task.Delivery, cancellation) is not { IsPending: true } delivery)
            return;
        if (Wait(delivery, now) is { } wait)
        {
            await queue.SendAsync(QueueName.Deliveries, new DeliveryMessage(task).ToJson(), wait, cancellation);
            return;
        }

        if (now >= delivery.QueuedAt.Plus(policy.GiveUpAfter) || !ready.Destination.Enabled)
        {
            var ended = ready.Destination.Enabled ? GivenUp(delivery) : delivery with { State = DeliveryState.Held, HeldBecause = Disabled, NextAttemptAt = null, ClaimedUntil = null };
            await SaveAsync([ended], null, task, cancellation);
            return;
        }

        var inHand = new List<string>();
        Batch batch;
        try
        {
            batch = new Batch(await ClaimAsync(delivery, ready.Destination, line, inHand, now, cancellation));
            if (batch.Claimed.Count > 0)
                await SendAsync(batch, ready.Destination, line, cancellation);
        }
        finally
        {
            foreach (var id in inHand)
                line.InHand.TryRemove(id, out _);
        }

        // It could not be claimed, or is not done: the message goes on.
        var own = batch.Results.Find(d => d.Id == delivery.Id);
        if (own is null or { IsPending: true })
        {
            var delay = own?.NextAttemptAt is { } next ? Until(next, Instant.Now(time)) : WholeSeconds(Jittered(policy.FirstPostponement));
            await queue.SendAsync(QueueName.Deliveries, new DeliveryMessage(new DeliveryTask(task.Destination, task.Delivery, delivery.QueuedAt)).ToJson(), delay, cancellation);
        }
    }

    /// <summary>This delivery, and where batches are sent others that are due.</summary>
    private async Task<IReadOnlyList<Delivery>> ClaimAsync(
        Delivery delivery, Destination destination, Line line, List<string> inHand, Instant now, CancellationToken cancellation)
    {
        var profiles = types.Find(destination.Type)?.IsState == true ? new HashSet<string>(StringComparer.Ordinal) : null;
        // Of a mirror's deliveries about one profile a process makes one at a time: of two at once each would send what the other does.
        bool IsFree(Delivery d)
        {
            if (profiles is null || profiles.Contains(d.ProfileId))
                return true;
            var hand = "of " + d.ProfileId;
            if (!line.InHand.TryAdd(hand, 0))
                return false;
            inHand.Add(hand);
            return profiles.Add(d.ProfileId);
        }

        if (!IsFree(delivery))
            return [];
        var due = new List<Delivery> { delivery };
        var most = destination.Limits.BatchSize;
        if (most > 1 && !delivery.Alone)
        {
            var ids = new List<string>();
            await foreach (var id in deliveries.PendingAsync(destination.Id, Math.Min(2 * most, 1000), cancellation))
            {
                // Others of this process look at the same list: no two of them try for the same ones.
                if (id != delivery.Id && line.InHand.TryAdd(id, 0))
                {
                    ids.Add(id);
                    inHand.Add(id);
                }

                if (ids.Count == most)
                    break;
            }

            foreach (var found in await Task.WhenAll(ids.Select(id => deliveries.FindAsync(destination.Id, id, cancellation))))
            {
                if (due.Count < most && found is { IsPending: true, Alone: false } && Wait(found, now) is null && now < found.QueuedAt.Plus(policy.GiveUpAfter) && IsFree(found))
                    due.Add(found);
            }
        }

        // One whose claim is over has been in the hands of a worker that died: what it has sent is not known.
        return await deliveries.SaveAsync(
            [.. due.Select(d => d with { ClaimedUntil = now.Plus(policy.Claim), SendAll = d.SendAll || d.ClaimedUntil is not null })], null, cancellation);
    }

    private async Task SendAsync(Batch batch, Destination destination, Line line, CancellationToken cancellation)
    {
        var type = types.Find(destination.Type);
        // A mirror's own changes come in by the sources that any of its subscriptions excepts.
        var ofReceiver = type?.IsState == true ? destination.Subscriptions.SelectMany(static s => s.ExceptSources ?? []).ToHashSet(StringComparer.Ordinal) : null;
        foreach (var claimed in batch.Claimed)
        {
            if (type is not null)
                await ComposeAsync(batch, claimed, type, ofReceiver, cancellation);
        }

        var attempts = new List<DeliveryAttempt>();
        SendResult? result = null;
        if (type is null)
            result = new SendResult(SendStatus.Retry, new Exchange("", "", 0, Error: $"There is no destination type '{destination.Type}' in this version of the app."));
        else if (batch.Outgoing.Count > 0)
            result = await SendAsync(batch.Outgoing, type, destination, line, attempts, cancellation);
        foreach (var claimed in batch.Claimed)
        {
            if (!batch.Results.Exists(d => d.Id == claimed.Id))
                batch.Results.Add(Result(claimed, batch, result, attempts));
        }

        await SaveAsync(batch, cancellation);
        await NoteHealthAsync(destination.Id, line, result?.Status == SendStatus.Delivered, cancellation);
    }

    /// <summary>Adds it to what is to be sent, or its end to the results.</summary>
    private async Task ComposeAsync(Batch batch, Delivery delivery, IDestinationType type, IReadOnlySet<string>? ofReceiver, CancellationToken cancellation)
    {
        var view = await views.ReadAsync(delivery.Id, delivery.Key, delivery.ProfileId, delivery.Cause, delivery.Shape.Traits, ofReceiver, cancellation);
        var held = view is null ? ProfileGone : !view.IsWhole ? EventGone : planner.Missing(view.Profile, delivery.Shape) ?? type.Unsendable(view.Json);
        if (held is not null)
        {
            batch.Results.Add(Ended(delivery, DeliveryState.Held) with { HeldBecause = held });
            return;
        }

        JsonElement payload;
        JsonElement? turned = null;
        try
        {
            var mapping = delivery.Shape.Mapping is { } shape
                ? Mapping.Parse(shape, "mapping", []) ?? throw new TemplateException("The mapping cannot be taken any more.")
                : null;
            payload = mapping is null ? type.Standard(view!) : mapping.Apply(view!.Json);
            if (view!.Turned is { } other)
                turned = mapping is null ? type.Standard(view with { Json = other }) : mapping.Apply(other);
        }
        catch (TemplateException failed)
        {
            batch.Results.Add(Ended(delivery, DeliveryState.Dead, new DeliveryAttempt(Number(delivery), Instant.Now(time), "", "", 0, null, null, failed.Message, 0)));
            return;
        }

        var outgoing = new Outgoing(delivery.Id, delivery.Key, view!.Profile.Id.Value, view.Profile.Version, delivery.Cause.Type, view.Json, payload);
        if (type.IsState)
        {
            // One about each profile: they all show the same.
            if (batch.Outgoing.Exists(o => o.ProfileId == outgoing.ProfileId))
            {
                batch.With[delivery.Id] = outgoing.ProfileId;
                return;
            }

            var sent = await deliveries.SentAsync(delivery.DestinationId, outgoing.ProfileId, cancellation);
            (outgoing, var row) = SentProperties.Compare(outgoing, turned, sent, delivery.SendAll);
            var isNothing = outgoing.Changed is { Count: 0 };
            if (!isNothing || !row.Data.Span.SequenceEqual(sent.Data.Span))
                batch.Note(delivery.Id, row);
            if (isNothing)
            {
                batch.Results.Add(Ended(delivery, DeliveryState.Delivered) with { ProfileVersion = outgoing.ProfileVersion });
                return;
            }
        }

        batch.Outgoing.Add(outgoing);
    }

    /// <summary>Null where it was not tried at all.</summary>
    private async Task<SendResult?> SendAsync(
        IReadOnlyList<Outgoing> batch, IDestinationType type, Destination destination, Line line, List<DeliveryAttempt> attempts, CancellationToken cancellation)
    {
        DestinationTarget target;
        try
        {
            target = await TargetAsync(destination, secrets, cancellation);
        }
        catch (SecretException failed)
        {
            attempts.Add(new DeliveryAttempt(0, Instant.Now(time), "", "", 0, null, null, failed.Message, 0));
            return new SendResult(SendStatus.Retry, new Exchange("", "", 0, Error: failed.Message));
        }

        SendResult? last = null;
        try
        {
            return await line.Way.SendAsync(
                async (_, token) =>
                {
                    var (at, began) = (Instant.Now(time), time.GetTimestamp());
                    try
                    {
                        last = await type.SendAsync(target, batch, token);
                    }
                    catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
                    {
                        var error = $"No answer within {policy.AttemptTimeout.TotalSeconds:0.#} s.";
                        last = new SendResult(SendStatus.Retry, new Exchange("", target.Setting("url") is { } url ? UrlOf(url) : "", 0, Error: error));
                        line.Way.NoteTimeout();
                        Add();
                        throw;
                    }
#pragma warning disable CA1031 // Whatever a type throws: a delivery that is tried again, and is visible, is better than a message that is poisoned.
                    catch (Exception failed) when (failed is not OperationCanceledException)
#pragma warning restore CA1031
                    {
                        // Its kind alone: the message may repeat what was sent.
                        last = new SendResult(SendStatus.Retry, new Exchange("", "", 0, Error: $"It could not be sent: {failed.GetType().Name}."));
                    }

                    Add();
                    return last;

                    void Add()
                    {
                        var exchange = last.Exchange;
                        attempts.Add(new DeliveryAttempt(
                            0, at, exchange.Method, exchange.Url, exchange.RequestBytes, exchange.Status, exchange.ResponseBytes, exchange.Error,
                            (long)time.GetElapsedTime(began).TotalMilliseconds));
                    }
                },
                cancellation);
        }
        catch (Exception rejected) when (rejected is ExecutionRejectedException)
        {
            // Timed out, or the breaker opened or the rate was used up, perhaps after tries.
            return last;
        }
    }

    /// <summary>What has become of one of a batch.</summary>
    private Delivery Result(Delivery claimed, Batch batch, SendResult? result, List<DeliveryAttempt> attempts)
    {
        var index = batch.IndexOf(claimed.Id);
        if (result is null || index < 0)
            return Released(claimed);
        var now = Instant.Now(time);
        var tried = WithAttempts(claimed, attempts) with { ProfileVersion = batch.Outgoing[index].ProfileVersion, Rounds = claimed.Rounds + 1, ClaimedUntil = null, SendAll = false };
        switch (result.Status)
        {
            case SendStatus.Delivered when result.RefusedItems?.GetValueOrDefault(index) is { } refusal:
                return Ended(tried with { Attempts = [.. tried.Attempts.SkipLast(1), tried.Attempts[^1] with { Error = refusal }] }, DeliveryState.Dead);
            case SendStatus.Delivered:
                return Ended(tried, DeliveryState.Delivered);
            case SendStatus.Refused when batch.Outgoing.Count > 1:
                // Nobody suffers for a neighbour.
                return tried with { State = DeliveryState.Retrying, Alone = true, NextAttemptAt = now };
            case SendStatus.Refused:
                return Ended(tried, DeliveryState.Dead);
            default:
                var delay = Jittered(DestinationLine.Doubled(policy.FirstDelay, claimed.Rounds, policy.MostDelay));
                var next = now.Plus(result.RetryAfter > delay ? result.RetryAfter.Value : delay);
                return next < tried.QueuedAt.Plus(policy.GiveUpAfter)
                    ? tried with { State = DeliveryState.Retrying, NextAttemptAt = next }
                    : Ended(tried, DeliveryState.Dead);
        }
    }

    private async Task SaveAsync(Batch batch, CancellationToken cancellation)
    {
        // Only what was taken is noted as sent.
        var sent = new Dictionary<string, SentRow>(StringComparer.Ordinal);
        foreach (var result in batch.Results)
        {
            if (result.State == DeliveryState.Delivered && batch.Sent.GetValueOrDefault(result.Id) is { } row)
                sent[result.Id] = row;
        }

        var saved = await deliveries.SaveAsync(batch.Results, sent, cancellation);
        var unsaved = batch.Results.FindAll(r => !saved.Any(s => s.Id == r.Id));
        Count(saved);
        if (unsaved.Count == 0)
            return;
        // Another worker has noted something else about the profile as sent meanwhile: which of the two was last over there nobody knows. All is sent again.
        var again = unsaved.FindAll(u => sent.ContainsKey(u.Id))
            .ConvertAll(u => u with { State = DeliveryState.Retrying, SendAll = true, NextAttemptAt = Instant.Now(time) });
        var savedAgain = again.Count == 0 ? [] : await deliveries.SaveAsync(again, null, cancellation);
        Count(savedAgain);
        // What is in other hands is none of ours any more.
        batch.Results.RemoveAll(r => unsaved.Exists(u => u.Id == r.Id));
        batch.Results.AddRange(savedAgain);
    }

    private async Task SaveAsync(IReadOnlyList<Delivery> ended, IReadOnlyDictionary<string, SentRow>? sent, DeliveryTask task, CancellationToken cancellation)
    {
        var saved = await deliveries.SaveAsync(ended, sent, cancellation);
        Count(saved);
        if (saved.Count == 0)
            await queue.SendAsync(QueueName.Deliveries, new DeliveryMessage(task).ToJson(), WholeSeconds(Jittered(policy.FirstPostponement)), cancellation);
    }

    private static void Count(IReadOnlyList<Delivery> saved)
    {
        foreach (var delivery in saved)
            Telemetry.Delivered(delivery.DestinationId, delivery.State.Name());
    }

    private async Task NoteHealthAsync(string destination, Line line, bool succeeded, CancellationToken cancellation)
    {
        var now = Instant.Now(time);
        var open = line.Way.OpenUntil;
        var last = line.Noted;
        var success = succeeded ? now : last?.LastSuccessAt;
        if (last is not null && open == last.OpenUntil && !(succeeded && (last.LastSuccessAt is not { } before || now >= before.Plus(HealthEvery))))
            return;
        if (last is null)
        {
            // This process knows nothing of earlier successes, and must not wipe them out.
            if (open is null && !succeeded)
                return;
            success ??= (await deliveries.HealthAsync(destination, cancellation)).LastSuccessAt;
        }

        line.Noted = new DestinationHealth(open, success);
        await deliveries.WriteHealthAsync(destination, line.Noted, cancellation);
    }

    /// <summary>Where a destination is, with its secrets.</summary>
    /// <exception cref="SecretException">One cannot be had.</exception>
    internal static async Task<DestinationTarget> TargetAsync(Destination destination, SecretVault secrets, CancellationToken cancellation)
    {
        var opened = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, secret) in destination.Secrets)
            opened[name] = await secrets.OpenAsync(destination.Id, name, secret, cancellation);
        return new DestinationTarget(destination.Id, destination.Settings, destination.Limits.BatchSize, opened);
    }

    internal static string UrlOf(string url) => Uri.TryCreate(url, UriKind.Absolute, out var uri) ? uri.GetLeftPart(UriPartial.Path) : "";

    private Task PostponeAsync(DeliveryTask task, TimeSpan least, CancellationToken cancellation)
    {
        var delay = Jittered(DestinationLine.Doubled(policy.FirstPostponement, task.Postponed, policy.MostPostponement));
        return queue.SendAsync(
            QueueName.Deliveries, new DeliveryMessage(task with { Postponed = Math.Min(task.Postponed + 1, 30) }).ToJson(), WholeSeconds(delay > least ? delay : least + Jittered(Second)),
            cancellation);
    }

    private static TimeSpan? Wait(Delivery delivery, Instant now)
    {
        if (delivery.ClaimedUntil is { } claimed && claimed > now)
            return Until(claimed, now);
        return delivery.NextAttemptAt is { } next && next > now ? Until(next, now) : null;
    }

    private static TimeSpan Until(Instant at, Instant now) => WholeSeconds(TimeSpan.FromMilliseconds(Math.Max(0, at.Milliseconds - now.Milliseconds)));

    private static TimeSpan WholeSeconds(TimeSpan span) => TimeSpan.FromSeconds(Math.Ceiling(span.TotalSeconds));

    /// <summary>A fifth more or less, so that those that failed together do not come back together.</summary>
    private static TimeSpan Jittered(TimeSpan span) => span * (0.8 + (0.4 * Random.Shared.NextDouble()));

    private static Delivery Released(Delivery claimed) => claimed with { ClaimedUntil = null, NextAttemptAt = null };

    private static Delivery GivenUp(Delivery delivery) => delivery with { State = DeliveryState.Dead, NextAttemptAt = null, ClaimedUntil = null };

    private static Delivery Ended(Delivery delivery, DeliveryState state, DeliveryAttempt? attempt = null) =>
        (attempt is null ? delivery : WithAttempts(delivery, [attempt])) with { State = state, NextAttemptAt = null, ClaimedUntil = null, HeldBecause = null, SendAll = false };

    private static int Number(Delivery delivery) => delivery.Attempts.Count == 0 ? 1 : delivery.Attempts[^1].N + 1;

    private static Delivery WithAttempts(Delivery delivery, List<DeliveryAttempt> attempts)
    {
        var all = new List<DeliveryAttempt>(delivery.Attempts);
        var number = Number(delivery);
        foreach (var attempt in attempts)
            all.Add(attempt with { N = number++ });
        return delivery with { Attempts = all.Count <= Delivery.MostAttempts ? all : all.GetRange(all.Count - Delivery.MostAttempts, Delivery.MostAttempts) };
    }

    private Line LineOf(ReadyDestination ready)
    {
        while (true)
        {
            if (lines.TryGetValue(ready.Destination.Id, out var line) && line.Version == ready.Version)
                return line;
            var made = new Line(ready.Version, new DestinationLine(ready.Destination.Limits, policy, time)) { Noted = line?.Noted };
            if (line is null ? lines.TryAdd(ready.Destination.Id, made) : lines.TryUpdate(ready.Destination.Id, made, line))
                return made;
            made.Way.Dispose();
        }
    }

    /// <summary>Of a version of a destination: what was changed may be what made it fail.</summary>
    private sealed class Line(string version, DestinationLine way)
    {
        public string Version { get; } = version;

        public DestinationLine Way { get; } = way;

        public DestinationHealth? Noted { get; set; }

        /// <summary>Deliveries that a batch of this process is looking at or has claimed, and of mirrors the profiles that they are about.</summary>
        public ConcurrentDictionary<string, byte> InHand { get; } = new(StringComparer.Ordinal);
    }

    private sealed class Batch(IReadOnlyList<Delivery> claimed)
    {
        public IReadOnlyList<Delivery> Claimed { get; } = claimed;

        public List<Outgoing> Outgoing { get; } = [];

        /// <summary>Deliveries that go with another one about the same profile.</summary>
        public Dictionary<string, string> With { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, SentRow> Sent { get; } = new(StringComparer.Ordinal);

        public List<Delivery> Results { get; } = [];

        /// <summary>A row is written once in a transaction: of several deliveries about one profile the last says what is there.</summary>
        public void Note(string delivery, SentRow row)
        {
            foreach (var (id, earlier) in Sent)
            {
                if (earlier.Key == row.Key)
                    Sent.Remove(id);
            }

            Sent[delivery] = row;
        }

        /// <summary>Of what was sent for a delivery; -1 for none.</summary>
        public int IndexOf(string delivery)
        {
            var profile = With.GetValueOrDefault(delivery);
            return Outgoing.FindIndex(o => profile is null ? o.DeliveryId == delivery : o.ProfileId == profile);
        }
    }
}
