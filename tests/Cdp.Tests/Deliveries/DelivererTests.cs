using System.Text.Json;
using Cdp.Deliveries;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Storage;
using Cdp.Tests.Issues;

namespace Cdp.Tests.Deliveries;

public sealed class DelivererTests
{
    private const string Identify = """{"type":"identify","messageId":"i1","userId":"ann","traits":{"email":"ann@mail.test","plan":"free"},"timestamp":"2026-03-01T00:00:01Z"}""";

    [Fact]
    public async Task NoSubscription_NothingIsWrittenByACommit()
    {
        var world = await DeliveryWorld.CreateAsync(1, false, new Subscription(SubscriptionOn.Event, Events: ["Ordered"]));
        await world.World.SettleAsync(Identify);
        Assert.Empty(world.Store.Messages(QueueName.Deliveries));
    }

    [Fact]
    public async Task Profile_ThatChanged_NamesItsTraits_AndOnlyWhoAskedForThemIsTold()
    {
        var world = await DeliveryWorld.CreateAsync(1, false, new Subscription(SubscriptionOn.Profile, Traits: ["plan"]));
        await world.World.SettleAsync(Identify);
        await world.World.SettleAsync("""{"type":"identify","messageId":"i2","userId":"ann","traits":{"city":"Bonn"},"timestamp":"2026-03-01T00:00:02Z"}""");
        await world.World.SettleAsync("""{"type":"identify","messageId":"i3","userId":"ann","traits":{"plan":"free"},"timestamp":"2026-03-01T00:00:03Z"}""");
        var changes = world.Store.Messages(QueueName.Deliveries).Select(m => Change.Parse(m.Body)).ToList();
        Assert.Equal(["email plan", "city"], changes.Select(c => string.Join(' ', c.Traits!)));
        await world.DrainAsync();
        var sent = Assert.Single(world.Type.Requests.SelectMany(r => r));
        Assert.Equal("""{"plan":"free"}""", sent.Payload.GetProperty("profile").GetProperty("traits").GetRawText());
    }

    [Fact]
    public async Task Consent_Missing_Holds_AndARedriveAfterItWasGivenSends()
    {
        var world = await DeliveryWorld.CreateAsync(1, false, new Subscription(SubscriptionOn.Event, Events: ["Ordered"], RequireConsent: ["marketing"]));
        await world.World.SettleAsync(Identify);
        await world.World.SettleAsync("""{"type":"track","event":"Ordered","messageId":"t1","userId":"ann","timestamp":"2026-03-01T00:00:02Z"}""");
        await world.DrainAsync();
        var held = Assert.Single(world.Deliveries());
        Assert.Equal((DeliveryState.Held, "consent:marketing"), (held.State, held.HeldBecause));
        Assert.Empty(world.Type.Requests);
        Assert.Equal(0, world.Pending());

        await world.World.SettleAsync("""{"type":"identify","messageId":"i2","userId":"ann","traits":{"consent":{"marketing":true}},"timestamp":"2026-03-01T00:00:03Z"}""");
        Assert.True(await world.Worker.Redriver.RedriveAsync(DeliveryWorld.Id, held.Id, CancellationToken.None));
        await world.DrainAsync();
        Assert.Equal(held.Key, Assert.Single(world.Type.Requests)[0].Key);
        Assert.Equal(DeliveryState.Delivered, Assert.Single(world.Deliveries()).State);
    }

