using System.Text;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Processing;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Storage;
using Xunit.Abstractions;

namespace Cdp.Tests.Processing;

/// <summary>It measures the memory of the process, so nothing may run beside it.</summary>
[CollectionDefinition(nameof(LargeMergeTests), DisableParallelization = true)]
public sealed class LargeMergeGroup;

/// <summary>
/// Two profiles of 100,000 events are merged and parted again, in many messages whose workers die now and then, while both get events.
/// </summary>
[Collection(nameof(LargeMergeTests))]
public sealed class LargeMergeTests(ITestOutputHelper output)
{
    private const int EventsEach = 100_000;

    // The timeline of one profile alone, decoded, is 160 MB.
    private const long MostBytes = 64 * 1024 * 1024;

    // So that one message is good for about 600 calls.
    private static readonly TimeSpan CallTime = TimeSpan.FromMilliseconds(50);

    private const int CallsPerCrash = 2_311;
    private const int CallsPerSample = 997;

    // Twice what the calls need, if what comes again after a crash begins where the crash was.
    private const int MostMessages = 40;

    [Fact]
    public async Task TwoOf100000Events_MergedAndParted_InManyMessagesAndBoundedMemory()
    {
        var world = await World.CreateAsync(1);
        var (stays, leaves) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
        await world.SettleAsync("""{"type":"identify","messageId":"u","userId":"u1","traits":{"plan":"pro"}}""");
        await world.SettleAsync("""{"type":"page","messageId":"a","anonymousId":"a1"}""");
        var (winner, loser) = (world.Owners("user_id", "u1").Single().Id, world.Owners("anonymous_id", "a1").Single().Id);
        Assert.True(winner < loser);
        var memory = new MemoryBesideStore(world.Store);
        await AddEventsAsync(world, winner, new Identifier("user_id", "u1"), "\"userId\":\"u1\"", "u");
        await AddEventsAsync(world, loser, new Identifier("anonymous_id", "a1"), "\"anonymousId\":\"a1\"", "a");
        memory.Calibrate();
        for (var i = 0; i < EventsEach; i++)
        {
            stays.Add(i == 0 ? "u" : $"u{i}");
            leaves.Add(i == 0 ? "a" : $"a{i}");
        }

        memory.Start();
        var sent = 0;
        async Task TrafficAsync()
        {
            sent++;
            await world.SendAsync(WorldExtensions.Batch(
                $$"""{"type":"page","messageId":"ut{{sent}}","userId":"u1"}""",
                $$"""{"type":"page","messageId":"at{{sent}}","anonymousId":"a1"}""",
                $$"""{"type":"page","messageId":"both{{sent}}","userId":"u1","anonymousId":"a1"}"""));
            stays.UnionWith([$"ut{sent}", $"both{sent}"]);
            leaves.Add($"at{sent}");
        }

        var messages = await WorkOffAsync(world, memory, TrafficAsync);
        var calls = world.Store.Calls;
        output.WriteLine($"merged in {messages} messages, {calls:N0} calls, with at most {memory.Most / 1e6:N1} MB beside the store");
        Assert.InRange(messages, 8, MostMessages);

        var profiles = new ProfileStore(world.Store);
        var (_, merged, _) = await profiles.FollowAsync(loser, fresh: true, CancellationToken.None);
        Assert.Equal(winner, merged!.Id);
        await AssertHasAsync(world, merged, [.. stays, .. leaves]);
        await AssertHasNoneAsync(world, loser);

        calls = world.Store.Calls;
        await new Unmerges(profiles, new IdentityIndex(world.Store, world.Time), world.Store).RequestAsync(merged, merged.Merges[0].Id, CancellationToken.None);
        messages = await WorkOffAsync(world, memory, TrafficAsync);
        output.WriteLine($"parted in {messages} messages, {world.Store.Calls - calls:N0} calls, with at most {memory.Most / 1e6:N1} MB beside the store");
        Assert.InRange(messages, 8, MostMessages);

        await AssertHasAsync(world, (await profiles.FindAsync(winner, fresh: true, CancellationToken.None))!.Value.Decode(), stays);
        await AssertHasAsync(world, (await profiles.FindAsync(loser, fresh: true, CancellationToken.None))!.Value.Decode(), leaves);
        Assert.Empty(world.Failures());
        Assert.InRange(memory.Most, long.MinValue + 1, MostBytes);
    }

