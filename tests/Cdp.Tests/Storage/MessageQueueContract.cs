using Cdp.Storage;
using Xunit;

namespace Cdp.Tests.Storage;

/// <summary>
/// What every <see cref="IMessageQueue"/> does. The port has no receiving side (the Functions host receives), so the suite asks
/// for one: the body of a visible message, which becomes invisible; null where none is.
/// </summary>
public abstract class MessageQueueContract
{
    protected abstract Task<IMessageQueue> QueueAsync();

    protected abstract Task<string?> ReceiveAsync(QueueName queue);

    [Fact]
    public async Task Sent_IsReceived_AsItWasSent()
    {
        var queue = await QueueAsync();
        string[] bodies = ["H4sIAAAAAAAA/+/=", "<a href=\"x\">&amp;</a>", " leading and trailing ", "two\nlines", new string('x', StorageLimits.QueueMessageChars), new string('y', 64 * 1024)];

        foreach (var body in bodies)
            await queue.SendAsync(QueueName.Events, body, null, default);

        var received = new List<string?>();
        for (var i = 0; i < bodies.Length; i++)
            received.Add(await ReceiveAsync(QueueName.Events));
        Assert.Equal(bodies.Order(StringComparer.Ordinal), received.Order(StringComparer.Ordinal));
        Assert.Null(await ReceiveAsync(QueueName.Events));
    }

    [Fact]
    public async Task Queues_AreSeparate()
    {
        var queue = await QueueAsync();
        foreach (var name in Enum.GetValues<QueueName>())
            await queue.SendAsync(name, name.ToString(), null, default);

        foreach (var name in Enum.GetValues<QueueName>())
        {
            Assert.Equal(name.ToString(), await ReceiveAsync(name));
            Assert.Null(await ReceiveAsync(name));
        }
    }

    [Fact]
    public async Task Sent_BeyondTheLimit_Throws()
    {
        var queue = await QueueAsync();

        await Assert.ThrowsAnyAsync<Exception>(() => queue.SendAsync(QueueName.Events, new string('x', 64 * 1024 + 1), null, default));
        await Assert.ThrowsAnyAsync<Exception>(() => queue.SendAsync(QueueName.Events, "x", TimeSpan.FromDays(8), default));

        Assert.Equal(0, (await queue.BacklogAsync(QueueName.Events, default)).Messages);
    }

    [Fact]
    public async Task Backlog_CountsInvisibleMessages_AndDatesTheOldestVisible()
    {
        var queue = await QueueAsync();
        Assert.Equal(new QueueBacklog(0, null), await queue.BacklogAsync(QueueName.Merges, default));

        await queue.SendAsync(QueueName.Merges, "one", null, default);
        var sent = await queue.BacklogAsync(QueueName.Merges, default);
        await ReceiveAsync(QueueName.Merges);
        var received = await queue.BacklogAsync(QueueName.Merges, default);

        Assert.Equal(1, sent.Messages);
        Assert.NotNull(sent.OldestInsertedOn);
        Assert.InRange(sent.OldestInsertedOn.Value, TimeProvider.System.GetUtcNow().AddMinutes(-5), TimeProvider.System.GetUtcNow().AddMinutes(5));
        Assert.Equal(new QueueBacklog(1, null), received);
    }
}