    [Theory]
    [InlineData(SendStatus.Refused, 400, 1)]
    [InlineData(SendStatus.Retry, 503, 20)]
    public async Task Refusal_IsFinal_AndAnOutageIsTriedForADay_ThenBothAreVisiblyDead(SendStatus status, int code, int least)
    {
        var world = await DeliveryWorld.CreateAsync();
        world.Type.Answer = _ => ScriptedDestination.Result(status, code);
        await world.World.SettleAsync("""{"type":"track","event":"Ordered","messageId":"t1","userId":"ann","timestamp":"2026-03-01T00:00:02Z"}""");
        var began = world.World.Time.GetUtcNow();
        await world.DrainAsync();
        var dead = Assert.Single(world.Deliveries());
        Assert.Equal((DeliveryState.Dead, 0), (dead.State, world.Pending()));
        Assert.InRange(world.Type.Requests.Count, least, status == SendStatus.Refused ? 1 : 60);
        var took = world.World.Time.GetUtcNow() - began;
        Assert.InRange(took, TimeSpan.Zero, TimeSpan.FromHours(25));
        if (status == SendStatus.Retry)
            Assert.InRange(took, TimeSpan.FromHours(20), TimeSpan.FromHours(25));
        Assert.Equal(code, dead.Attempts[^1].Status);
        // Delays grow.
        var gaps = dead.Attempts.Zip(dead.Attempts.Skip(1), (a, b) => b.At.Milliseconds - a.At.Milliseconds).ToList();
        Assert.All(gaps, gap => Assert.InRange(gap, 1_000, 5_000_000));

        world.Type.Answer = _ => ScriptedDestination.Result(SendStatus.Delivered, 200);
        await world.Worker.Redriver.BeginAsync(DeliveryWorld.Id, DeliveryState.Dead, new Instant(0), Instant.Now(world.World.Time).Plus(TimeSpan.FromDays(1)), CancellationToken.None);
        await world.DrainAsync();
        Assert.Equal(DeliveryState.Delivered, Assert.Single(world.Deliveries()).State);
        Assert.Single(world.Type.Requests.SelectMany(r => r).Select(o => o.Key).Distinct());
    }

    [Fact]
    public async Task RetryAfter_IsWaitedFor_AlsoByTheOthersOfTheDestination()
    {
        var world = await DeliveryWorld.CreateAsync();
        var asked = new List<DateTimeOffset>();
        world.Type.Answer = _ =>
        {
            asked.Add(world.World.Time.GetUtcNow());
            return asked.Count == 1 ? ScriptedDestination.Result(SendStatus.Throttled, 429, TimeSpan.FromMinutes(7)) : ScriptedDestination.Result(SendStatus.Delivered, 200);
        };
        await world.World.SettleAsync("""{"type":"track","event":"A","messageId":"t1","userId":"ann"}""", """{"type":"track","event":"B","messageId":"t2","userId":"ann"}""");
        await world.DrainAsync();
        Assert.Equal(3, asked.Count);
        Assert.All(asked.Skip(1), at => Assert.True(at - asked[0] >= TimeSpan.FromMinutes(7)));
        Assert.All(world.Deliveries(), d => Assert.Equal(DeliveryState.Delivered, d.State));
    }

    [Fact]
    public async Task Batch_ThatIsRefused_GoesOneByOne_AndOnlyTheBadOneDies()
    {
        var world = await DeliveryWorld.CreateAsync(batchSize: 10);
        world.Type.Answer = batch => batch.Any(o => o.View.GetProperty("event").GetProperty("event").GetString() == "Bad")
            ? ScriptedDestination.Result(SendStatus.Refused, 400) : ScriptedDestination.Result(SendStatus.Delivered, 200);
        await world.World.SettleAsync(
            """{"type":"track","event":"A","messageId":"t1","userId":"ann"}""", """{"type":"track","event":"Bad","messageId":"t2","userId":"ann"}""",
            """{"type":"track","event":"C","messageId":"t3","userId":"ann"}""");
        await world.DrainAsync();
        Assert.Equal(["Dead t2", "Delivered t1", "Delivered t3"], world.Deliveries().Select(d => $"{d.State} {d.Cause.MessageId}").Order());
    }

