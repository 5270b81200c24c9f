using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Stats;
using Cdp.Storage;

namespace Cdp.Failures;

/// <summary>Why an event that a collector had accepted is on no timeline, or not in full. The set is closed; the names are on the wire.</summary>
public static class FailureReason
{
    /// <summary>The messageId was taken by a message with another content.</summary>
    public const string MessageIdReused = "message-id-reused";

    /// <summary>It failed again and again, alone too.</summary>
    public const string Poisoned = "poisoned";

    /// <summary>The event is on the timeline; the document is at its size limit and refused its traits.</summary>
    public const string ProfileFull = "profile-full";

    /// <summary>No identifier is usable any more under the rules in force.</summary>
    public const string NoIdentity = "no-identity";

    /// <summary>The queue message could not be read.</summary>
    public const string Undecodable = "undecodable";

    /// <summary>A merge of two profiles failed again and again; the profiles stay two.</summary>
    public const string MergeFailed = "merge-failed";

    /// <summary>The segments of a shard could not be brought up to date again and again; the timer goes on trying.</summary>
    public const string SegmentsFailed = "segments-failed";

    /// <summary>It could not be found out whom a change concerns, again and again.</summary>
    public const string DeliveryFailed = "delivery-failed";
}

/// <summary>One failure. The event is kept whole, so that it can be sent again.</summary>
/// <param name="Id">The failure's row key; repeating the same failure replaces it.</param>
public sealed record Failure(string Id, string SourceId, string MessageId, string Reason, string Detail, Instant At, string? ProfileId, string? Event, bool Historical)
{
    /// <summary>The row's version when it was read; null for one that was not.</summary>
    [JsonIgnore]
    public string? Version { get; init; }
}

/// <summary>
/// The failures table: <c>{source}</c>, <c>{message}|{reason}</c>. Writes are upserts under a key made from the message, so a failure that
/// is met again (its queue message came twice) stands once.
/// </summary>
public sealed class FailureLog(IRowStore rows, TimeProvider time)
{
    // The event's text as JSON string inside JSON; 32 KB events stay far below a row's limit.
    private const int MostDetail = 2_000;

    public async Task RecordAsync(Event e, string reason, string detail, ProfileId? profile, CancellationToken cancellation)
    {
        var failure = new Failure(
            $"{e.MessageKey}|{reason}", e.SourceId, e.MessageId, reason, Shorten(detail), Instant.Now(time), profile?.Value,
            System.Text.Encoding.UTF8.GetString(e.Json.Span), e.Historical);
        await WriteAsync(failure, cancellation);
        Telemetry.Failed(e.SourceId, reason);
    }

    /// <summary>Keeps a queue message that no event can be named for, as it was.</summary>
    public Task RecordMessageAsync(string reason, string body, string detail, CancellationToken cancellation)
    {
        var failure = new Failure($"{Hash128.Of("", body)}|{reason}", "", "", reason, Shorten(detail), Instant.Now(time), null, body, false);
        Telemetry.Failed("", reason);
        return WriteAsync(failure, cancellation);
    }

    public async Task<IReadOnlyList<Failure>> FindAsync(string sourceId, string messageId, CancellationToken cancellation)
    {
        var found = new List<Failure>();
        var message = Hash128.Of(sourceId, messageId).ToString();
        await foreach (var row in rows.RangeAsync(TableName.Failures, Partition(sourceId), message + RowKeys.Separator, message + RowKeys.AfterSeparator, 10, cancellation))
            found.Add(Read(row));
        return found;
    }

    /// <summary>Failures of one source, in no meaningful order, from <paramref name="after"/> (an id, exclusive) on.</summary>
    public async IAsyncEnumerable<Failure> ListAsync(string sourceId, string? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        // Ids start with hexadecimal digits, and "!" sorts before whatever an id contains.
        await foreach (var row in rows.RangeAsync(TableName.Failures, Partition(sourceId), after is null ? "0" : after + "!", "g", 100, cancellation))
            yield return Read(row);
    }

    /// <summary>One failure, null where there is none.</summary>
    public async Task<Failure?> GetAsync(string sourceId, string id, CancellationToken cancellation) =>
        await rows.GetAsync(TableName.Failures, Partition(sourceId), id, cancellation) is { } row ? Read(row) : null;

    /// <summary>Forgets a failure, whatever its version; no error where it is gone.</summary>
    public Task DeleteAsync(string sourceId, string id, CancellationToken cancellation) =>
        rows.CommitAsync(TableName.Failures, Partition(sourceId), [RowWrite.Delete(id)], cancellation);

    /// <summary>Forgets a failure as it was read: one recorded since then, which has the same id, stays.</summary>
    public Task DeleteAsync(Failure failure, CancellationToken cancellation) =>
        rows.CommitAsync(TableName.Failures, Partition(failure.SourceId), [RowWrite.Delete(failure.Id, failure.Version)], cancellation);

    private Task WriteAsync(Failure failure, CancellationToken cancellation) =>
        rows.CommitAsync(
            TableName.Failures, Partition(failure.SourceId),
            [RowWrite.Upsert(failure.Id, JsonSerializer.SerializeToUtf8Bytes(failure, FailureJson.Default.Failure))], cancellation);

    private static string Partition(string sourceId) => sourceId.Length == 0 ? "-" : RowKeys.Encode(sourceId);

    private static Failure Read(Row row)
    {
        var failure = JsonSerializer.Deserialize(row.Data.Span, FailureJson.Default.Failure) ?? throw new InvalidDataException($"The failures row {row.Key} is empty.");
        return failure with { Version = row.Version };
    }

    private static string Shorten(string detail) => detail.Length <= MostDetail ? detail : detail[..MostDetail];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Failure))]
internal sealed partial class FailureJson : JsonSerializerContext;
