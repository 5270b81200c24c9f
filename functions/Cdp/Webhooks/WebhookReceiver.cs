using System.Text.Json;
using System.Text.Unicode;
using Cdp.Collect;
using Cdp.Problems;
using Cdp.Secrets;
using Cdp.Sources;
using Cdp.Stats;
using Cdp.Webhooks.Mapping;

namespace Cdp.Webhooks;

/// <summary>
/// Takes webhooks: finds the source, checks that the sender is who it says, makes events of the payload by the source's mapping, and sends
/// them the way of all events. Returns only when what it accepted is durable.
/// </summary>
/// <remarks>
/// <para>
/// Dies it before the answer, the sender sends again: the same payload gives the same messageIds, so what was queued counts once. The same
/// answers a recorded request that somebody sends again: within the tolerance of a signed time, and for schemes that sign no time at any time.
/// </para>
/// <para>
/// A signature that is wrong is checked once more against sources read after the call came in: a new secret works at once, and whoever tries
/// secrets gets at most one try a second from it, all tries together, while calls with a right signature are answered from the snapshot.
/// </para>
/// </remarks>
public sealed class WebhookReceiver(SourceRegistry sources, Collector collector, SecretSettings secrets, TimeProvider time)
{
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = WebhookLimits.Depth };

    private static readonly Collected Nothing = new(0, []);

    /// <exception cref="ProblemException">The call is refused, or none of its events can be taken.</exception>
    public async Task<Collected> ReceiveAsync(WebhookCall call, CancellationToken cancellation)
    {
        Source? source = null;
        try
        {
            source = await AdmitAsync(call, cancellation);
            if (source.Mapping is not { } mapping)
                throw new ProblemException(ProblemType.MappingInvalid, $"The source {source.Id} has no mapping: put one into its member 'mapping'.");
            using var document = Parse(call.Body);
            var events = mapping.Compile().Apply(document.RootElement, call.Body.Span, call.Headers);
            if (events.Count == 0)
            {
                collector.Admit(source, origin: null, events: 1);
                Telemetry.WebhookReceived(source.Id, "unmapped");
                return Nothing;
            }

            var collected = await CollectAsync(source, events, cancellation);
            Telemetry.WebhookReceived(source.Id, "mapped");
            return collected;
        }
        catch (ProblemException)
        {
            Telemetry.WebhookReceived(source?.Id ?? "", "refused");
            throw;
        }
    }

    /// <summary>What a payload would become, without storing anything. Signatures are not looked at.</summary>
    /// <param name="mapping">Null: the source's own.</param>
    /// <exception cref="ProblemException">mapping-invalid, request-too-large</exception>
    public async Task<WebhookPreview> PreviewAsync(
        Source source, WebhookMapping? mapping, JsonElement payload, IReadOnlyDictionary<string, string> headers, CancellationToken cancellation)
    {
        mapping ??= source.Mapping ?? throw new ProblemException(ProblemType.MappingInvalid, $"The source {source.Id} has no mapping: send one as 'mapping' to try it.");
        var skipped = new List<SkippedRule>();
        var raw = System.Runtime.InteropServices.JsonMarshal.GetRawUtf8Value(payload).ToArray();
        var events = mapping.Compile().Apply(payload, raw, headers, skipped);
        if (events.Count == 0)
            return new WebhookPreview([], [], skipped.ConvertAll(skip => (skip.Rule, skip.Reason)));
        var (batch, refused) = Batch(events);
        var (stored, rejected) = await collector.TryAsync(source, batch, refused, cancellation);
        return new WebhookPreview(
            [.. stored.Select(item => (item.Index, events[item.Index].Rule, item.Json))],
            [.. rejected.Select(rejection => (events[rejection.Index].Rule, rejection))],
            skipped.ConvertAll(skip => (skip.Rule, skip.Reason)));
    }

    /// <exception cref="ProblemException">not-json</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> body)
    {
        if (body.Span.StartsWith("\uFEFF"u8))
            body = body[3..];
        if (!Utf8.IsValid(body.Span))
            throw new ProblemException(ProblemType.NotJson, "The body is not UTF-8.");
        try
        {
            return JsonDocument.Parse(body, Options);
        }
        catch (JsonException exception)
        {
            throw new ProblemException(ProblemType.NotJson, "The body is not JSON that can be taken: " + exception.Message);
        }
        catch (InvalidOperationException)
        {
            // Names are compared while parsing; a lone surrogate is no text that could be.
            throw new ProblemException(ProblemType.NotJson, "The body has a name with half of a surrogate pair.");
        }
    }

    private async Task<Collected> CollectAsync(Source source, List<MappedEvent> events, CancellationToken cancellation)
    {
        var (batch, refused) = Batch(events);
        return await collector.CollectAsync(source, batch, refused, cancellation);
    }

    /// <summary>The events as a batch; where one could not be made, something in its place that is refused.</summary>
    private static (byte[] Batch, IReadOnlyDictionary<int, Refused> Refused) Batch(List<MappedEvent> events)
    {
        var refused = new Dictionary<int, Refused>();
        using var batch = new MemoryStream();
        batch.Write("{\"batch\":["u8);
        for (var i = 0; i < events.Count; i++)
        {
            if (i > 0)
                batch.WriteByte((byte)',');
            if (events[i].Refused is { } reason)
            {
                refused.Add(i, reason);
                batch.Write("null"u8);
            }
            else
            {
                batch.Write(events[i].Json);
            }
        }

        batch.Write("]}"u8);
        return (batch.ToArray(), refused);
    }

    private async Task<Source> AdmitAsync(WebhookCall call, CancellationToken cancellation)
    {
        var asked = time.GetTimestamp();
        var source = await sources.FindByIdAsync(call.SourceId, cancellation);
        if (source is not null && Refusal(source, call) is null)
            return source;
        source = await sources.FindByIdAsync(call.SourceId, asked, cancellation);
        if (source is null)
            throw new ProblemException(ProblemType.NotFound, "There is no source of this id.");
        return Refusal(source, call) is { } refusal ? throw new ProblemException(refusal) : source;
    }

    private Problem? Refusal(Source source, in WebhookCall call)
    {
        if (source.Signature is not { } signature)
        {
            // Without a scheme of its own the source has its write keys.
            return call.WriteKey is { Length: > 0 } key && SourceRegistry.Has(source, key)
                ? null
                : new Problem(ProblemType.UnknownWriteKey, "The source has no signature scheme, so the call needs one of its write keys: as the Basic user name, as a bearer token, or as writeKey in the query.");
        }

        if (secrets.Resolve(signature.Secret) is not { } secret)
            return new Problem(ProblemType.InvalidSignature, "The setting that holds the source's secret is not there.");
        return signature.Refusal(call, secret, time.GetUtcNow()) is { } reason ? new Problem(ProblemType.InvalidSignature, reason) : null;
    }
}

