using System.Text;
using Cdp.Collect;
using Cdp.Failures;
using Cdp.Ids;
using Cdp.Storage;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

public sealed class R09RedriveTests
{
    [Fact]
    public async Task UndecodableEventIsSentAgain_MessageIsOfTheQueuesFormat()
    {
        var world = await World.CreateAsync(1);
        var failures = new FailureLog(world.Store, world.Time);
        // The message can be read, one event in it cannot: it lacks its source.
        await world.Worker.BuryAsync(EventMessageCodec.Encode([new CollectedEvent("""{"type":"page","messageId":"m1"}"""u8.ToArray(), Historical: false)]));
        var failure = (await failures.ListAsync("", null, CancellationToken.None).ToListAsync()).Single();

        await new FailureRedriver(failures, world.Store, world.Store, new IdGenerator(world.Time)).RedriveAsync("", failure.Id, CancellationToken.None);

        var message = world.Store.Receive(QueueName.Events)!;
        var collected = await EventMessageCodec.DecodeAsync(message.Body, world.Store, CancellationToken.None);
        Assert.Equal("m1", Encoding.UTF8.GetString(Assert.Single(collected).Json.Span).Split('"')[7]);
    }
}
