using System.Text;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Xunit.Abstractions;

namespace Cdp.Tests.Segments;

/// <summary>It measures the memory of the process, so nothing may run beside it.</summary>
[CollectionDefinition(nameof(LargeBackfillTests), DisableParallelization = true)]
public sealed class LargeBackfillGroup;

/// <summary>New definitions over 500,000 events that are there.</summary>
[Collection(nameof(LargeBackfillTests))]
public sealed class LargeBackfillTests(ITestOutputHelper output)
{
    private const int Profiles = 5_000;
    private const int EventsEach = 100;

    // Pages of four lanes; what they read altogether is more than ten times that.
    private const long MostBytesBesideStore = 48 * 1024 * 1024;

    private const long MostBytes = 400_000_000;

    private const int CallsPerSample = 301;

    [Fact]
    public async Task Of500000Events_InBoundedMemory()
    {
        // Tests before this one may have left something.
        var present = GC.GetTotalMemory(forceFullCollection: true);
        var world = await SegmentWorld.CreateAsync(1);
        var memory = new MemoryBesideStore(world.Store);
        await AddProfilesAsync(world);
        memory.Calibrate();
        await world.DefineAsync("many", """{"event":"Order Completed","count":{"gte":5},"within":"3650d"}""");
        await world.DefineAsync("late", """{"sequence":[{"event":"Product Viewed"},{"event":"Order Completed"}],"within":"2h"}""");
        var managed = 0L;
        memory.Start();
        world.Store.Before = call =>
        {
            // So that a message is good for some hundred calls.
            world.Time.Advance(TimeSpan.FromMilliseconds(50));
            if (call.Number % CallsPerSample != 0)
                return Task.CompletedTask;
            memory.Sample();
            managed = Math.Max(managed, GC.GetTotalMemory(forceFullCollection: true) - present);
            return Task.CompletedTask;
        };
        world.Time.Advance(TimeSpan.FromSeconds(31));
        await world.Worker.ScheduleAsync();
        var messages = 0;
        while (world.Store.Receive(QueueName.Segments) is { } message)
        {
            messages++;
            await world.DeliverAsync(message);
        }

        world.Store.Before = null;
        output.WriteLine($"{messages} messages, {world.Store.Calls:N0} calls, {managed / 1e6:N0} MB with the store, at most {memory.Most / 1e6:N1} MB beside it");
        Assert.Empty(world.Errors);
        Assert.True(messages > Cdp.Segments.Backfill.BackfillProgress.Lanes);
        // Profile i has i % 10 orders, the first an hour after a product was viewed.
        Assert.Equal(
            $"late {Profiles / 10 * 9} many {Profiles / 2}",
            string.Join(' ', world.Rows("s|").GroupBy(r => r.Key.Split('|')[1]).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => $"{g.Key} {g.Count()}")));
        // Less than nothing where tests before it have left what is collected meanwhile.
        Assert.InRange(memory.Most, long.MinValue + 1, MostBytesBesideStore);
        Assert.InRange(managed, 1, MostBytes);
    }

    /// <summary>Straight into the store, as commits would have left them.</summary>
    private static async Task AddProfilesAsync(World world)
    {
        var (ids, start) = (new IdGenerator(world.Time), Instant.Now(world.Time));
        var writes = new List<RowWrite>(StorageLimits.TransactionRows);
        for (var i = 0; i < Profiles; i++)
        {
            var document = new Profile(new ProfileId(ids.Next("prf_")));
            Identifier[] identifiers = [new("user_id", $"u{i}")];
            for (var n = 0; n < EventsEach; n++)
            {
                var at = start.Plus(TimeSpan.FromHours(n - (2 * EventsEach)));
                var name = n < i % 10 ? "Order Completed" : "Product Viewed";
                // The earliest is a view, so that an order follows one.
                var time = n == EventsEach - 1 ? start.Plus(TimeSpan.FromHours(-1 - (2 * EventsEach))) : at;
                var e = Event.Parse(Encoding.UTF8.GetBytes(
                    $$"""{"type":"track","messageId":"m{{i}}-{{n}}","sourceId":"web","timestamp":"{{time}}","originalTimestamp":"{{time}}","receivedAt":"{{time}}","userId":"u{{i}}","event":"{{name}}"}"""));
                document.Apply(e, identifiers);
                if (writes.Count == StorageLimits.TransactionRows - 1)
                    await CommitAsync(world, document.Id, writes);
                writes.Add(RowWrite.Insert(ProfileRows.Event(document.Id, e.Timestamp, e.MessageKey), new EventRow(e, document.Id, 1).Encode(document.Id)));
            }

            document.Version = 1;
            writes.Add(ProfileStore.Write(document, null, out _));
            await CommitAsync(world, document.Id, writes);
        }
    }

    private static async Task CommitAsync(World world, ProfileId profile, List<RowWrite> writes)
    {
        Assert.True((await world.Store.CommitAsync(TableName.Profiles, profile.Shard, writes, CancellationToken.None)).Committed);
        writes.Clear();
    }
}
