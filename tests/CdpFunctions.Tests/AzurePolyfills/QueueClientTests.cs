using Azure;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using CdpFunctions.Tests.Azurite;
using Xunit;

namespace CdpFunctions.Tests.AzurePolyfills;

public sealed class QueueClientTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public async Task Received_IsInvisible_UntilUpdatedToVisible_AndCounted()
    {
        var queue = await CreateAsync();
        var sent = (await queue.SendMessageAsync("one")).Value;

        var first = Assert.Single((await queue.ReceiveMessagesAsync(10, Hour)).Value);
        Assert.Empty((await queue.ReceiveMessagesAsync(10, Hour)).Value);
        Assert.Empty((await queue.PeekMessagesAsync(10)).Value);
        var updated = (await queue.UpdateMessageAsync(first.MessageId, first.PopReceipt, visibilityTimeout: TimeSpan.Zero)).Value;
        var second = Assert.Single((await queue.ReceiveMessagesAsync(10, Hour)).Value);

        Assert.Equal((sent.MessageId, "one", 1L), (first.MessageId, first.MessageText, first.DequeueCount));
        Assert.Equal((sent.MessageId, "one", 2L), (second.MessageId, second.MessageText, second.DequeueCount));
        Assert.NotEqual(first.PopReceipt, updated.PopReceipt);
        Assert.True(second.NextVisibleOn > TimeProvider.System.GetUtcNow().AddMinutes(50));
        await AssertFailsAsync(QueueErrorCode.PopReceiptMismatch, () => queue.DeleteMessageAsync(first.MessageId, first.PopReceipt), QueueErrorCode.MessageNotFound);
        await queue.DeleteMessageAsync(second.MessageId, second.PopReceipt);
        await AssertFailsAsync(QueueErrorCode.MessageNotFound, () => queue.DeleteMessageAsync(second.MessageId, second.PopReceipt));
        Assert.Equal(0, (await queue.GetPropertiesAsync()).Value.ApproximateMessagesCount);
    }

    [Fact]
    public async Task Update_ChangesTheText_AndGivesAReceiptThatWorks()
    {
        var queue = await CreateAsync();
        await queue.SendMessageAsync("one");
        var received = (await queue.ReceiveMessagesAsync(1, Hour)).Value[0];

        var receipt = (await queue.UpdateMessageAsync(received.MessageId, received.PopReceipt, "two", TimeSpan.Zero)).Value;
        Assert.Equal("two", Assert.Single((await queue.PeekMessagesAsync()).Value).MessageText);
        await queue.DeleteMessageAsync(received.MessageId, receipt.PopReceipt);

        Assert.Empty((await queue.ReceiveMessagesAsync()).Value);
        Assert.Equal(receipt.PopReceipt, received.Update(receipt).PopReceipt);
    }

    [Fact]
    public async Task Sent_WithADelay_IsInvisible_ButCounted()
    {
        var queue = await CreateAsync();

        var receipt = (await queue.SendMessageAsync("one", Hour)).Value;

        Assert.True(receipt.TimeNextVisible > TimeProvider.System.GetUtcNow().AddMinutes(50));
        Assert.Empty((await queue.ReceiveMessagesAsync()).Value);
        Assert.Equal(1, (await queue.GetPropertiesAsync()).Value.ApproximateMessagesCount);
        await queue.UpdateMessageAsync(receipt.MessageId, receipt.PopReceipt, visibilityTimeout: TimeSpan.Zero);
        Assert.Single((await queue.ReceiveMessagesAsync()).Value);
    }

    [Fact]
    public async Task TimeToLive_OfMinusOneSecond_IsForEver()
    {
        var queue = await CreateAsync();

        await queue.SendMessageAsync("week");
        await queue.SendMessageAsync("ever", timeToLive: TimeSpan.FromSeconds(-1));
        var received = (await queue.ReceiveMessagesAsync(2, Hour)).Value;

        var now = TimeProvider.System.GetUtcNow();
        Assert.InRange(received.Single(static message => message.MessageText == "week").ExpiresOn!.Value, now.AddDays(6), now.AddDays(8));
        Assert.True(received.Single(static message => message.MessageText == "ever").ExpiresOn > now.AddYears(1000));
        Assert.All(received, message => Assert.InRange(message.InsertedOn!.Value, now.AddMinutes(-5), now.AddMinutes(5)));
    }

    [Theory]
    [InlineData(QueueMessageEncoding.None)]
    [InlineData(QueueMessageEncoding.Base64)]
    public async Task Text_OfAnyCharacter_ComesBackAsItWas(QueueMessageEncoding encoding)
    {
        var queue = await CreateAsync(encoding);
        foreach (var text in new[] { "<a href=\"x\">&amp; 'q'</a>]]>", " é 漢 🙂 ", "a\r\nb\tc\rd\ne", "", new string('x', 40_000) })
        {
            await queue.SendMessageAsync(text);
            Assert.Equal(text, Assert.Single((await queue.PeekMessagesAsync(1)).Value).MessageText);
            var received = Assert.Single((await queue.ReceiveMessagesAsync(1, Hour)).Value);
            Assert.Equal(text, received.Body.ToString());
            await queue.DeleteMessageAsync(received.MessageId, received.PopReceipt);
        }
    }

    [Fact]
    public async Task Base64_IsWhatIsStored()
    {
        var queue = await CreateAsync(QueueMessageEncoding.Base64);
        await queue.SendMessageAsync(BinaryData.FromBytes(new byte[] { 0, 255, 1 }));

        var raw = new QueueClient(await AzuriteFixture.ConnectionStringAsync(), queue.Name);
        Assert.Equal("AP8B", Assert.Single((await raw.PeekMessagesAsync()).Value).MessageText);
        Assert.Equal([0, 255, 1], Assert.Single((await queue.PeekMessagesAsync()).Value).Body.ToArray());
    }

    [Fact]
    public async Task Text_ThatXmlCannotHold_IsRefusedByTheClient()
    {
        var queue = await CreateAsync();

        await Assert.ThrowsAsync<ArgumentException>(() => queue.SendMessageAsync("a\0b"));
        await Assert.ThrowsAsync<ArgumentException>(() => queue.SendMessageAsync("a\ufffeb"));
    }

    [Fact]
    public async Task Text_OfMoreThan64KiB_IsRefused()
    {
        var queue = await CreateAsync();

        await queue.SendMessageAsync(new string('x', 64 * 1024));
        await AssertFailsAsync(QueueErrorCode.RequestBodyTooLarge, () => queue.SendMessageAsync(new string('x', 64 * 1024 + 1)));
    }

    [Fact]
    public async Task Peek_DoesNotCount_AndClearRemovesAll()
    {
        var queue = await CreateAsync();
        for (var i = 0; i < 5; i++)
            await queue.SendMessageAsync($"m{i}");

        Assert.Equal(5, (await queue.PeekMessagesAsync(32)).Value.Length);
        Assert.Equal(0, (await queue.PeekMessagesAsync()).Value[0].DequeueCount);
        Assert.Equal(5, (await queue.GetPropertiesAsync()).Value.ApproximateMessagesCountLong);
        await queue.ClearMessagesAsync();
        Assert.Empty((await queue.ReceiveMessagesAsync(32)).Value);
    }

    [Fact]
    public async Task Queue_IsCreatedOnce_AndMissingIsReported()
    {
        var queue = new QueueServiceClient(await AzuriteFixture.ConnectionStringAsync()).GetQueueClient(AzuriteFixture.NewName());

        Assert.False((await queue.ExistsAsync()).Value);
        await AssertFailsAsync(QueueErrorCode.QueueNotFound, () => queue.SendMessageAsync("x"));
        Assert.Equal(201, (await queue.CreateIfNotExistsAsync()).Status);
        Assert.Null(await queue.CreateIfNotExistsAsync());
        Assert.True((await queue.ExistsAsync()).Value);
    }

    [Fact]
    public void ModelFactory_MakesMessagesForTests()
    {
        var message = QueuesModelFactory.QueueMessage("id", "receipt", "text", 3);

        Assert.Equal(("id", "receipt", "text", 3L), (message.MessageId, message.PopReceipt, message.MessageText, message.DequeueCount));
        Assert.Null(message.InsertedOn);
    }

    private static async Task<QueueClient> CreateAsync(QueueMessageEncoding encoding = QueueMessageEncoding.None)
    {
        var options = new QueueClientOptions { MessageEncoding = encoding };
        var queue = new QueueServiceClient(await AzuriteFixture.ConnectionStringAsync(), options).GetQueueClient(AzuriteFixture.NewName());
        await queue.CreateIfNotExistsAsync();
        return queue;
    }

    private static async Task AssertFailsAsync(QueueErrorCode code, Func<Task> call, QueueErrorCode? or = null)
    {
        var failure = await Assert.ThrowsAsync<RequestFailedException>(call);
        Assert.True(failure.ErrorCode == code || (or is { } other && failure.ErrorCode == other), failure.ErrorCode);
    }
}
