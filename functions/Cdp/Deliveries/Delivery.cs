using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Events;
using Cdp.Ids;
using Cdp.Storage;
using Cdp.Triggers;

namespace Cdp.Deliveries;

[JsonConverter(typeof(JsonStringEnumConverter<DeliveryState>))]
public enum DeliveryState
{
    /// <summary>Not tried yet.</summary>
    [JsonStringEnumMemberName("queued")]
    Queued,

    [JsonStringEnumMemberName("delivered")]
    Delivered,

    /// <summary>Tried in vain so far, and tried again.</summary>
    [JsonStringEnumMemberName("retrying")]
    Retrying,

    /// <summary>Given up: refused for good, or a day of tries.</summary>
    [JsonStringEnumMemberName("dead")]
    Dead,

    /// <summary>Not sent, for a reason of ours; <see cref="Delivery.HeldBecause"/> says which.</summary>
    [JsonStringEnumMemberName("held")]
    Held,
}

/// <summary>Why something is sent.</summary>
/// <param name="Type"><c>segment-entered</c>, <c>segment-exited</c>, <c>event</c>, <c>profile-changed</c>, or what another part of the app names.</param>
/// <param name="MessageId">The event that caused it; null where time or a definition did.</param>
/// <param name="Timestamp">Of that event: with its key, where it stands.</param>
/// <param name="TriggerId">The trigger that decided to send it.</param>
public sealed record DeliveryCause(
    string Type, string? SegmentId = null, string? SourceId = null, string? MessageId = null, Instant? Timestamp = null, string? TriggerId = null)
{
    public const string SegmentEntered = "segment-entered";
    public const string SegmentExited = "segment-exited";
    public const string Event = "event";
    public const string ProfileChanged = "profile-changed";

    /// <summary>A trigger's sequence came about.</summary>
    public const string Trigger = "trigger";
}

/// <summary>What of a profile leaves, and in which form.</summary>
/// <param name="Traits">Null for all.</param>
/// <param name="Mapping">See <see cref="Destinations.Mapping"/>; null for the standard payload.</param>
/// <param name="RequireConsent">Categories that the person must have agreed to.</param>
public sealed record DeliveryShape(IReadOnlyList<string>? Traits = null, JsonElement? Mapping = null, IReadOnlyList<string>? RequireConsent = null);

/// <summary>One try, without what was sent: that is personal data.</summary>
public sealed record DeliveryAttempt(int N, Instant At, string Method, string Url, int Bytes, int? Status, int? ResponseBytes, string? Error, long Millis);

