using System.Buffers;
using Cdp.Problems;

namespace Cdp.Destinations.ServiceBus;

/// <summary>Sends messages to a topic (or a queue) of Service Bus. The app implements it on the official client.</summary>
public interface ITopicSender
{
    /// <param name="connectionString">With a shared access key; null: the app's own identity sends to <paramref name="ns"/>.</param>
    /// <param name="ns">The fully qualified namespace.</param>
    /// <exception cref="TopicException">It was not taken.</exception>
    Task SendAsync(string? connectionString, string? ns, string topic, IReadOnlyList<TopicMessage> messages, CancellationToken cancellation);
}

/// <param name="MessageId">For duplicate detection: the same, however often it is sent.</param>
/// <param name="SessionId">The profile: a receiver with sessions gets what concerns one person in order.</param>
/// <param name="Subject">What happened, such as <c>segment-entered</c>: rules of subscriptions filter by it.</param>
public sealed record TopicMessage(string MessageId, string SessionId, string Subject, ReadOnlyMemory<byte> Body, IReadOnlyDictionary<string, object> Properties);

/// <param name="isTransient">Later it may be taken.</param>
public sealed class TopicException(string message, bool isTransient, bool isThrottled = false) : Exception(message)
{
    public bool IsTransient { get; } = isTransient;

    public bool IsThrottled { get; } = isThrottled;
}

/// <summary>A topic of Azure Service Bus: events, profile and segment changes for other apps of the company.</summary>
public sealed class ServiceBusDestination(ITopicSender sender, DestinationHttp http) : IDestinationType
{
    public const string TypeName = "servicebus";

    private const string ConnectionString = "connectionString";
    private const int LongestTopic = 260;
    private const int LongestMessageId = 128;

    private static readonly SearchValues<char> TopicCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./");

    // Where the clouds have their namespaces; anything else could be a server of somebody's own, inside or outside.
    private static readonly string[] Suffixes = [".servicebus.windows.net", ".servicebus.chinacloudapi.cn", ".servicebus.usgovcloudapi.net"];

    public string Name => TypeName;

    public IReadOnlyList<string> Secrets { get; } = [ConnectionString];

    public (int Default, int Most) BatchSize => (100, 100);

    public void Check(JsonFields settings, Func<string, bool> has)
    {
        if (settings.Text("topic", LongestTopic, required: true) is { } topic && topic.AsSpan().ContainsAnyExcept(TopicCharacters))
            settings.Refuse("topic", "not letters, digits and - _ . /");
        var ns = settings.Text("namespace", 200);
        if (ns is null && !has(ConnectionString))
            settings.Refuse("namespace", "missing: such as shop.servicebus.windows.net for the app's identity, or give the secret 'connectionString'");
        if (ns is not null && !IsNamespace(ns))
            settings.Refuse("namespace", "not a namespace such as shop.servicebus.windows.net");
    }

    public async Task<SendResult> SendAsync(DestinationTarget target, IReadOnlyList<Outgoing> batch, CancellationToken cancellation)
    {
        var (topic, connection, ns) = (target.Setting("topic")!, target.Secret(ConnectionString), target.Setting("namespace"));
        var messages = new List<TopicMessage>(batch.Count);
        var bytes = 0;
        foreach (var item in batch)
        {
            var body = PayloadText.Of(json => PayloadText.Raw(json, item.Payload));
            bytes += body.Length;
            messages.Add(new TopicMessage(
                // The key where it fits; keys of events and triggers may be longer.
                item.Key.Length <= LongestMessageId ? item.Key : item.DeliveryId, item.ProfileId, item.CauseType, body,
                new Dictionary<string, object>(StringComparer.Ordinal) { ["profileVersion"] = item.ProfileVersion, ["deliveryId"] = item.DeliveryId }));
        }

        var exchange = new Exchange("SEND", topic, bytes);
        if (connection is not null && !IsConnection(connection))
            return new SendResult(SendStatus.Refused, exchange with { Error = "The secret 'connectionString' is none of a Service Bus namespace." });
        try
        {
            await sender.SendAsync(connection, connection is null ? ns : null, topic, messages, cancellation);
            return new SendResult(SendStatus.Delivered, exchange with { Status = 201 });
        }
        catch (TopicException failed)
        {
            var status = failed.IsThrottled ? SendStatus.Throttled : failed.IsTransient ? SendStatus.Retry : SendStatus.Refused;
            return new SendResult(status, exchange with { Error = failed.Message });
        }
    }

    private bool IsNamespace(string ns) =>
        http.AllowsPrivate || (Array.Exists(Suffixes, suffix => ns.EndsWith(suffix, StringComparison.OrdinalIgnoreCase)) && Uri.CheckHostName(ns) == UriHostNameType.Dns);

    private bool IsConnection(string connection)
    {
        foreach (var part in connection.Split(';'))
        {
            if (part.StartsWith("Endpoint=", StringComparison.OrdinalIgnoreCase))
                return Uri.TryCreate(part["Endpoint=".Length..], UriKind.Absolute, out var uri) && IsNamespace(uri.Host);
        }

        return false;
    }
}