    [Fact]
    public async Task State_SendsWhatChanged_AndWhatIsGoneAsNull()
    {
        var mapping = JsonDocument.Parse("""{"plan":{"path":"profile.traits.plan"},"mail":{"path":"profile.identifiers.email[0]"},"city":{"path":"profile.traits.city"}}""").RootElement;
        var world = await DeliveryWorld.CreateAsync(1, isState: true, new Subscription(SubscriptionOn.Profile, Mapping: mapping));
        await world.World.SettleAsync(Identify);
        await world.DrainAsync();
        await world.World.SettleAsync("""{"type":"identify","messageId":"i2","userId":"ann","traits":{"plan":"pro","other":1},"timestamp":"2026-03-02T00:00:02Z"}""");
        await world.DrainAsync();
        await world.World.SettleAsync("""{"type":"identify","messageId":"i3","userId":"ann","traits":{"other":2},"timestamp":"2026-03-02T00:00:03Z"}""");
        await world.DrainAsync();
        await world.World.SettleAsync("""{"type":"identify","messageId":"i4","userId":"ann","traits":{"plan":null},"timestamp":"2026-03-02T00:00:04Z"}""");
        await world.DrainAsync();
        Assert.Equal(
            ["mail,plan", "plan", "plan"],
            world.Type.Requests.Select(r => string.Join(',', r[0].Changed!.Order())));
        Assert.Equal(JsonValueKind.Null, world.Type.Requests[2][0].Payload.GetProperty("plan").ValueKind);
        Assert.Equal(4, world.Deliveries().Count(d => d.State == DeliveryState.Delivered));
    }

