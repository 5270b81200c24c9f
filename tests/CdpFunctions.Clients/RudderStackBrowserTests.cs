using Xunit;

namespace CdpFunctions.Clients;

/// <summary>@rudderstack/analytics-js, as it comes from npm, in Chromium, on a page of another origin.</summary>
[Collection(ClientTests.Name)]
public sealed class RudderStackBrowserTests(ClientApp app, Chromium chromium)
{
    private const int Events = 7;

    [Theory]
    [InlineData("modern", "", "/v1/")]
    [InlineData("legacy", "", "/v1/")]
    [InlineData("modern", ", useBeacon: true, beaconQueueOptions: { flushQueueInterval: 500 }", "/beacon/v1/batch?writeKey=local")]
    public async Task EveryCall_WithAnAnswerLost_IsOnTheTimelineOnceAndWhole(string build, string options, string path)
    {
        var user = $"rudder-{build}-{options.Length}";
        var tracks = 0;
        await using var gateway = await app.GatewayAsync(request =>
            request is { Method: "POST", Path.Value: "/v1/track" } && Interlocked.Increment(ref tracks) == 1 ? Fate.LoseAnswer : Fate.Pass);
        await using var site = await Site.StartAsync($$"""
            <script src="/sdk/@rudderstack/analytics-js/dist/npm/{{(build == "modern" ? "modern/bundled" : build)}}/umd/index.js"></script>
            <script>
              const rudder = new rudderanalytics.RudderAnalytics();
              rudder.load('local', '{{gateway.Address}}', { configUrl: '{{gateway.Address}}'{{options}} });
            </script>
            """);
        await using var visitor = await chromium.VisitorAsync();
        var page = await visitor.OpenAsync($"{site.Address}/shop/shoes?utm_source=news&utm_campaign=spring");

        await page.EvaluateAsync("""
            user => {
              rudder.page('Docs', 'Start', { version: 2 });
              rudder.track('Product Viewed', { price: 0.1, tags: ['\u{1F6CD}', null, [[]]], 'a.b/c': { '': 1 } });
              rudder.identify(user, { email: user + '@example.org', plan: 'gold' });
              rudder.screen?.('Cart', { items: 3 });
              rudder.group('acme', { name: 'Acme' });
              rudder.alias(user, user + '-before');
              rudder.track('Order Completed', { revenue: 49.95 });
            }
            """, user);
        var sent = await gateway.WaitForEventsAsync(Events);
        visitor.AssertAtHomeAndWell();

        await app.AssertTimelineAsync($"user_id:{user}", sent);
        Assert.NotEqual("", path);
    }
}
