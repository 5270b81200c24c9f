using System.Collections.Concurrent;
using Azure.Identity;
using Azure.Messaging.ServiceBus;
using Cdp.Destinations.ServiceBus;
using Microsoft.Extensions.Configuration;

namespace CdpFunctions.Destinations;

/// <summary>Topics of Service Bus by the official client, which is kept: its connection is what costs.</summary>
/// <param name="configuration">Names the identity where the app has one that was assigned to it, as for the storage.</param>
public sealed class ServiceBusTopics(IConfiguration configuration) : ITopicSender, IAsyncDisposable
{
    // Connection strings that were changed leave a client behind; beyond this all are made anew.
    private const int MostClients = 100;

    // Repeating is the business of deliveries, which keep count.
    private static readonly ServiceBusRetryOptions Once = new() { MaxRetries = 0, TryTimeout = TimeSpan.FromSeconds(10) };

    private readonly ConcurrentDictionary<string, ServiceBusClient> clients = new(StringComparer.Ordinal);

    public async Task SendAsync(string? connectionString, string? ns, string topic, IReadOnlyList<TopicMessage> messages, CancellationToken cancellation)
    {
        try
        {
            await using var sender = Client(connectionString, ns).CreateSender(topic);
            for (var next = 0; next < messages.Count;)
            {
                using var batch = await sender.CreateMessageBatchAsync(cancellation);
                var first = next;
                while (next < messages.Count && batch.TryAddMessage(MessageOf(messages[next])))
                    next++;
                if (next == first)
                    throw new TopicException("A message is larger than a topic takes.", isTransient: false);
                await sender.SendMessagesAsync(batch, cancellation);
            }
        }
        catch (ServiceBusException failed)
        {
            throw new TopicException($"Service Bus: {failed.Reason}.", failed.IsTransient, failed.Reason == ServiceBusFailureReason.ServiceBusy);
        }
        catch (Exception failed) when (failed is UnauthorizedAccessException or FormatException)
        {
            throw new TopicException(failed is FormatException ? "The connection string is malformed." : "Service Bus does not let the app send: see to its role or key.", isTransient: false);
        }
        catch (AuthenticationFailedException)
        {
            throw new TopicException("The app's identity has got no token.", isTransient: true);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in clients.Values)
            await client.DisposeAsync();
    }

    private static ServiceBusMessage MessageOf(TopicMessage message)
    {
        var made = new ServiceBusMessage(message.Body) { MessageId = message.MessageId, SessionId = message.SessionId, Subject = message.Subject, ContentType = "application/json" };
        foreach (var (name, value) in message.Properties)
            made.ApplicationProperties[name] = value;
        return made;
    }

    private ServiceBusClient Client(string? connectionString, string? ns)
    {
        if (clients.Count >= MostClients)
            clients.Clear();
        var options = new ServiceBusClientOptions { RetryOptions = Once };
        return clients.GetOrAdd(
            connectionString ?? ns!,
            key => connectionString is not null
                ? new ServiceBusClient(key, options)
                : new ServiceBusClient(key, new DefaultAzureCredential(new DefaultAzureCredentialOptions { ManagedIdentityClientId = configuration["AzureWebJobsStorage:clientId"] }), options));
    }
}
