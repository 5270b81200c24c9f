using System.Text.Json;
using Cdp.Deliveries;
using Cdp.Problems;

namespace Cdp.Destinations;

/// <summary>
/// A kind of system that data can be sent to. It says which settings and secrets it has, and sends a batch once; when to send, how often, and what becomes of what
/// failed is the business of <see cref="Deliverer"/>.
/// </summary>
public interface IDestinationType
{
    /// <summary>On the wire, in <c>type</c>.</summary>
    string Name { get; }

    /// <summary>All that there can be.</summary>
    IReadOnlyList<string> Secrets { get; }

    /// <summary>Deliveries in one request where <c>limits.batchSize</c> does not say otherwise, and at most.</summary>
    (int Default, int Most) BatchSize { get; }

    /// <summary>
    /// What it is sent are the properties of a person, of which the newest replaces the older: only what has changed since the last time is sent, and of several
    /// deliveries about one person in a batch one.
    /// </summary>
    bool IsState => false;

    /// <summary>Reads <c>settings</c>, and notes whatever cannot be taken.</summary>
    /// <param name="has">Whether a secret of this name is given.</param>
    void Check(JsonFields settings, Func<string, bool> has);

    /// <summary>What is sent where no mapping says otherwise.</summary>
    JsonElement Standard(DeliveryView view) => view.Standard();

    /// <summary>Why nothing can be sent about this profile, such as <c>no-email</c>; null where it can. The delivery is held then.</summary>
    string? Unsendable(JsonElement view) => null;

    /// <summary>
    /// Sends once. Whatever the other side does becomes a result; only a cancellation is thrown. No secret gets into the record of the exchange.
    /// </summary>
    Task<SendResult> SendAsync(DestinationTarget target, IReadOnlyList<Outgoing> batch, CancellationToken cancellation);
}

/// <summary>Where a batch goes to.</summary>
/// <param name="BatchSize">As it is set: more than one means the form of batches, also for one that is alone in its batch.</param>
/// <param name="Secrets">The values of those that are given.</param>
public sealed record DestinationTarget(string Id, JsonElement Settings, int BatchSize, IReadOnlyDictionary<string, string> Secrets)
{
    public string? Secret(string name) => Secrets.GetValueOrDefault(name);

    public string? Setting(string name) =>
        Settings.ValueKind == JsonValueKind.Object && Settings.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>A delivery that is ready to be sent.</summary>
/// <param name="Key">The same, however often it is sent.</param>
/// <param name="ProfileVersion">Of the document that the payload shows.</param>
/// <param name="View">All that mappings and templates can refer to.</param>
/// <param name="Payload">Standard or mapped. Of a state destination, the properties.</param>
/// <param name="Changed">Of a state destination: the properties that differ from what was sent last; null for all.</param>
public sealed record Outgoing(
    string DeliveryId, string Key, string ProfileId, long ProfileVersion, string CauseType, JsonElement View, JsonElement Payload, IReadOnlySet<string>? Changed = null);

public enum SendStatus
{
    /// <summary>Taken.</summary>
    Delivered,

    /// <summary>Refused for good: the same would be refused again.</summary>
    Refused,

    /// <summary>It may be taken later.</summary>
    Retry,

    /// <summary>The other side asks to slow down: it is well, and wants a pause.</summary>
    Throttled,
}

/// <param name="RefusedItems">With <see cref="SendStatus.Delivered"/>: those of the batch that were not taken, by their index, and why.</param>
public sealed record SendResult(SendStatus Status, Exchange Exchange, TimeSpan? RetryAfter = null, IReadOnlyDictionary<int, string>? RefusedItems = null);

/// <summary>A request and what came back, without secrets.</summary>
/// <param name="Url">Without its query, and masked where it is a secret itself.</param>
public sealed record Exchange(string Method, string Url, int RequestBytes, int? Status = null, int? ResponseBytes = null, string? Error = null)
{
    /// <summary>Names and values as sent; secrets masked. Shown by tests of a destination, not stored.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> RequestHeaders { get; init; } = [];

    /// <summary>Shown by tests, not stored: it is personal data.</summary>
    public string? RequestBody { get; init; }

    /// <summary>The beginning. Shown by tests, not stored.</summary>
    public string? ResponseBody { get; init; }
}