    /// <summary>Straight into the store, as commits would have left them.</summary>
    private static async Task AddEventsAsync(World world, ProfileId profile, Identifier identifier, string identity, string prefix)
    {
        var profiles = new ProfileStore(world.Store);
        var stored = (await profiles.FindAsync(profile, fresh: true, CancellationToken.None))!.Value;
        var document = stored.Decode();
        foreach (var chunk in Enumerable.Range(1, EventsEach - 1).Chunk(StorageLimits.TransactionRows / 2))
        {
            document.Version++;
            var writes = new List<RowWrite>(StorageLimits.TransactionRows);
            foreach (var i in chunk)
            {
                var at = document.CreatedAt.Plus(TimeSpan.FromSeconds(-i));
                var e = Event.Parse(Encoding.UTF8.GetBytes(
                    $$"""{"type":"page","messageId":"{{prefix}}{{i}}","sourceId":"web","timestamp":"{{at}}","originalTimestamp":"{{at}}","receivedAt":"{{at}}",{{identity}},"name":"Home"}"""));
                document.Apply(e, [identifier]);
                writes.Add(RowWrite.Insert(ProfileRows.Event(profile, e.Timestamp, e.MessageKey), new EventRow(e, profile, document.Version).Encode(profile)));
                writes.Add(RowWrite.Insert(ProfileRows.Marker(profile, e.MessageKey), ProfileRows.MarkerData(e)));
            }

            Assert.True((await world.Store.CommitAsync(TableName.Profiles, profile.Shard, writes, CancellationToken.None)).Committed);
        }

        Assert.True(await profiles.SaveAsync(document, stored.Version, CancellationToken.None));
    }

    /// <summary>Each call takes its time; now and then the worker dies, before or after it took effect.</summary>
    private static void Supervise(World world, MemoryBesideStore memory)
    {
        world.Store.Before = call =>
        {
            world.Time.Advance(CallTime);
            if (call.Number % CallsPerSample == 0)
                memory.Sample();
            return call.Number % CallsPerCrash == 0 ? throw new SimulatedCrashException(call) : Task.CompletedTask;
        };
        world.Store.After = call => call.Number % CallsPerCrash == CallsPerCrash / 2 ? throw new SimulatedCrashException(call) : Task.CompletedTask;
    }

    /// <returns>How many messages about merges it took.</returns>
    private static async Task<int> WorkOffAsync(World world, MemoryBesideStore memory, Func<Task> traffic)
    {
        Supervise(world, memory);
        var messages = 0;
        await traffic();
        await DeliverAllAsync(world, QueueName.Events);
        while (world.Store.Receive(QueueName.Merges) is { } message)
        {
            messages++;
            var before = world.Time.GetUtcNow();
            await world.DeliverAsync(message);
            // A step that is under way when the time is over is brought to its end.
            Assert.InRange(world.Time.GetUtcNow() - before, TimeSpan.Zero, MergeProcessor.Allowed + TimeSpan.FromSeconds(15));
            await traffic();
            await DeliverAllAsync(world, QueueName.Events);
        }

        await world.DrainAsync();
        world.Store.Before = world.Store.After = null;
        return messages;
    }

    /// <summary>Each once: what has to wait for a merge comes again later.</summary>
    private static async Task DeliverAllAsync(World world, QueueName queue)
    {
        for (var waiting = world.Store.Messages(queue).Count; waiting > 0 && world.Store.Receive(queue) is { } message; waiting--)
            await world.DeliverAsync(message);
    }

    private static async Task AssertHasAsync(World world, Profile document, HashSet<string> expected)
    {
        Assert.Null(document.MergedInto);
        Assert.Empty(document.Absorbing);
        Assert.False(document.IsSplitting);
        Assert.Equal(expected.Count, document.EventCount);
        var found = new HashSet<string>(StringComparer.Ordinal);
        var (from, to) = ProfileRows.Events(document.Id);
        await foreach (var row in world.Store.RangeAsync(TableName.Profiles, document.Id.Shard, from, to, 1000, CancellationToken.None))
        {
            var e = EventRow.Decode(document.Id, row.Data).Event;
            Assert.True(found.Add(e.MessageId), e.MessageId);
            Assert.NotNull(await world.Store.GetAsync(TableName.Profiles, document.Id.Shard, ProfileRows.Marker(document.Id, e.MessageKey), CancellationToken.None));
        }

        Assert.True(expected.SetEquals(found));
        Assert.Equal(expected.Count, await MarkersAsync(world, document.Id));
    }

    private static async Task AssertHasNoneAsync(World world, ProfileId gone)
    {
        var (from, to) = ProfileRows.Events(gone);
        await foreach (var row in world.Store.RangeAsync(TableName.Profiles, gone.Shard, from, to, 1000, CancellationToken.None))
            Assert.Fail(row.Key);
        Assert.Equal(0, await MarkersAsync(world, gone));
    }

    private static async Task<int> MarkersAsync(World world, ProfileId profile)
    {
        var count = 0;
        await foreach (var row in world.Store.RangeAsync(TableName.Profiles, profile.Shard, "m|", "m}", 1000, CancellationToken.None))
            count += ProfileRows.ProfileOfMarkerKey(row.Key) == profile ? 1 : 0;
        return count;
    }
}