/// <summary>What a payload would become.</summary>
/// <param name="Events">As they would be stored, with the rule that made each.</param>
/// <param name="Skipped">Rules that gave nothing, and why.</param>
public sealed record WebhookPreview(
    IReadOnlyList<(int Index, string Rule, ReadOnlyMemory<byte> Json)> Events,
    IReadOnlyList<(string Rule, Rejection Rejection)> Rejected,
    IReadOnlyList<(string Rule, string Reason)> Skipped)
{
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartArray("events"u8);
        foreach (var (index, rule, stored) in Events)
        {
            json.WriteStartObject();
            json.WriteNumber("index"u8, index);
            json.WriteString("rule"u8, rule);
            json.WritePropertyName("event"u8);
            json.WriteRawValue(stored.Span, skipInputValidation: true);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("rejected"u8);
        foreach (var (rule, rejection) in Rejected)
        {
            json.WriteStartObject();
            json.WriteNumber("index"u8, rejection.Index);
            json.WriteString("rule"u8, rule);
            if (rejection.MessageId is not null)
                json.WriteString("messageId"u8, rejection.MessageId);
            json.WriteString("type"u8, rejection.Type.Uri);
            json.WriteString("detail"u8, rejection.Detail);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("skipped"u8);
        foreach (var (rule, reason) in Skipped)
        {
            json.WriteStartObject();
            json.WriteString("rule"u8, rule);
            json.WriteString("reason"u8, reason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