/// <summary>
/// Something to be sent to a destination, and what became of it. What is sent is made when it is sent, from the profile as it is then: a retry brings the newest
/// state, and what is erased meanwhile does not leave. So the row holds ids alone.
/// </summary>
/// <param name="Id"><c>dlv_</c> and a ULID made of the time and the key: the same however often it is planned.</param>
/// <param name="Key">Names the delivery to the receiver, at every try.</param>
/// <param name="ProfileVersion">Of the document that was sent last; until then, of the one that caused it.</param>
/// <param name="QueuedAt">When it was planned, or redriven: a day later it is given up.</param>
public sealed record Delivery(
    string Id, string Key, string DestinationId, string ProfileId, long ProfileVersion, DeliveryCause Cause, DeliveryShape Shape, DeliveryState State, Instant QueuedAt)
{
    public const string IdPrefix = "dlv_";

    /// <summary>Attempts kept; the oldest give way.</summary>
    public const int MostAttempts = 20;

    private const string Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    public IReadOnlyList<DeliveryAttempt> Attempts { get; init; } = [];

    /// <summary>Tries since it was queued: delays grow with it.</summary>
    public int Rounds { get; init; }

    public Instant? NextAttemptAt { get; init; }

    public string? HeldBecause { get; init; }

    /// <summary>Until then a worker is sending it.</summary>
    public Instant? ClaimedUntil { get; init; }

    /// <summary>
    /// What the other side has may differ from what was noted as sent: two workers sent at the same time, or one died in between. The next try sends everything.
    /// </summary>
    public bool SendAll { get; init; }

    /// <summary>A batch with it was refused for good: it goes alone, so that only the bad one suffers.</summary>
    public bool Alone { get; init; }

    /// <summary>The last redrive of many that took it.</summary>
    public string? Redrive { get; init; }

    /// <summary>The row's version when it was read.</summary>
    [JsonIgnore]
    public string? Version { get; init; }

    [JsonIgnore]
    public bool IsPending => State is DeliveryState.Queued or DeliveryState.Retrying;

    [JsonIgnore]
    public Instant CreatedAt => TimeOf(Id);

    /// <summary>The id of a delivery: a ULID whose random part is a hash of destination and key.</summary>
    public static string IdOf(string destination, string key, Instant at)
    {
        Span<byte> hash = stackalloc byte[16];
        Hash128.Of(destination, key).Write(hash);
        return new IdGenerator(new FixedTime(at), new HashBytes(hash[..10].ToArray()).Fill).Next(IdPrefix);
    }

    /// <summary>When a delivery of this id was planned.</summary>
    public static Instant TimeOf(string id)
    {
        long milliseconds = 0;
        foreach (var c in id.AsSpan(IdPrefix.Length, 10))
            milliseconds = (milliseconds << 5) | (long)Alphabet.IndexOf(c, StringComparison.Ordinal);
        return new Instant(milliseconds);
    }

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, DeliveryJson.Default.Delivery);

    public static Delivery Read(Row row) =>
        (JsonSerializer.Deserialize(row.Data.Span, DeliveryJson.Default.Delivery) ?? throw new InvalidDataException($"The delivery {row.Key} is empty.")) with { Version = row.Version };

    private sealed class FixedTime(Instant at) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => at.ToDateTimeOffset();
    }

    private sealed class HashBytes(byte[] bytes)
    {
        public void Fill(byte[] buffer) => bytes.CopyTo(buffer, 0);
    }
}

/// <summary>Names of states on the wire.</summary>
public static class DeliveryStates
{
    public static readonly IReadOnlyList<string> Names = ["queued", "delivered", "retrying", "dead", "held"];

    public static string Name(this DeliveryState state) => Names[(int)state];

    public static DeliveryState? Parse(string name)
    {
        for (var i = 0; i < Names.Count; i++)
        {
            if (Names[i] == name)
                return (DeliveryState)i;
        }

        return null;
    }
}

/// <summary>A message of the queue <c>deliveries</c> for one delivery. There is at least one for each that is pending.</summary>
/// <param name="QueuedAt">As in the row; tells an old message whether it may have to be given up without reading the row.</param>
/// <param name="Postponed">How often it was put off without a try: it comes back ever later.</param>
public sealed record DeliveryTask(string Destination, string Delivery, Instant QueuedAt, int Postponed = 0);

/// <summary>A message of the queue <c>deliveries</c>: send again all of a time range.</summary>
/// <param name="Id">The same in every continuation.</param>
/// <param name="After">The last row that was looked at.</param>
public sealed record RedriveTask(string Id, string Destination, DeliveryState State, Instant From, Instant To, Instant At, string? After = null);

/// <summary>What a message of the queue <c>deliveries</c> can be; a <see cref="Change"/> has none of these members.</summary>
public sealed record DeliveryMessage(DeliveryTask? Deliver = null, RedriveTask? Redrive = null, TriggerTask? Trigger = null)
{
    public string ToJson() => JsonSerializer.Serialize(this, DeliveryJson.Default.DeliveryMessage);

    public static DeliveryMessage Parse(string body) => JsonSerializer.Deserialize(body, DeliveryJson.Default.DeliveryMessage) ?? new DeliveryMessage();
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Delivery))]
[JsonSerializable(typeof(DeliveryMessage))]
[JsonSerializable(typeof(DestinationHealth))]
[JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class DeliveryJson : JsonSerializerContext;
