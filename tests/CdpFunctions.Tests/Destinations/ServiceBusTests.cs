using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Azure.Core;
using Azure.Messaging.ServiceBus;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace CdpFunctions.Tests.Destinations;

/// <summary>The client of Service Bus against a local server that checks the REST protocol: signature, headers, batches, refusals.</summary>
public sealed class ServiceBusTests : IAsyncLifetime
{
    private const string Key = "c2VjcmV0LWtleQ==";

    private Receiver? server;

    private Receiver Server => server!;

    private ServiceBusClientOptions Options => new() { CustomEndpointAddress = Server.Address, RetryOptions = new ServiceBusRetryOptions { MaxRetries = 1, Delay = TimeSpan.FromMilliseconds(1) } };

    public async Task InitializeAsync() => server = await Receiver.StartAsync((context, _) =>
    {
        context.Response.StatusCode = StatusCodes.Status201Created;
        return Task.CompletedTask;
    });

    public Task DisposeAsync() => Server.DisposeAsync().AsTask();

    [Fact]
    public async Task OneMessage_ByKey_IsSignedForItsEntity_WithBrokerPropertiesInAHeader()
    {
        await using var client = new ServiceBusClient($"Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey={Key}", Options);
        await using var sender = client.CreateSender("cdp/changes");
        var message = new ServiceBusMessage(BinaryData.FromString("{\"a\":\"Zoë\"}")) { MessageId = "vip:prf_1:7", SessionId = "prf_1", Subject = "segment-entered", ContentType = "application/json" };
        message.ApplicationProperties["profileVersion"] = 412L;
        message.ApplicationProperties["deliveryId"] = "dlv_1";
        await sender.SendMessageAsync(message);

        var sent = Assert.Single(Server.All);
        Assert.Equal(("/cdp/changes/messages", "{\"a\":\"Zoë\"}", "application/json"), (sent.Path, sent.Body, sent.Headers["Content-Type"]));
        Assert.Equal("""{"Label":"segment-entered","MessageId":"vip:prf_1:7","SessionId":"prf_1","ContentType":"application/json"}""", sent.Headers["BrokerProperties"]);
        Assert.Equal(("412", "\"dlv_1\""), (sent.Headers["profileVersion"], sent.Headers["deliveryId"]));
        CheckSignature(sent.Headers["Authorization"], "https://shop.servicebus.windows.net/cdp/changes");
        Assert.Equal("shop.servicebus.windows.net", client.FullyQualifiedNamespace);
    }

    [Fact]
    public async Task Batch_IsOneRequest_OfAllMessages()
    {
        await using var client = new ServiceBusClient("Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=" + Key, Options);
        await using var sender = client.CreateSender("changes");
        using var batch = await sender.CreateMessageBatchAsync();
        for (var i = 0; i < 3; i++)
            Assert.True(batch.TryAddMessage(new ServiceBusMessage($$"""{"n":{{i}}}""") { MessageId = $"m{i}", SessionId = "prf_1", ApplicationProperties = { ["profileVersion"] = 5L } }));
        Assert.False(batch.TryAddMessage(new ServiceBusMessage(new string('x', 256 * 1024))));
        await sender.SendMessagesAsync(batch);

        var sent = Assert.Single(Server.All);
        Assert.Equal("application/vnd.microsoft.servicebus.json", sent.Headers["Content-Type"]);
        Assert.False(sent.Headers.ContainsKey("BrokerProperties"));
        var messages = JsonDocument.Parse(sent.Body).RootElement;
        Assert.Equal(3, messages.GetArrayLength());
        Assert.Equal("""{"Body":"{\"n\":1}","BrokerProperties":{"MessageId":"m1","SessionId":"prf_1"},"UserProperties":{"profileVersion":5}}""", messages[1].GetRawText());
    }

    [Fact]
    public async Task Token_OfEntraId_IsAskedForOnce_AndSent()
    {
        var credential = new FixedCredential();
        await using var client = new ServiceBusClient("shop.servicebus.windows.net", credential, Options);
        await using var sender = client.CreateSender("changes");
        await sender.SendMessageAsync(new ServiceBusMessage("a"));
        await sender.SendMessagesAsync([new ServiceBusMessage("b"), new ServiceBusMessage("c")]);
        Assert.Equal(["Bearer token-1", "Bearer token-1"], Server.All.Select(r => r.Headers["Authorization"]));
        Assert.Equal(["https://servicebus.azure.net/.default"], credential.Asked);
    }

