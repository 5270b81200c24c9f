using System.Text.Json;
using Xunit;

namespace CdpFunctions.Clients;

/// <summary>@rudderstack/analytics-js, as it comes from npm, in Chromium, on a page of another origin. It has no call <c>screen</c>.</summary>
[Collection(ClientTests.Name)]
public sealed class RudderStackBrowserTests(ClientApp app, Chromium chromium)
{
    private const int Events = 7;

    [Theory]
    [InlineData("modern/bundled")]
    [InlineData("legacy")]
    public async Task EveryCall_WithAnAnswerLost_IsOnTheTimelineOnceAndWhole(string build)
    {
        var tracks = 0;
        await using var gateway = await app.GatewayAsync(request =>
            request is { Method: "POST", Path.Value: "/v1/track" } && Interlocked.Increment(ref tracks) == 1 ? Fate.LoseAnswer : Fate.Pass);

        await VisitAsync(gateway, build, "", "rudder-" + build.Split('/')[0], async () =>
        {
            await gateway.WaitForRepeatedAsync("Rsa-Retry-Attempt");
            Assert.Equal(Events + 1, (await gateway.WaitForEventsAsync(Events)).Count);
            Assert.All(gateway.Received.Where(static r => r.Method == "POST"), static r => Assert.NotEmpty(r.Headers["AnonymousId"].ToString()));
        });
    }

    [Fact]
    public async Task Beacons_AreOnTheTimelineOnceAndWhole()
    {
        await using var gateway = await app.GatewayAsync();

        await VisitAsync(gateway, "modern/bundled", ", useBeacon: true, beaconQueueOptions: { flushQueueInterval: 500 }", "rudder-beacon", async () =>
        {
            Assert.Equal(Events, (await gateway.WaitForEventsAsync(Events)).Count);
            Assert.All(gateway.Received.Where(static r => r.Method == "POST"), static r => Assert.Equal("/beacon/v1/batch?writeKey=local", r.Path));
        });
    }

    private async Task VisitAsync(Gateway gateway, string build, string options, string user, Func<Task> arrived)
    {
        await using var site = await Site.StartAsync($$"""
            <script src="/sdk/@rudderstack/analytics-js/dist/npm/{{build}}/umd/index.js"></script>
            <script>
              const rudder = new rudderanalytics.RudderAnalytics();
              rudder.load('local', '{{gateway.Address}}', { configUrl: '{{gateway.Address}}'{{options}} });
            </script>
            """);
        await using var visitor = await chromium.VisitorAsync();
        var page = await visitor.OpenAsync($"{site.Address}/shop/shoes?utm_source=news&utm_campaign=spring%20sale");

        var anonymousIds = await page.EvaluateAsync<string[]>("""
            async user => {
              await new Promise(resolve => rudder.ready(resolve));
              const first = rudder.getAnonymousId();
              rudder.page('Docs', 'Start', { version: 2 });
              rudder.track('Product Viewed', { price: 0.1, huge: 1e21, tags: ['\u{1F6CD}', null, [[]]], 'a.b/c': { '': '\u0000' } });
              rudder.identify(user, { email: user + '@Example.org', plan: 'gold' });
              rudder.group('acme', { name: 'Acme' });
              rudder.alias(user, user + '-before');
              rudder.track('Order Completed', { revenue: 49.95 });
              rudder.reset(true);
              rudder.track('Visited');
              return [first, rudder.getAnonymousId()];
            }
            """, user);
        await arrived();
        visitor.AssertAtHomeAndWell();

        var sent = gateway.Events;
        Assert.Equal(["alias", "group", "identify", "page", "track"], sent.Select(static e => e.Type).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        var stranger = sent.Where(static e => e.Json.TryGetProperty("event", out var name) && name.GetString() == "Visited").ToList();
        await app.AssertTimelineAsync($"user_id:{user}", sent.Except(stranger));
        await app.AssertTimelineAsync($"anonymous_id:{anonymousIds[1]}", stranger);

        var profile = await app.ProfileAsync($"user_id:{user}");
        Assert.Equal($$"""{"email":"{{user}}@Example.org","plan":"gold"}""", profile.GetProperty("traits").GetRawText());
        Assert.Equal(
            JsonSerializer.Serialize(new
            {
                user_id = new[] { user },
                email = new[] { user + "@example.org" },
                anonymous_id = new[] { anonymousIds[0], user + "-before" }.Order(StringComparer.Ordinal),
            }),
            Identifiers.Of(profile));

        var viewed = (await app.TimelineAsync($"user_id:{user}")).Single(static e => e.GetProperty("type").GetString() == "page").GetProperty("context");
        Assert.Equal("127.0.0.1", viewed.GetProperty("ip").GetString());
        Assert.Equal("de-AT", viewed.GetProperty("locale").GetString());
        Assert.Equal("""{"source":"news","name":"spring sale"}""", viewed.GetProperty("campaign").GetRawText());
        Assert.Equal("/shop/shoes", viewed.GetProperty("page").GetProperty("path").GetString());
        Assert.Equal(await page.EvaluateAsync<string>("navigator.userAgent"), viewed.GetProperty("userAgent").GetString());
    }
}
