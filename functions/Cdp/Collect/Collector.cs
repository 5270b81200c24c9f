using System.Globalization;
using System.Text.Json;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Sources;
using Cdp.Stats;
using Cdp.TrackingPlans;

namespace Cdp.Collect;

/// <summary>A call to a collector, as far as it matters here.</summary>
/// <param name="Type">The type the path names; null for a batch.</param>
/// <param name="WriteKey">From headers or query; null where the body has to name it.</param>
/// <param name="Origin">The Origin header of a browser.</param>
/// <param name="Address">The client's IP address.</param>
/// <param name="Historical">An import: changes profiles, triggers nothing.</param>
/// <param name="StableIds">An event without a messageId gets one that is made from its text, so that a repetition is recognised.</param>
public readonly record struct CollectCall(
    EventType? Type, ReadOnlyMemory<byte> Body, string? WriteKey = null, string? Origin = null, string? Address = null, string? UserAgent = null, bool Historical = false,
    bool StableIds = false);

/// <summary>Why one event of a batch was not taken.</summary>
/// <param name="MessageId">The sender's, where it has one that is valid.</param>
public sealed record Rejection(int Index, string? MessageId, ProblemType Type, string Detail);

/// <param name="Accepted">Events that are durably queued.</param>
public sealed record Collected(int Accepted, IReadOnlyList<Rejection> Rejected);