    [Theory]
    [InlineData(404, ServiceBusFailureReason.MessagingEntityNotFound, false)]
    [InlineData(403, ServiceBusFailureReason.QuotaExceeded, false)]
    [InlineData(413, ServiceBusFailureReason.MessageSizeExceeded, false)]
    [InlineData(503, ServiceBusFailureReason.ServiceBusy, true)]
    [InlineData(500, ServiceBusFailureReason.GeneralError, true)]
    [InlineData(400, ServiceBusFailureReason.GeneralError, false)]
    public async Task Refusal_IsTheExceptionOfTheOfficialClient(int status, ServiceBusFailureReason reason, bool transient)
    {
        Server.Answer = (context, _) =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        };
        await using var client = new ServiceBusClient("Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=" + Key, Options);
        await using var sender = client.CreateSender("changes");
        var thrown = await Assert.ThrowsAsync<ServiceBusException>(() => sender.SendMessageAsync(new ServiceBusMessage("a")));
        Assert.Equal((reason, transient, "changes"), (thrown.Reason, thrown.IsTransient, thrown.EntityPath));
    }

    [Fact]
    public async Task WrongKey_IsUnauthorized_AndAServerThatIsNotThereACommunicationProblem()
    {
        Server.Answer = (context, _) =>
        {
            context.Response.StatusCode = 401;
            return Task.CompletedTask;
        };
        await using var client = new ServiceBusClient("Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=" + Key, Options);
        await using var sender = client.CreateSender("changes");
        await Assert.ThrowsAsync<UnauthorizedAccessException>(() => sender.SendMessageAsync(new ServiceBusMessage("a")));
        await Server.DownAsync();
        var thrown = await Assert.ThrowsAsync<ServiceBusException>(() => sender.SendMessageAsync(new ServiceBusMessage("a")));
        Assert.Equal((ServiceBusFailureReason.ServiceCommunicationProblem, true), (thrown.Reason, thrown.IsTransient));
        await Server.UpAsync();
    }

    [Theory]
    [InlineData("Endpoint=sb://shop.servicebus.windows.net/")]
    [InlineData("SharedAccessKeyName=send;SharedAccessKey=a")]
    [InlineData("nonsense")]
    public void ConnectionString_ThatIsNone_IsRefused(string text) => Assert.Throws<FormatException>(() => new ServiceBusClient(text));

    [Fact]
    public async Task Destination_SendsEventsToTheTopic_WithSubjectSessionAndMessageId()
    {
        await using var app = await DeliveryApp.StartAsync();
        await app.PutDestinationAsync("topic", $$"""
            {"type":"servicebus","settings":{"topic":"changes"},
             "secrets":{"connectionString":"Endpoint=sb://127.0.0.1:{{Server.Port}};SharedAccessKeyName=send;SharedAccessKey={{Key}};UseDevelopmentEmulator=true"},
             "subscriptions":[{"on":"event","events":["Order Completed"],"mapping":{"total":{"path":"event.properties.total"},"who":{"path":"profile.identifiers.user_id[0]"} } }]}
            """);
        await app.TrackAsync("t1", "ann", "Order Completed", """{"total":12.50}""");
        await TestApp.WaitUntilAsync(async () => (await app.DeliveriesAsync("topic")) is [{ } one] && one.State() == "delivered");

        var sent = Assert.Single(Server.All);
        Assert.Equal(("/changes/messages", """{"total":12.50,"who":"ann"}"""), (sent.Path, sent.Body));
        CheckSignature(sent.Headers["Authorization"], "https://127.0.0.1/changes");
        var profile = (await app.ReadJsonAsync("/v1/profiles/user_id:ann")).GetProperty("id").GetString();
        var properties = JsonDocument.Parse(sent.Headers["BrokerProperties"]).RootElement;
        Assert.Equal(("event", profile), (properties.GetProperty("Label").GetString(), properties.GetProperty("SessionId").GetString()));
        Assert.Equal((await app.DeliveriesAsync("topic"))[0].GetProperty("key").GetString(), properties.GetProperty("MessageId").GetString());
    }

    private static void CheckSignature(string authorization, string resource)
    {
        Assert.StartsWith("SharedAccessSignature ", authorization, StringComparison.Ordinal);
        var parts = authorization["SharedAccessSignature ".Length..].Split('&').Select(part => part.Split('=', 2)).ToDictionary(part => part[0], part => part[1]);
        Assert.Equal((Uri.EscapeDataString(resource), "send"), (parts["sr"], parts["skn"]));
        Assert.True(long.Parse(parts["se"], CultureInfo.InvariantCulture) > TimeProvider.System.GetUtcNow().ToUnixTimeSeconds());
        var expected = HMACSHA256.HashData(Encoding.UTF8.GetBytes(Key), Encoding.UTF8.GetBytes(parts["sr"] + "\n" + parts["se"]));
        Assert.Equal(Convert.ToBase64String(expected), Uri.UnescapeDataString(parts["sig"]));
    }

    private sealed class FixedCredential : TokenCredential
    {
        public List<string> Asked { get; } = [];

        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken)
        {
            Asked.AddRange(requestContext.Scopes);
            return new AccessToken("token-" + Asked.Count, TimeProvider.System.GetUtcNow().AddHours(1));
        }

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) => new(GetToken(requestContext, cancellationToken));
    }
}
