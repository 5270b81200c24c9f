using Cdp.Deliveries;
using Cdp.Segments;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;
using Cdp.Tests.Segments;
using Cdp.Triggers;

namespace Cdp.Tests.Triggers;

/// <summary>What is sent, what is held back, and the reason that is given.</summary>
public sealed class TriggerPlannerTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Fact]
    public async Task Absence_FiresOnceForEachCart_AndNeverForWhoBought()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutAsync("cart", TriggerWorld.Cart);
        await world.TrackAsync("ann", "Product Added", """{"product":"tent"}""");
        await world.TrackAsync("ben", "Product Added");
        await world.TrackAsync("ben", "Order Completed");
        await world.DecideAsync();
        Assert.Empty(world.Decisions());
        await world.PassAsync(Hour + TimeSpan.FromMinutes(1));
        await world.DecideAsync();
        Assert.Equal(["cart sent"], await world.OfAsync("ann"));
        Assert.Empty(await world.OfAsync("ben"));
        var delivery = Assert.Single(world.Deliveries());
        Assert.Equal((DeliveryCause.Trigger, "cart", "m1", null), (delivery.Cause.Type, delivery.Cause.TriggerId, delivery.Cause.MessageId, delivery.Cause.SegmentId));

        // Over by itself a day later, so that the next cart is one again.
        await world.PassAsync(2 * Day);
        await world.TrackAsync("ann", "Product Added");
        await world.PassAsync(Hour + TimeSpan.FromMinutes(1));
        await world.DecideAsync();
        Assert.Equal(["cart sent", "cart sent"], await world.OfAsync("ann"));
        await world.CheckAsync();
    }

    [Fact]
    public async Task Absence_BoughtBeforeItIsDecided_IsHeld()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutAsync("cart", TriggerWorld.Cart);
        await world.TrackAsync("ann", "Product Added");
        await world.PassAsync(Hour + TimeSpan.FromMinutes(1));
        // The change is in the queue; the order overtakes it.
        await world.TrackAsync("ann", "Order Completed");
        await world.DecideAsync();
        Assert.Equal(["cart held no-longer"], await world.OfAsync("ann"));
        Assert.Empty(world.Deliveries());
    }

    [Fact]
    public async Task Import_SetsNothingOff_ButAnImportedOrderEndsACart()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutAsync("cart", TriggerWorld.Cart);
        await world.PutAsync("bought", """{"event":"Order Completed"}""");
        await world.World.DefineAsync("abandoned", TriggerWorld.Cart);
        await world.World.DefineAsync("adders", """{"event":"Product Added"}""");
        await world.PutAsync("by-segment", """{"segment":"abandoned"}""");
        await world.PutAsync("adding", """{"segment":"adders"}""");
        await world.ImportAsync("ann", "Product Added");
        await world.ImportAsync("ben", "Order Completed");
        await world.TrackAsync("cem", "Product Added");
        await world.ImportAsync("cem", "Order Completed");
        await world.PassAsync(Hour + TimeSpan.FromMinutes(1));
        await world.DecideAsync();
        Assert.Equal(["adding held historical", "by-segment held historical"], await world.OfAsync("ann"));
        Assert.Equal(["bought held historical"], await world.OfAsync("ben"));
        Assert.Equal(["adding sent", "bought held historical"], await world.OfAsync("cem"));
    }

    [Fact]
    public async Task NewTrigger_IsSilentAboutWhatWasTrueBefore()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.World.DefineAsync("any", """{"event":"Other"}""");
        world.ForgetCaches();
        await world.TrackAsync("ann", "Product Added");
        await world.PassAsync(2 * Hour);
        await world.PutAsync("cart", TriggerWorld.Cart);
        world.Time.Advance(TimeSpan.FromSeconds(31));
        await world.World.Worker.ScheduleAsync();
        while (world.Store.Receive(QueueName.Segments) is { } message)
        {
            await world.World.Worker.ProcessAsync(message);
            world.Store.Delete(message);
        }

        Assert.Equal("trigger.cart", world.World.SegmentsOf("user_id", "ann"));
        await world.DecideAsync();
        Assert.Empty(world.Decisions());
    }

    [Fact]
    public async Task Every_IsOncePerPersonAndPeriod_ForEachTrigger()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutAsync("seen", """{"event":"Viewed","where":{"properties.category":{"eq":"tents"}}}""", "\"every\":\"7d\"");
        await world.PutAsync("any", """{"event":"Viewed"}""");
        foreach (var category in (string[])["tents", "ropes", "tents"])
            await world.TrackAsync("ann", "Viewed", $$"""{"category":"{{category}}"}""");
        await world.TrackAsync("ben", "Viewed", """{"category":"tents"}""");
        await world.DecideAsync();
        Assert.Equal(["any sent", "any sent", "any sent", "seen held period", "seen sent"], (await world.OfAsync("ann")).Order(StringComparer.Ordinal));
        Assert.Equal(["any sent", "seen sent"], (await world.OfAsync("ben")).Order(StringComparer.Ordinal));
        world.Time.Advance((7 * Day) - TimeSpan.FromMilliseconds(1));
        await world.TrackAsync("ann", "Viewed", """{"category":"tents"}""");
        await world.DecideAsync();
        Assert.Equal(2, (await world.OfAsync("ann")).Count(d => d == "seen sent"));
        await world.CheckAsync();
    }

    [Fact]
    public async Task Caps_HoldOverAllTriggersOfAChannel_InAnyPeriodOfTheirLength()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutChannelAsync("email", """ "caps":[{"count":2,"per":"7d"},{"count":1,"per":"1d"}] """);
        await world.PutChannelAsync("sms", """ "caps":[{"count":1,"per":"7d"}] """);
        await world.PutAsync("a", """{"event":"A"}""", "\"channel\":\"email\"");
        await world.PutAsync("b", """{"event":"B"}""", "\"channel\":\"email\"");
        await world.PutAsync("c", """{"event":"C"}""", "\"channel\":\"sms\"");
        foreach (var name in (string[])["A", "B", "C", "C"])
            await world.TrackAsync("ann", name);
        await world.DecideAsync();
        Assert.Equal(["a sent", "b held cap:email", "c sent", "c held cap:sms"], await world.OfAsync("ann"));
        await world.PassAsync(Day);
        await world.TrackAsync("ann", "B");
        await world.DecideAsync();
        await world.PassAsync(2 * Day);
        await world.TrackAsync("ann", "A");
        await world.DecideAsync();
        Assert.Equal(["b sent", "a held cap:email"], (await world.OfAsync("ann")).TakeLast(2));
        await world.PassAsync(5 * Day);
        await world.TrackAsync("ann", "A");
        await world.DecideAsync();
        Assert.Equal("a sent", (await world.OfAsync("ann"))[^1]);
        await world.CheckAsync();
    }

    [Fact]
    public async Task Consent_OfTheChannelAndOfTheTrigger_IsNeeded_AndAskedAgainWhenItIsSent()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutChannelAsync("email", """ "requireConsent":["marketing"] """);
        await world.PutAsync("a", """{"event":"A"}""", "\"channel\":\"email\",\"requireConsent\":[\"ads\"]");
        await world.TrackAsync("ann", "A");
        await world.IdentifyAsync("ann", """{"consent":{"marketing":true}}""");
        await world.DecideAsync();
        await world.TrackAsync("ann", "A");
        await world.IdentifyAsync("ben", """{"consent":{"ads":true,"marketing":"yes"}}""");
        await world.TrackAsync("ben", "A");
        await world.IdentifyAsync("cem", """{"consent":{"ads":true,"marketing":true}}""");
        await world.TrackAsync("cem", "A");
        await world.DecideAsync();
        Assert.Equal(["a held consent:ads", "a held consent:ads"], await world.OfAsync("ann"));
        Assert.Equal(["a held consent:marketing"], await world.OfAsync("ben"));
        Assert.Equal(["a sent"], await world.OfAsync("cem"));
        Assert.Equal(["marketing", "ads"], Assert.Single(world.Deliveries()).Shape.RequireConsent!);
    }

    [Fact]
    public async Task WhatIsMissingOrTooLate_IsHeld_AndWhatIsDisabledIsSilent()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutChannelAsync("email", "");
        await world.PutAsync("a", """{"event":"A"}""", "\"channel\":\"email\"");
        await world.PutAsync("off", """{"event":"A"}""", "\"enabled\":false");
        await world.PutDestinationAsync("other", enabled: true);

        await world.TrackAsync("ann", "A");
        world.Time.Advance(TriggerLimits.MostAge + Hour);
        await world.DecideAsync();
        await world.Triggers.DeleteChannelAsync("email", _ => { }, CancellationToken.None);
        await world.TrackAsync("ann", "A");
        world.ForgetCaches();
        await world.DecideAsync();
        await world.TrackAsync("ann", "A");
        await world.PutDestinationAsync("crm", enabled: false);
        world.ReplaceDecider();
        await world.DecideAsync();
        await world.PutDestinationAsync("crm", enabled: true);
        world.ForgetCaches();
        await world.TrackAsync("ann", "A");
        await world.PutDestinationAsync("crm", enabled: true, deleted: true);
        world.ReplaceDecider();
        await world.DecideAsync();
        Assert.Equal(["a held too-late", "a held no-channel:email", "a held destination-disabled", "a held no-destination"], await world.OfAsync("ann"));
        Assert.Empty(world.Deliveries());
    }

    [Fact]
    public async Task Segment_EnteredAndExited_AreDifferentTriggers_AndGoneByMeansHeld()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.World.DefineAsync("gold", """{"trait":"plan","eq":"gold"}""");
        await world.PutAsync("in", """{"segment":"gold"}""");
        await world.PutAsync("out", """{"segment":"gold","change":"exited"}""");
        await world.IdentifyAsync("ann", """{"plan":"gold"}""");
        await world.DecideAsync();
        await world.IdentifyAsync("ann", """{"plan":"free"}""");
        await world.DecideAsync();
        Assert.Equal(["in sent", "out sent"], await world.OfAsync("ann"));
        await world.IdentifyAsync("ann", """{"plan":"gold"}""");
        await world.IdentifyAsync("ann", """{"plan":"free"}""");
        await world.IdentifyAsync("ann", """{"plan":"gold"}""");
        await world.DecideAsync();
        Assert.Equal(["in sent", "out held no-longer", "in sent"], (await world.OfAsync("ann")).Skip(2));
        Assert.Equal(["segment-entered", "segment-entered", "segment-entered", "segment-exited"], world.Deliveries().Select(d => d.Cause.Type).Order(StringComparer.Ordinal));
        await world.CheckAsync();
    }

    [Fact]
    public async Task Sequence_OfTwoSteps_FiresWhenTheSecondCame()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutAsync("steps", """{"sequence":[{"event":"A"},{"event":"B"}],"within":"1h"}""");
        await world.TrackAsync("ann", "B");
        await world.TrackAsync("ann", "A");
        await world.TrackAsync("ann", "B");
        await world.DecideAsync();
        Assert.Equal(["steps sent"], await world.OfAsync("ann"));
        Assert.Equal("m3", Assert.Single(world.Deliveries()).Cause.MessageId);
    }

    [Fact]
    public async Task By_FindsTheCartThatIsOpen()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutAsync("cart", """{"sequence":[{"event":"Product Added"},{"not":{"event":"Order Completed"}}],"within":"1h","by":"properties.cart"}""");
        await world.TrackAsync("ann", "Product Added", """{"cart":"one"}""");
        await world.TrackAsync("ann", "Product Added", """{"cart":"two"}""");
        await world.TrackAsync("ann", "Order Completed", """{"cart":"two"}""");
        await world.PassAsync(Hour + TimeSpan.FromMinutes(1));
        await world.DecideAsync();
        Assert.Equal("m1", Assert.Single(world.Deliveries()).Cause.MessageId);
    }

    [Fact]
    public async Task QuietHours_PutTheDecisionOff_AndThenEverythingIsAskedAnew()
    {
        var world = await TriggerWorld.CreateAsync();
        // It is ten past six in Berlin.
        await world.PutChannelAsync("email", """ "quietHours":{"hours":{"from":"21:00","to":"08:00"},"timeZone":"Europe/Berlin"} """);
        await world.PutAsync("a", """{"event":"A"}""", "\"channel\":\"email\"");
        await world.World.DefineAsync("gold", """{"trait":"plan","eq":"gold"}""");
        await world.PutAsync("gold", """{"segment":"gold"}""", "\"channel\":\"email\"");
        await world.TrackAsync("ann", "A");
        await world.IdentifyAsync("ben", """{"plan":"gold"}""");
        await world.DecideAsync();
        await world.DecideAsync();
        Assert.Equal("waiting quiet-hours:email", Assert.Single((await world.LogAsync("a")).Select(d => $"{d.Outcome} {d.Reason}")));
        Assert.Empty(world.Decisions());
        await world.IdentifyAsync("ben", """{"plan":"free"}""");
        world.Time.Advance(TimeSpan.FromHours(2));
        await world.DecideAsync();
        Assert.Equal(["a sent"], await world.OfAsync("ann"));
        Assert.Equal(["gold held no-longer"], await world.OfAsync("ben"));
        await world.CheckAsync();
    }

    [Fact]
    public async Task Merge_CountsWhatBothWereSent_AndDecidesAboutALosersChangeOnce()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutChannelAsync("email", """ "caps":[{"count":3,"per":"7d"}] """);
        await world.PutAsync("a", """{"event":"A"}""", "\"channel\":\"email\"");
        await world.PutAsync("once", """{"event":"B"}""", "\"every\":\"30d\"");
        foreach (var (user, type) in ((string, string)[])[("ann", "userId"), ("x1", "anonymousId")])
            await world.TrackAsync(user, "A", type: type);
        await world.TrackAsync("x1", "B", type: "anonymousId");
        var changes = world.Store.Messages(QueueName.Deliveries).Select(m => m.Body).ToList();
        await world.DecideAsync();
        await world.World.SettleAsync("""{"type":"identify","messageId":"link","userId":"ann","anonymousId":"x1"}""");
        var merged = Assert.Single(world.World.Live());
        Assert.Single(merged.Merges);
        // What was decided before comes again, under an id that is gone.
        foreach (var change in changes)
            await world.Decider.ProcessAsync(change);
        Assert.Equal(3, world.Decisions().Count);
        foreach (var name in (string[])["A", "A", "B"])
            await world.TrackAsync("ann", name);
        await world.DecideAsync();
        Assert.Equal(["a sent", "a sent", "once sent", "a sent", "a held cap:email", "once held period"], await world.OfAsync("ann"));
        await world.CheckAsync();
    }

    [Fact]
    public async Task MergeUnderWay_IsWaitedFor()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutAsync("cart", TriggerWorld.Cart);
        await world.TrackAsync("x1", "Product Added", type: "anonymousId");
        await world.TrackAsync("ann", "Other");
        await world.PassAsync(Hour + TimeSpan.FromMinutes(1));
        // The other half of the person bought: only the two together tell.
        await world.TrackAsync("ann", "Order Completed");
        await world.World.SendAsync(WorldExtensions.Batch("""{"type":"identify","messageId":"link","userId":"ann","anonymousId":"x1"}"""));
        while (world.Store.Receive(QueueName.Events) is { } message)
            await world.World.DeliverAsync(message);
        Assert.NotEmpty(world.Store.Messages(QueueName.Merges));
        var merge = world.Store.Receive(QueueName.Merges)!;
        // Up to the copying of events.
        var crashed = false;
        world.Store.Before = call =>
        {
            if (crashed || call.Operation != Storage.StoreOperation.Commit || !call.Keys.Any(k => k.StartsWith("e|", StringComparison.Ordinal)))
                return Task.CompletedTask;
            crashed = true;
            throw new Storage.SimulatedCrashException(call);
        };
        await world.World.DeliverAsync(merge);
        world.Store.Before = null;
        Assert.True(crashed);
        await world.DecideAsync();
        Assert.Empty(world.Decisions());
        Assert.Contains(world.Store.Messages(QueueName.Deliveries), m => m.Body.Contains("\"postponed\":1", StringComparison.Ordinal));
        await world.World.DrainAsync();
        await world.PassAsync(SegmentUpdater.Postponement + TimeSpan.FromSeconds(1));
        await world.DecideAsync();
        Assert.Equal(["cart held no-longer"], await world.OfAsync("ann"));
    }

    [Fact]
    public async Task Erase_LeavesNothingOfThePerson_WhereverItStops()
    {
        for (var call = 1; ; call++)
        {
            var world = await TriggerWorld.CreateAsync();
            await world.PutAsync("a", """{"event":"A"}""");
            await world.PutAsync("b", """{"event":"A"}""");
            await world.TrackAsync("ann", "A");
            await world.TrackAsync("ben", "A");
            await world.DecideAsync();
            var (first, hit) = (world.Store.Calls, false);
            world.Store.Before = seen =>
            {
                if (hit || seen.Number != first + call)
                    return Task.CompletedTask;
                hit = true;
                throw new Storage.SimulatedCrashException(seen);
            };
            var log = new TriggerLog(world.Store);
            var ann = world.IdOf("ann");
            if (await Record.ExceptionAsync(() => log.EraseAsync(ann, CancellationToken.None)) is not null)
                await log.EraseAsync(ann, CancellationToken.None);
            world.Store.Before = null;
            Assert.DoesNotContain(world.Store.Snapshot(), r => r.Table == TableName.Triggers && r.Key.Contains(ann.Value, StringComparison.Ordinal));
            Assert.Equal(["a sent", "b sent"], (await world.OfAsync("ben")).Order(StringComparer.Ordinal));
            if (!hit)
                return;
        }
    }

    [Fact]
    public async Task Purge_RemovesWhatIsOld_AndAllOfADeletedTrigger()
    {
        var world = await TriggerWorld.CreateAsync();
        await world.PutAsync("a", """{"event":"A"}""");
        await world.PutAsync("cart", TriggerWorld.Cart);
        await world.TrackAsync("ann", "A");
        await world.DecideAsync();
        world.Time.Advance(TriggerLimits.Retention + Day);
        await world.TrackAsync("ann", "A");
        await world.DecideAsync();
        var purge = new TriggerPurge(world.Triggers, new TriggerLog(world.Store), world.Time);
        await purge.RunAsync(CancellationToken.None);
        Assert.Single(world.Decisions());
        Assert.Single(await world.LogAsync("a"));
        foreach (var id in (string[])["a", "cart"])
            await world.Triggers.DeleteAsync(id, _ => { }, CancellationToken.None);
        Assert.DoesNotContain(world.Store.Snapshot(), r => r.Key == "s|trigger.cart");
        await purge.RunAsync(CancellationToken.None);
        Assert.Single(world.Decisions());
        world.Time.Advance(5 * Day);
        await purge.RunAsync(CancellationToken.None);
        Assert.Empty(world.Decisions());
        Assert.Empty(await world.Triggers.AllAsync(CancellationToken.None));
    }
}