/// <summary>
/// Takes events from senders: checks them, writes them into their stored form and queues them. Returns only when what it
/// accepted is durable.
/// </summary>
public sealed class Collector(
    SourceRegistry sources, SourceRateLimiter limiter, EventQueueWriter queue, IdentityRulesRegistry identity, ViolationRecorder violations, TimeProvider time, IdGenerator ids)
{
    private static readonly Collected One = new(1, []);

    /// <exception cref="ProblemException">The call as a whole is refused, or none of its events can be taken.</exception>
    public async Task<Collected> CollectAsync(CollectCall call, CancellationToken cancellation)
    {
        var receivedAt = Instant.Now(time);
        Source? source = null;
        var events = 1;
        try
        {
            // A wrong key is said first, without a look at the body.
            if (call.WriteKey is { } key)
                source = await FindAsync(key, cancellation);
            var rules = await identity.CurrentAsync(cancellation);
            Task queued;
            Collected outcome;
            var scan = BodyScan.Rent();
            try
            {
                Read(scan, call, rules);
                events = scan.Count;
                source ??= await FindAsync(scan.WriteKey, cancellation);
                Admit(source, call.Origin, events);
                (queued, outcome) = Enqueue(scan, call, source, rules, receivedAt, "batch");
            }
            finally
            {
                scan.Return();
            }

            await queued;
            Count(source, events, outcome.Accepted, outcome.Rejected);
            return outcome;
        }
        catch (AllRejectedException exception)
        {
            Count(source!, events, 0, exception.Rejected);
            throw new ProblemException(exception.Problem);
        }
        catch (Exception exception)
        {
            Telemetry.Received(source?.Id ?? "", events);
            Telemetry.Rejected(source?.Id ?? "", (exception as ProblemException)?.Problem.Type.Code ?? ProblemType.StorageUnavailable.Code, events);
            throw;
        }
    }

    /// <summary>The source a key is of, for those who ask for its settings.</summary>
    /// <exception cref="ProblemException">unknown-write-key, source-disabled.</exception>
    public async Task<Source> FindSourceAsync(string? writeKey, CancellationToken cancellation)
    {
        var source = await FindAsync(writeKey, cancellation);
        return source.Enabled ? source : throw Disabled(source);
    }

    /// <summary>Takes events that the app made of what a sender sent: the same checks, and the same way into the queue.</summary>
    /// <param name="batch">As <c>/v1/batch</c> takes it; what stands for an event that could not be made is passed over.</param>
    /// <param name="refused">Why some could not be made, by their place.</param>
    /// <returns>
    /// Nothing accepted where none of them names anybody: a sender of webhooks can do nothing about it, and gives up on an address that refuses.
    /// </returns>
    /// <exception cref="ProblemException">None of its events can be taken, for other reasons too.</exception>
    internal async Task<Collected> CollectAsync(Source source, ReadOnlyMemory<byte> batch, IReadOnlyDictionary<int, Refused> refused, CancellationToken cancellation)
    {
        var receivedAt = Instant.Now(time);
        var events = 1;
        try
        {
            var rules = await identity.CurrentAsync(cancellation);
            var call = new CollectCall(null, batch);
            Task queued;
            Collected outcome;
            var scan = BodyScan.Rent();
            try
            {
                scan.ReadBatch(batch.Span, rules);
                events = scan.Count;
                Refuse(scan, refused);
                Admit(source, origin: null, events);
                (queued, outcome) = Enqueue(scan, call, source, rules, receivedAt, "events");
            }
            finally
            {
                scan.Return();
            }

            await queued;
            Count(source, events, outcome.Accepted, outcome.Rejected);
            return outcome;
        }
        catch (AllRejectedException exception)
        {
            Count(source, events, 0, exception.Rejected);
            return exception.Rejected.All(static rejection => rejection.Type == ProblemType.NoIdentity)
                ? new Collected(0, exception.Rejected)
                : throw new ProblemException(exception.Problem);
        }
        catch (Exception exception)
        {
            Telemetry.Received(source.Id, events);
            Telemetry.Rejected(source.Id, (exception as ProblemException)?.Problem.Type.Code ?? ProblemType.StorageUnavailable.Code, events);
            throw;
        }
    }

    /// <summary>
    /// Takes events of a file: as the past, at whatever rate, whatever is said of the source's origins. Those without a messageId get one that is made from their
    /// text, so that the same text counts once.
    /// </summary>
    /// <param name="batch">As <c>/v1/batch</c> takes it; what stands for an event that could not be made is passed over.</param>
    /// <param name="refused">Why some could not be made, by their place.</param>
    /// <returns>When what was accepted is durable; what was refused, also where that is all of it.</returns>
    internal async Task<Collected> ImportAsync(Source source, ReadOnlyMemory<byte> batch, IReadOnlyDictionary<int, Refused> refused, CancellationToken cancellation)
    {
        var receivedAt = Instant.Now(time);
        var rules = await identity.CurrentAsync(cancellation);
        var call = new CollectCall(null, batch, Historical: true, StableIds: true);
        Task queued;
        Collected outcome;
        int events;
        var scan = BodyScan.Rent();
        try
        {
            scan.ReadBatch(batch.Span, rules);
            events = scan.Count;
            Refuse(scan, refused);
            (queued, outcome) = Enqueue(scan, call, source, rules, receivedAt, "events");
        }
        catch (AllRejectedException exception)
        {
            (queued, outcome, events) = (Task.CompletedTask, new Collected(0, exception.Rejected), exception.Rejected.Count);
        }
        finally
        {
            scan.Return();
        }

        await queued;
        Count(source, events, outcome.Accepted, outcome.Rejected);
        return outcome;
    }

    /// <summary>What <see cref="CollectAsync(Source, ReadOnlyMemory{byte}, IReadOnlyDictionary{int, Refused}, CancellationToken)"/> would store and refuse. Counts and stores nothing.</summary>
    internal async Task<(IReadOnlyList<(int Index, ReadOnlyMemory<byte> Json)> Stored, IReadOnlyList<Rejection> Rejected)> TryAsync(
        Source source, ReadOnlyMemory<byte> batch, IReadOnlyDictionary<int, Refused> refused, CancellationToken cancellation, bool fromFile = false)
    {
        var receivedAt = Instant.Now(time);
        var rules = await identity.CurrentAsync(cancellation);
        var scan = BodyScan.Rent();
        try
        {
            scan.ReadBatch(batch.Span, rules);
            Refuse(scan, refused);
            using var lines = new ByteBuilder(1024);
            var starts = new List<(int Index, int Start)>();
            var rejected = ComposeAll(scan, new CollectCall(null, batch, Historical: fromFile, StableIds: fromFile), source, rules, receivedAt, lines, starts, counts: false);
            var stored = new List<(int, ReadOnlyMemory<byte>)>(starts.Count);
            for (var i = 0; i < starts.Count; i++)
            {
                // Behind the mark of the line, and before its end.
                var end = i + 1 < starts.Count ? starts[i + 1].Start : lines.Length;
                stored.Add((starts[i].Index, lines.WrittenMemory[(starts[i].Start + 1)..(end - 1)].ToArray()));
            }

            return (stored, rejected ?? []);
        }
        finally
        {
            scan.Return();
        }
    }

    private static void Refuse(BodyScan scan, IReadOnlyDictionary<int, Refused> refused)
    {
        foreach (var (index, reason) in refused)
            scan[index].Refused = reason;
    }

    private static void Count(Source source, int received, int accepted, IReadOnlyList<Rejection> rejected)
    {
        Telemetry.Received(source.Id, received);
        Telemetry.Accepted(source.Id, accepted);
        foreach (var rejection in rejected)
            Telemetry.Rejected(source.Id, rejection.Type.Code, 1);
    }

    private static void Read(BodyScan scan, in CollectCall call, IdentityRules rules)
    {
        // Some editors and libraries put it in front; it is not part of the JSON.
        var body = WithoutByteOrderMark(call.Body).Span;
        if (call.Type is { } type)
            scan.ReadSingle(body, type, rules);
        else
            scan.ReadBatch(body, rules);
    }

    private static ReadOnlyMemory<byte> WithoutByteOrderMark(ReadOnlyMemory<byte> body) =>
        body.Span.StartsWith("\uFEFF"u8) ? body[3..] : body;

    private async ValueTask<Source> FindAsync(string? writeKey, CancellationToken cancellation)
    {
        if (string.IsNullOrEmpty(writeKey))
            throw new ProblemException(ProblemType.UnknownWriteKey, "The call names no write key: send it as the Basic user name, as a bearer token, or as writeKey.");
        return await sources.FindAsync(writeKey, cancellation)
            ?? throw new ProblemException(ProblemType.UnknownWriteKey, "No source has this write key.");
    }

    private static ProblemException Disabled(Source source) => new(ProblemType.SourceDisabled, $"The source {source.Id} is disabled.");

    /// <exception cref="ProblemException">source-disabled, origin-not-allowed, rate-limited</exception>
    internal void Admit(Source source, string? origin, int events)
    {
        if (!source.Enabled)
            throw Disabled(source);
        if (!string.IsNullOrEmpty(origin) && source.Origins is { Count: > 0 } origins && !IsListed(origins, origin))
            throw new ProblemException(ProblemType.OriginNotAllowed, $"The source {source.Id} takes no events from pages of {origin}.");
        if (!limiter.TryTake(source, events, out var seconds))
        {
            throw new ProblemException(new Problem(ProblemType.RateLimited, string.Create(
                CultureInfo.InvariantCulture, $"The source {source.Id} takes {source.RateLimit!.EventsPerSecond} events a second. Come back in {seconds} s."), RetryAfterSeconds: seconds));
        }
    }

    private static bool IsListed(IReadOnlyList<string> origins, string origin)
    {
        for (var i = 0; i < origins.Count; i++)
        {
            if (origins[i].Equals(origin, StringComparison.OrdinalIgnoreCase) || origins[i] == "*")
                return true;
        }

        return false;
    }

    /// <param name="list">What the list of events is called in errors.</param>
    private (Task Queued, Collected Outcome) Enqueue(BodyScan scan, in CollectCall call, Source source, IdentityRules rules, Instant receivedAt, string list)
    {
        using var lines = new ByteBuilder(Math.Min(call.Body.Length, CollectLimits.EventBytes) + 1024);
        var rejected = ComposeAll(scan, call, source, rules, receivedAt, lines, starts: null, counts: true);
        if (rejected is null)
            return (queue.WriteAsync(lines.Written), scan.Count == 1 ? One : new Collected(scan.Count, []));
        if (rejected.Count == scan.Count)
            throw AllRejected(scan, call, rejected, list);
        return (queue.WriteAsync(lines.Written), new Collected(scan.Count - rejected.Count, rejected));
    }

    /// <summary>Writes the events that can be taken, one a line.</summary>
    /// <param name="starts">Filled with where each line begins; null where nobody asks.</param>
    /// <param name="counts">Whether contradictions of the tracking plan are counted.</param>
    /// <returns>Null where all can be taken.</returns>
    private List<Rejection>? ComposeAll(
        BodyScan scan, in CollectCall call, Source source, IdentityRules rules, Instant receivedAt, ByteBuilder lines, List<(int Index, int Start)>? starts, bool counts)
    {
        var filter = FieldFilter.Of(source);
        var facts = new ServerFacts(
            source.Id, receivedAt, filter is { DropsAddress: true } ? null : call.Address, filter is { DropsUserAgent: true } ? null : call.UserAgent, call.Historical,
            call.StableIds);
        var body = WithoutByteOrderMark(call.Body).Span;
        var composer = new EventComposer(scan, facts, ids);
        var plan = PlanCheck.Of(source.TrackingPlan);
        List<Rejection>? rejected = null;
        for (var i = 0; i < scan.Count; i++)
        {
            ref var draft = ref scan[i];
            var line = lines.Length;
            if (draft.Refused is null)
                Compose(composer, filter, rules, body, ref draft, lines);
            if (plan is not null && draft.Refused is null)
                Check(plan, line, ref draft, lines, counts);
            if (draft.Refused is { } refused)
                (rejected ??= []).Add(new Rejection(i, MessageId(draft, body), refused.Type, refused.Detail));
            else
                starts?.Add((i, line));
            if (lines.Length > CollectLimits.StoredBytes)
                throw new ProblemException(ProblemType.RequestTooLarge, "With the batch's context in each of them the events are too large together. Send them in parts.");
        }

        return rejected;
    }

    private static void Compose(EventComposer composer, FieldFilter? filter, IdentityRules rules, ReadOnlySpan<byte> body, ref Draft draft, ByteBuilder lines)
    {
        var line = lines.Length;
        var start = composer.Append(body, draft, lines);
        if (filter is not null)
            lines.Truncate(start + filter.Apply(lines.From(start)));
        if (draft.Identified || draft.HasPrevious)
            return;
        // No plain id: an e-mail or an external id may still tell who it is.
        var stored = Event.Parse(lines.WrittenMemory[start..(lines.Length - 1)]);
        if (IdentifierExtractor.Extract(stored, rules).Count > 0)
            return;
        lines.Truncate(line);
        draft.Refused = new Refused(ProblemType.NoIdentity, "The event has no usable identifier: a userId, an anonymousId, an e-mail address in traits, or, in a merge call, one among mergeProperties.", "");
    }

    /// <summary>Counts what contradicts the source's tracking plan; where the plan says so, the event is refused.</summary>
    private void Check(PlanCheck plan, int line, ref Draft draft, ByteBuilder lines, bool counts)
    {
        var stored = Event.Parse(lines.WrittenMemory[(line + 1)..(lines.Length - 1)]);
        var verdict = plan.Check(stored);
        if (verdict.Violations.Count == 0)
            return;
        if (counts)
            violations.Note(stored, verdict);
        if (!verdict.IsBlocked)
            return;
        var first = verdict.Violations[0];
        var others = verdict.Violations.Count > 1 ? $", and {verdict.Violations.Count - 1} more" : "";
        lines.Truncate(line);
        draft.Refused = new Refused(ProblemType.InvalidField, $"{first.Path}: {first.Detail} (the source's tracking plan{others}).", first.Path);
    }

    private static string? MessageId(in Draft draft, ReadOnlySpan<byte> body)
    {
        if (draft.MessageId.IsEmpty)
            return null;
        var reader = new Utf8JsonReader(draft.MessageId.Of(body));
        reader.Read();
        return reader.GetString();
    }

    private static AllRejectedException AllRejected(BodyScan scan, in CollectCall call, List<Rejection> rejected, string list)
    {
        var errors = new List<ProblemError>(rejected.Count);
        var sameType = true;
        for (var i = 0; i < rejected.Count; i++)
        {
            var refused = scan[i].Refused!;
            var at = call.Type is null ? string.Create(CultureInfo.InvariantCulture, $"{list}[{i}]") : "";
            var path = refused.Path.Length == 0 ? at : at.Length == 0 ? refused.Path : at + "." + refused.Path;
            errors.Add(new ProblemError(path, refused.Type == ProblemType.EventTooLarge ? "too-large" : refused.Detail));
            sameType &= refused.Type == rejected[0].Type;
        }

        if (call.Type is not null)
            return new AllRejectedException(new Problem(rejected[0].Type, rejected[0].Detail, errors), rejected);
        // A batch is answered 400 whatever is wrong with its events; 413 would be about the request.
        var type = sameType && rejected[0].Type.Status == 400 ? rejected[0].Type : ProblemType.InvalidField;
        var detail = rejected.Count == 1 ? rejected[0].Detail : $"None of the {rejected.Count} events can be taken. The first one: {rejected[0].Detail}";
        return new AllRejectedException(new Problem(type, detail, errors), rejected);
    }

    /// <summary>Carries the reasons to the counters.</summary>
    private sealed class AllRejectedException(Problem problem, IReadOnlyList<Rejection> rejected) : Exception(problem.Detail)
    {
        public Problem Problem { get; } = problem;

        public IReadOnlyList<Rejection> Rejected { get; } = rejected;
    }
}
