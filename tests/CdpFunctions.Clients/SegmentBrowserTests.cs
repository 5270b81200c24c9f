using System.Text.Json;
using Xunit;

namespace CdpFunctions.Clients;

/// <summary>@segment/analytics-next, as it comes from npm, in Chromium, on a page of another origin.</summary>
[Collection(ClientTests.Name)]
public sealed class SegmentBrowserTests(ClientApp app, Chromium chromium)
{
    private const string Query = "?utm_source=news&utm_medium=email&utm_campaign=spring%20sale&q=a%2Bb";

    [Fact]
    public async Task EveryCall_WithAnAnswerLost_IsOnTheTimelineOnceAndWhole()
    {
        var tracks = 0;
        await using var gateway = await app.GatewayAsync(request =>
            request is { Method: "POST", Path.Value: "/v1/t" } && Interlocked.Increment(ref tracks) == 2 ? Fate.LoseAnswer : Fate.Pass);
        await using var site = await SiteAsync(gateway, "");
        await using var visitor = await chromium.VisitorAsync();
        var page = await visitor.OpenAsync($"{site.Address}/shop/shoes{Query}");

        var anonymousId = await page.EvaluateAsync<string>("""
            async () => {
              await analytics.page();
              await analytics.track('Product Viewed', { price: 0.1, huge: 1e21, tags: ['\u{1F6CD}', null, [[]]], 'a.b/c': { '': '\u0000' } });
              await analytics.identify('segment-browser', { email: 'Browser@Example.org', plan: 'gold' });
              await analytics.screen('Cart', { items: 3 });
              await analytics.group('acme', { name: 'Acme' });
              await analytics.alias('segment-browser', 'segment-browser-before');
              await analytics.track('Order Completed', { revenue: 49.95 }, { context: { locale: 'en-GB', custom: { deep: [1] } } });
              return (await analytics.user()).anonymousId();
            }
            """);
        await gateway.WaitForRepeatedAsync("X-Retry-Count");
        var strangerId = await page.EvaluateAsync<string>("""
            async () => {
              await analytics.reset();
              await analytics.track('Visited');
              return (await analytics.user()).anonymousId();
            }
            """);
        var sent = await gateway.WaitForEventsAsync(8);
        visitor.AssertAtHomeAndWell();

        Assert.Equal(9, sent.Count);
        Assert.Equal(["alias", "group", "identify", "page", "screen", "track"], sent.Select(static e => e.Type).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        var stranger = sent.Where(static e => e.Json.TryGetProperty("event", out var name) && name.GetString() == "Visited").ToList();
        await app.AssertTimelineAsync("user_id:segment-browser", sent.Except(stranger));
        await app.AssertTimelineAsync($"anonymous_id:{strangerId}", stranger);

        var profile = await app.ProfileAsync("user_id:segment-browser");
        Assert.Equal("""{"email":"Browser@Example.org","plan":"gold"}""", profile.GetProperty("traits").GetRawText());
        Assert.Equal(
            JsonSerializer.Serialize(new
            {
                user_id = new[] { "segment-browser" },
                email = new[] { "browser@example.org" },
                anonymous_id = new[] { anonymousId, "segment-browser-before" }.Order(StringComparer.Ordinal),
            }),
            Identifiers.Of(profile));
        Assert.False((await app.ProfileAsync($"anonymous_id:{strangerId}")).GetProperty("identified").GetBoolean());

        // The app's own origin, not the page's, answered every call of the page.
        Assert.All(gateway.Received, r => Assert.Equal(site.Address, r.Headers.Origin));
        var viewed = (await app.TimelineAsync("user_id:segment-browser")).Single(static e => e.GetProperty("type").GetString() == "page").GetProperty("context");
        Assert.Equal("127.0.0.1", viewed.GetProperty("ip").GetString());
        Assert.Equal("de-AT", viewed.GetProperty("locale").GetString());
        Assert.Equal("Europe/Vienna", viewed.GetProperty("timezone").GetString());
        Assert.Equal("""{"source":"news","medium":"email","name":"spring sale"}""", viewed.GetProperty("campaign").GetRawText());
        Assert.Equal("/shop/shoes", viewed.GetProperty("page").GetProperty("path").GetString());
        Assert.Equal(Query, viewed.GetProperty("page").GetProperty("search").GetString());
        Assert.Equal("Schöne Schuhe", viewed.GetProperty("page").GetProperty("title").GetString());
        Assert.Equal(await page.EvaluateAsync<string>("navigator.userAgent"), viewed.GetProperty("userAgent").GetString());
    }

    [Fact]
    public async Task RepeatedAfterTheLogin_WhenTheClientAddsTheUserId_IsStillTheSameEvent()
    {
        var tracks = 0;
        await using var gateway = await app.GatewayAsync(request =>
            request is { Method: "POST", Path.Value: "/v1/t" } && Interlocked.Increment(ref tracks) == 1 ? Fate.LoseAnswer : Fate.Pass);
        await using var site = await SiteAsync(gateway, "");
        await using var visitor = await chromium.VisitorAsync();
        var page = await visitor.OpenAsync(site.Address + "/login");

        await page.EvaluateAsync("""
            async () => {
              await analytics.track('Login Form Sent');
              await analytics.identify('segment-login');
            }
            """);
        await gateway.WaitForRepeatedAsync("X-Retry-Count");
        visitor.AssertAtHomeAndWell();

        var tracked = gateway.Events.Where(static e => e.Type == "track").Select(static e => e.Json.GetProperty("userId").GetString());
        Assert.Equal([null, "segment-login"], tracked);
        await app.AssertTimelineAsync("user_id:segment-login", gateway.Events);
    }

    [Fact]
    public async Task Batches_AndWhatAPageSendsWhenItIsLeft_AreOnTheTimelineOnceAndWhole()
    {
        await using var gateway = await app.GatewayAsync();
        await using var site = await SiteAsync(
            gateway, ", { integrations: { 'Segment.io': { deliveryStrategy: { strategy: 'batching', config: { size: 10, timeout: 60000 } } } } }");
        await using var visitor = await chromium.VisitorAsync();
        var page = await visitor.OpenAsync($"{site.Address}/shop/shoes{Query}");

        await page.EvaluateAsync("""
            async () => {
              await analytics.page('Docs', 'Start', { version: 2 });
              await analytics.identify('segment-batches', { email: 'batches@example.org' });
              await analytics.screen('Cart');
              await analytics.group('acme', { name: 'Acme' });
              await analytics.alias('segment-batches', 'segment-batches-before');
              for (let n = 0; n < 8; n++) await analytics.track('Counted', { n });
            }
            """);
        Assert.Equal(10, (await gateway.WaitForEventsAsync(10)).Count);
        await page.GotoAsync(site.Address + "/imprint");
        var sent = await gateway.WaitForEventsAsync(13);
        visitor.AssertAtHomeAndWell();

        Assert.Equal(["POST /v1/b 200", "POST /v1/b 200"], gateway.Received.Where(static r => r.Method == "POST").Select(static r => r.ToString()));
        Assert.Equal(13, sent.Count);
        await app.AssertTimelineAsync("user_id:segment-batches", sent);
    }

    private static Task<Site> SiteAsync(Gateway gateway, string options) => Site.StartAsync($$"""
        <script src="/sdk/@segment/analytics-next/dist/umd/index.js"></script>
        <script>
          const analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey: 'local', cdnURL: '{{gateway.Address}}' }{{options}});
        </script>
        """);
}
