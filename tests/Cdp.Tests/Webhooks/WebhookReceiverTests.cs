using System.Text;
using System.Text.Json;
using Cdp.Problems;
using Cdp.Secrets;
using Cdp.Sources;
using Cdp.Tests.Collect;
using Cdp.TrackingPlans;
using Cdp.Webhooks;

namespace Cdp.Tests.Webhooks;

public sealed class WebhookReceiverTests
{
    private const string Setting = "Cdp:Secrets:SHOP";

    private readonly Dictionary<string, string?> settings = new(StringComparer.Ordinal) { ["Cdp:AdminKey"] = "not for sources" };

    [Fact]
    public async Task Secret_ComesFromItsSetting_AndASettingThatIsMissingLetsNobodyIn()
    {
        var harness = Harness(new StoredSecret(null, "SHOP", DateTimeOffset.UnixEpoch), """{"events":[{"event":"E","userId":"$.u"}]}""");
        Assert.Equal(ProblemType.InvalidSignature, await RefusalAsync(harness, """{"u":"1"}""", "Bearer "));
        settings[Setting] = "one";
        Assert.Equal(1, (await ReceiveAsync(harness, """{"u":"1"}""", "Bearer one")).Accepted);
        Assert.Equal(ProblemType.InvalidSignature, await RefusalAsync(harness, """{"u":"1"}""", "Bearer two"));
    }