    [Fact]
    public async Task State_TwoAboutOneProfileAtOnce_AreSentOneAfterTheOther()
    {
        var mapping = JsonDocument.Parse("""{"plan":{"path":"profile.traits.plan"}}""").RootElement;
        var world = await DeliveryWorld.CreateAsync(1, isState: true, new Subscription(SubscriptionOn.Profile, Mapping: mapping));
        await world.World.SettleAsync(Identify, """{"type":"identify","messageId":"i2","userId":"ann","traits":{"plan":"max"},"timestamp":"2026-03-02T00:00:02Z"}""");
        await world.World.SettleAsync("""{"type":"identify","messageId":"i3","userId":"ann","traits":{"plan":"pro"},"timestamp":"2026-03-02T00:00:03Z"}""");
        // Plans both; each is a message of its own now.
        var planned = world.Store.Messages(QueueName.Deliveries).Count;
        for (var i = 0; i < planned; i++)
        {
            var change = world.Store.Receive(QueueName.Deliveries)!;
            await world.Worker.ProcessAsync(change.Body);
            world.Store.Delete(change);
        }

        Assert.True(world.Pending() > 1);
        var second = Task.CompletedTask;
        int? sentMeanwhile = null;
        world.Type.Hook = over =>
        {
            if (over || sentMeanwhile is not null)
                return;
            // While the first is being sent.
            sentMeanwhile = 0;
            var other = world.Store.Receive(QueueName.Deliveries)!;
            second = world.Worker.ProcessAsync(other.Body);
            sentMeanwhile = world.Type.Requests.Count;
            world.Store.Delete(other);
        };
        await world.DrainAsync();
        await second;

        Assert.Equal(0, sentMeanwhile);
        Assert.Single(world.Type.Requests);
        Assert.All(world.Deliveries(), d => Assert.Equal(DeliveryState.Delivered, d.State));
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 1)]
    public async Task Import_IsNotTold_ButToWhoMirrorsPersons(bool isState, int told)
    {
        var world = await DeliveryWorld.CreateAsync(1, isState, new Subscription(SubscriptionOn.Event));
        await world.World.Worker.CollectAsync("""{"batch":[{"type":"track","event":"A","messageId":"t1","userId":"ann"}]}""", historical: true);
        await world.World.DrainAsync();
        await world.DrainAsync();
        Assert.Equal(told, world.Deliveries().Count);
    }

    [Fact]
    public async Task Type_ThatThrows_IsTriedAgain_AndSaysSo()
    {
        var world = await DeliveryWorld.CreateAsync();
        var calls = 0;
        world.Type.Answer = _ => ++calls == 1 ? throw new InvalidOperationException("secret") : ScriptedDestination.Result(SendStatus.Delivered, 200);
        await world.World.SettleAsync("""{"type":"track","event":"A","messageId":"t1","userId":"ann"}""");
        await world.DrainAsync();
        var delivery = Assert.Single(world.Deliveries());
        Assert.Equal((DeliveryState.Delivered, "It could not be sent: InvalidOperationException."), (delivery.State, delivery.Attempts[0].Error));
    }

    [Fact]
    public async Task Profile_ThatIsGone_IsNotSpokenOf()
    {
        var world = await DeliveryWorld.CreateAsync();
        await world.World.SettleAsync("""{"type":"track","event":"A","messageId":"t1","userId":"ann"}""");
        foreach (var row in world.Store.Snapshot().Where(r => r.Table == TableName.Profiles))
            await world.Store.CommitAsync(TableName.Profiles, row.Partition, [RowWrite.Delete(row.Key)], CancellationToken.None);
        await world.DrainAsync();
        Assert.Empty(world.Type.Requests);
        Assert.Empty(world.Deliveries());
    }

    [Fact]
    public async Task Request_OfAnotherPartOfTheApp_IsPlannedOnce_SentLater_OrHeldWithItsReason()
    {
        var world = await DeliveryWorld.CreateAsync();
        await world.World.SettleAsync(Identify);
        await world.DrainAsync();
        world.Type.Requests.Clear();
        var profile = Assert.Single(world.World.Owners("user_id", "ann"));
        var request = new DeliveryRequest(
            DeliveryWorld.Id, "cart:ann:1", profile.Id, profile.Version, Instant.Now(world.World.Time), new DeliveryCause("trigger"), new DeliveryShape(Traits: ["plan"]))
        {
            Delay = TimeSpan.FromHours(1),
        };
        var id = await world.Worker.Planner.PlanAsync(request, CancellationToken.None);
        Assert.Equal(id, await world.NewWorker().Planner.PlanAsync(request, CancellationToken.None));
        await world.Worker.Planner.PlanAsync(request with { Key = "cart:ann:2", HeldBecause = "cap:email" }, CancellationToken.None);
        var began = world.World.Time.GetUtcNow();
        await world.DrainAsync();
        Assert.True(world.World.Time.GetUtcNow() - began >= TimeSpan.FromHours(1));
        Assert.Equal("cart:ann:1", Assert.Single(world.Type.Requests)[0].Key);
        Assert.Contains(world.Deliveries(), d => d is { State: DeliveryState.Held, HeldBecause: "cap:email" });
    }

    [Fact]
    public async Task Purge_RemovesWhatIsOldAndDone_AndAllOfADeletedDestination()
    {
        var world = await DeliveryWorld.CreateAsync();
        await world.World.SettleAsync("""{"type":"track","event":"A","messageId":"t1","userId":"ann"}""");
        await world.DrainAsync();
        await world.Worker.Purge.RunAsync(CancellationToken.None);
        Assert.Single(world.Deliveries());
        world.World.Time.Advance(TimeSpan.FromDays(31));
        await world.World.SettleAsync("""{"type":"track","event":"A","messageId":"t2","userId":"ann"}""");
        await world.DrainAsync();
        await world.Worker.Purge.RunAsync(CancellationToken.None);
        Assert.Equal("t2", Assert.Single(world.Deliveries()).Cause.MessageId);

        await new DestinationStore(world.Store).ChangeAsync(
            DeliveryWorld.Id, (present, _) => Task.FromResult(present! with { DeletedAt = Instant.Now(world.World.Time), Subscriptions = [] }), CancellationToken.None);
        await world.Worker.Purge.RunAsync(CancellationToken.None);
        Assert.DoesNotContain(world.Store.Snapshot(), r => r.Table == TableName.Deliveries);
        world.World.Time.Advance(TimeSpan.FromHours(2));
        await world.Worker.Purge.RunAsync(CancellationToken.None);
        Assert.DoesNotContain(world.Store.Snapshot(), r => r is { Table: TableName.Config, Partition: "destinations" });
    }

    [Fact]
    public void Id_IsTheSameForTheSameKey_AndTellsItsTime()
    {
        var at = new Instant(1_772_600_767_123);
        var id = Delivery.IdOf("crm", "vip:prf_1:7", at);
        Assert.Equal(id, Delivery.IdOf("crm", "vip:prf_1:7", at));
        Assert.NotEqual(id, Delivery.IdOf("crm", "vip:prf_1:8", at));
        Assert.NotEqual(id, Delivery.IdOf("other", "vip:prf_1:7", at));
        Assert.Equal(at, Delivery.TimeOf(id));
        Assert.True(Ids.IdGenerator.IsId(id, Delivery.IdPrefix));
    }
}
