using System.Text;
using Cdp.Collect;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Storage;

namespace Cdp.Tests.Collect;

/// <summary>Group commit.</summary>
public sealed class EventQueueWriterTests
{
    private readonly KeptMessages queue = new() { Hold = true };
    private readonly KeptBlobs blobs = new();
    private readonly EventQueueWriter writer;

    public EventQueueWriterTests() => writer = new EventQueueWriter(queue, blobs, new IdGenerator(TimeProvider.System));

    [Fact]
    public async Task When_nothing_is_under_way_a_request_goes_at_once_and_waits_for_its_message()
    {
        var request = WriteAsync("a");
        var (_, done) = Assert.Single(queue.Held);
        Assert.False(request.IsCompleted);
        done.SetResult();
        await request;
    }

    [Fact]
    public async Task Requests_that_come_while_a_message_is_under_way_share_the_next()
    {
        var first = WriteAsync("a");
        var others = Enumerable.Range(0, 50).Select(i => WriteAsync("b" + i)).ToList();
        Assert.Single(queue.Held);
        Take().SetResult();
        await first;
        Assert.All(others, t => Assert.False(t.IsCompleted));
        Assert.Equal(50, (await EventsAsync(queue.Held.Single().Body)).Count);
        Take().SetResult();
        await Task.WhenAll(others);
        Assert.Equal(2, queue.Messages.Count);
    }

    [Fact]
    public async Task A_failed_send_fails_the_requests_in_it_and_no_others()
    {
        var first = WriteAsync("a");
        var second = WriteAsync("b");
        var third = WriteAsync("c");
        Take().SetResult();
        await first;
        var fourth = WriteAsync("d");
        Take().SetException(new IOException("down"));
        Assert.Equal("down", (await Assert.ThrowsAsync<IOException>(() => second)).Message);
        await Assert.ThrowsAsync<IOException>(() => third);
        Assert.False(fourth.IsCompleted);
        Take().SetResult();
        await fourth;
        // And the writer goes on.
        var fifth = WriteAsync("e");
        Take().SetResult();
        await fifth;
    }

    [Fact]
    public async Task A_request_larger_than_a_message_waits_for_all_of_its_messages_and_four_are_under_way_at_most()
    {
        var request = WriteAsync([.. Enumerable.Range(0, 3001).Select(i => i.ToString())]);
        Assert.Equal(4, queue.Held.Count);
        for (var i = 0; i < 7; i++)
        {
            Assert.False(request.IsCompleted);
            Take().SetResult();
        }

        await request;
        Assert.Equal([500, 500, 500, 500, 500, 500, 1], await CountsAsync());
    }

    [Fact]
    public async Task A_request_in_several_messages_fails_with_one_of_them()
    {
        var request = WriteAsync([.. Enumerable.Range(0, 1500).Select(i => i.ToString())]);
        Take().SetResult();
        Take().SetException(new IOException("down"));
        Assert.False(request.IsCompleted);
        Take().SetResult();
        await Assert.ThrowsAsync<IOException>(() => request);
    }

    [Fact]
    public async Task A_message_has_at_most_128_KiB_of_events_and_goes_to_a_blob_where_the_queue_has_no_room()
    {
        var random = new Random(1);
        var events = Enumerable.Range(0, 12).Select(_ =>
        {
            var bytes = new byte[15_000];
            random.NextBytes(bytes);
            return Convert.ToBase64String(bytes);
        }).ToArray();
        queue.Hold = false;
        await WriteAsync(events);
        Assert.Equal([6, 6], await CountsAsync());
        Assert.Equal(2, blobs.Overflow.Count);
        Assert.Equal(events, (await Task.WhenAll(queue.Messages.Select(EventsAsync))).SelectMany(e => e));
    }

    [Fact]
    public async Task Under_load_every_event_arrives_once_in_few_messages()
    {
        queue.Hold = false;
        var requests = Enumerable.Range(0, 2000).Select(i => Task.Run(() => WriteAsync("r" + i)));
        await Task.WhenAll(requests);
        var arrived = (await Task.WhenAll(queue.Messages.Select(EventsAsync))).SelectMany(e => e).ToList();
        Assert.Equal(2000, arrived.Count);
        Assert.Equal(2000, arrived.Distinct().Count());
    }

    [Fact]
    public async Task Beyond_what_may_wait_requests_are_refused_until_it_is_less()
    {
        var large = new string('x', 1024 * 1024);
        var waiting = Enumerable.Range(0, 31).Select(_ => WriteAsync(large)).ToList();
        var exception = await Assert.ThrowsAsync<ProblemException>(() => WriteAsync(large, large));
        Assert.Equal(ProblemType.StorageUnavailable, exception.Problem.Type);
        queue.Hold = false;
        while (queue.Held.TryDequeue(out var held))
            held.Done.SetResult();
        await Task.WhenAll(waiting);
        await WriteAsync(large, large);
    }

    private TaskCompletionSource Take() => queue.Held.TryDequeue(out var held) ? held.Done : throw new InvalidOperationException("No message is under way.");

    private async Task WriteAsync(params string[] events) =>
        await writer.WriteAsync([.. events.Select(e => new CollectedEvent(Encoding.UTF8.GetBytes(e), false))]);

    private async Task<List<string>> EventsAsync(string message) =>
        [.. (await EventMessageCodec.DecodeAsync(message, blobs, CancellationToken.None)).Select(e => Encoding.UTF8.GetString(e.Json.Span))];

    private async Task<List<int>> CountsAsync()
    {
        var counts = new List<int>();
        foreach (var message in queue.Messages)
            counts.Add((await EventsAsync(message)).Count);
        return counts;
    }
}