    [Fact]
    public async Task WrongSecret_LooksForANewerSource_AtMostOnceASecond()
    {
        var harness = Harness(new StoredSecret("one", null, DateTimeOffset.UnixEpoch), """{"events":[{"event":"E","userId":"$.u"}]}""");
        await ReceiveAsync(harness, """{"u":"1"}""", "Bearer one");
        await new SourceStore(harness.Rows).PutAsync(Source(new StoredSecret("two", null, DateTimeOffset.UnixEpoch), """{"events":[{"event":"E","userId":"$.u"}]}"""), PutCondition.None, default);
        harness.Time.Advance(TimeSpan.FromMilliseconds(10));
        var waiting = ReceiveAsync(harness, """{"u":"1"}""", "Bearer two");
        var guessing = Task.WhenAll(Enumerable.Range(0, 20).Select(i => RefusalAsync(harness, """{"u":"1"}""", "Bearer guess" + i)));
        Assert.False(waiting.IsCompleted);
        Assert.False(guessing.IsCompleted);
        // Nobody who is right waits for those who are wrong.
        Assert.Equal(1, (await ReceiveAsync(harness, """{"u":"2"}""", "Bearer one")).Accepted);
        while (!waiting.IsCompleted || !guessing.IsCompleted)
        {
            harness.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        Assert.Equal(1, (await waiting).Accepted);
        Assert.All(await guessing, type => Assert.Equal(ProblemType.InvalidSignature, type));
    }

    [Fact]
    public async Task SamePayload_GivesTheSameMessages()
    {
        var harness = Harness(new StoredSecret("one", null, DateTimeOffset.UnixEpoch), """{"events":[{"name":"r","forEach":"$.list","event":"E","userId":"@"}]}""");
        await ReceiveAsync(harness, """{"list":["a","b"]}""", "Bearer one");
        harness.Time.Advance(TimeSpan.FromMinutes(1));
        await ReceiveAsync(harness, """{"list":["a","b"]}""", "Bearer one");
        var stored = (await harness.StoredAsync()).ConvertAll(text => Cdp.Events.Event.Parse(Encoding.UTF8.GetBytes(text)));
        Assert.Equal(4, stored.Count);
        Assert.Equal((stored[0].MessageKey, stored[0].ContentHash), (stored[2].MessageKey, stored[2].ContentHash));
        Assert.NotEqual(stored[0].MessageKey, stored[1].MessageKey);
    }

    [Fact]
    public async Task Events_PassTheTrackingPlan_AndThePreviewCountsNothing()
    {
        var plan = new TrackingPlan(PlanAction.Block, PlanAction.Block, [new PlannedEvent("Known", null, [])]);
        var source = Source(new StoredSecret("one", null, DateTimeOffset.UnixEpoch), """{"events":[{"name":"r","event":"$.name","userId":"$.u"}]}""") with { TrackingPlan = plan };
        var harness = new CollectorHarness(source);
        var receiver = Receiver(harness);
        var payload = JsonDocument.Parse("""{"name":"Unknown","u":"1"}""").RootElement;
        var preview = await receiver.PreviewAsync(source, null, payload, new Dictionary<string, string>(), default);
        var (rule, rejection) = Assert.Single(preview.Rejected);
        Assert.Equal(("r", 0, ProblemType.InvalidField), (rule, rejection.Index, rejection.Type));
        Assert.Empty(await harness.StoredAsync());
        Assert.Equal(ProblemType.InvalidField, await RefusalAsync(harness, """{"name":"Unknown","u":"1"}""", "Bearer one"));
        Assert.Equal(1, (await ReceiveAsync(harness, """{"name":"Known","u":"1"}""", "Bearer one")).Accepted);
    }

    [Fact]
    public async Task Preview_IsWhatIsStoredThen()
    {
        var harness = Harness(new StoredSecret("one", null, DateTimeOffset.UnixEpoch), """{"preset":"sendgrid"}""");
        var body = Fixtures.Read("sendgrid");
        var preview = await Receiver(harness).PreviewAsync(harness.Source, null, JsonDocument.Parse(body).RootElement, new Dictionary<string, string>(), default);
        Assert.Equal(3, (await ReceiveAsync(harness, body, "Bearer one")).Accepted);
        Assert.Equal(await harness.StoredAsync(), preview.Events.Select(item => Encoding.UTF8.GetString(item.Json.Span)));
    }

    [Fact]
    public void Secret_IsInNoTextOfTheSource()
    {
        var source = Source(new StoredSecret("do-not-tell", null, DateTimeOffset.UnixEpoch), """{"preset":"shopify"}""");
        Assert.DoesNotContain("do-not-tell", source.ToString());
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
            SourceDocument.Write(json, source);
        Assert.DoesNotContain("do-not-tell", Encoding.UTF8.GetString(stream.ToArray()));
    }

    [Fact]
    public void Settings_AreReadBelowTheirPrefixOnly()
    {
        foreach (var name in new[] { "", "1A", "A:B", "A__B C", "../x", ":AdminKey" })
            Assert.False(SecretSettings.IsName(name));
        var body = JsonDocument.Parse("""{"signature":{"scheme":"bearer","secret":{"setting":"A:B"}}}""").RootElement;
        Assert.Equal("signature.secret.setting", Assert.Single(Assert.Throws<ProblemException>(() => SourceDocument.Read("web", body, null, default)).Problem.Errors!).Path);
    }

    private static Source Source(StoredSecret secret, string mapping) =>
        new("web", "Shop", "webhook", true, [], Mapping: Fixtures.Mapping(mapping), Signature: new WebhookSignature(WebhookSignature.Bearer, secret));

    private static CollectorHarness Harness(StoredSecret secret, string mapping) => new(Source(secret, mapping));

    private readonly System.Runtime.CompilerServices.ConditionalWeakTable<CollectorHarness, WebhookReceiver> receivers = [];

    private WebhookReceiver Receiver(CollectorHarness harness) => receivers.GetValue(harness, made => new WebhookReceiver(
        new SourceRegistry(new SourceStore(made.Rows), made.Time), made.Collector, new SecretSettings(name => settings.GetValueOrDefault(name)), made.Time));

    private Task<Cdp.Collect.Collected> ReceiveAsync(CollectorHarness harness, string body, string authorization) => Receiver(harness).ReceiveAsync(
        new WebhookCall("web", "POST", "https://cdp.example/v1/webhooks/web", Encoding.UTF8.GetBytes(body), new Dictionary<string, string>(), authorization), default);

    private async Task<ProblemType> RefusalAsync(CollectorHarness harness, string body, string authorization) =>
        (await Assert.ThrowsAsync<ProblemException>(() => ReceiveAsync(harness, body, authorization))).Problem.Type;
}
