using System.Globalization;
using System.Net;
using System.Text;
using Xunit;

namespace CdpFunctions.Tests.Api;

/// <summary>
/// Every template as it is offered, end to end: put under its id, entered by events or by time, and left by what should make somebody leave. Over HTTP, on Azurite, the
/// clock set forward by the test.
/// </summary>
public sealed class SegmentTemplatesApiTests : IAsyncLifetime
{
    private const string Person = "ann";

    private readonly ShiftedTime time = new();
    private TestApp? app;
    private int messages;

    private TestApp App => app!;

    public async Task InitializeAsync() => app = await TestApp.StartAsync(time: time);

    public Task DisposeAsync() => App.DisposeAsync().AsTask();

    [Fact]
    public async Task CartAbandoned_IsEnteredAfterTheHourByTimeAlone_AndLeftByBuyingAtOnce_OrAWeekLater()
    {
        await PutTemplateAsync("cart-abandoned");
        await CollectAsync("Product Added");
        Assert.False(await IsMemberAsync("cart-abandoned"));
        await AdvanceAsync(TimeSpan.FromMinutes(62), "cart-abandoned", member: true);
        await CollectAsync("Order Completed");
        Assert.False(await IsMemberAsync("cart-abandoned"));

        await CollectAsync("Product Added");
        await AdvanceAsync(TimeSpan.FromMinutes(62), "cart-abandoned", member: true);
        await AdvanceAsync(TimeSpan.FromDays(7), "cart-abandoned", member: false);
    }

    [Fact]
    public async Task LapsedCustomers_AreEnteredByTime_AndLeftByAnOrder()
    {
        await PutTemplateAsync("lapsed-customers");
        await CollectAsync("Order Completed");
        Assert.False(await IsMemberAsync("lapsed-customers"));
        await AdvanceAsync(TimeSpan.FromDays(181), "lapsed-customers", member: true);
        await CollectAsync("Order Completed");
        Assert.False(await IsMemberAsync("lapsed-customers"));
    }

    [Fact]
    public async Task HighValue_IsEnteredByWhatIsSpent_AndLeftByTime()
    {
        await PutTemplateAsync("high-value");
        await CollectAsync("Order Completed", """{"revenue":300}""");
        Assert.False(await IsMemberAsync("high-value"));
        await CollectAsync("Order Completed", """{"revenue":200}""");
        Assert.True(await IsMemberAsync("high-value"));
        await AdvanceAsync(TimeSpan.FromDays(121), "high-value", member: false);
    }

    [Fact]
    public async Task NewlySubscribed_IsEnteredByTheFirstSubscription_AndLeftByTime_AndNotEnteredByAnother()
    {
        await PutTemplateAsync("newly-subscribed");
        await CollectAsync("Newsletter Subscribed");
        Assert.True(await IsMemberAsync("newly-subscribed"));
        await AdvanceAsync(TimeSpan.FromDays(8), "newly-subscribed", member: false);
        await CollectAsync("Newsletter Subscribed");
        Assert.False(await IsMemberAsync("newly-subscribed"));
    }

    [Fact]
    public async Task WeekendOutdoorBrowsers_AreEnteredByViewsOnAWeekend_AndLeftByAnOrder_OrByTime()
    {
        await PutTemplateAsync("weekend-outdoor-browsers");
        // The last Saturday's noon in Berlin, and the Wednesday before it, which does not count.
        var saturday = time.GetUtcNow().UtcDateTime.Date.AddHours(11);
        while (saturday.DayOfWeek != DayOfWeek.Saturday || saturday > time.GetUtcNow().UtcDateTime)
            saturday = saturday.AddDays(-1);
        await CollectAsync("Product Viewed", """{"category":"outdoor"}""", saturday);
        await CollectAsync("Product Viewed", """{"category":"outdoor"}""", saturday.AddDays(-3));
        await CollectAsync("Product Viewed", """{"category":"books"}""", saturday.AddMinutes(1));
        Assert.False(await IsMemberAsync("weekend-outdoor-browsers"));
        await CollectAsync("Product Viewed", """{"category":"outdoor"}""", saturday.AddMinutes(2));
        Assert.True(await IsMemberAsync("weekend-outdoor-browsers"));
        await CollectAsync("Order Completed");
        Assert.False(await IsMemberAsync("weekend-outdoor-browsers"));

        await CollectAsync("Product Viewed", """{"category":"outdoor"}""", saturday, "ben");
        await CollectAsync("Product Viewed", """{"category":"outdoor"}""", saturday.AddMinutes(1), "ben");
        Assert.True(await IsMemberAsync("weekend-outdoor-browsers", "ben"));
        await AdvanceAsync(TimeSpan.FromDays(91), "weekend-outdoor-browsers", member: false, "ben");
    }

    [Fact]
    public async Task AtRisk_IsEnteredByTime_AndLeftByAnOrder()
    {
        await PutTemplateAsync("at-risk");
        for (var i = 0; i < 3; i++)
            await CollectAsync("Order Completed");
        Assert.False(await IsMemberAsync("at-risk"));
        await AdvanceAsync(TimeSpan.FromDays(61), "at-risk", member: true);
        await CollectAsync("Order Completed");
        Assert.False(await IsMemberAsync("at-risk"));
    }

    [Fact]
    public async Task Vip_IsEnteredByTheFifthLargeOrder_AndLeftByTime()
    {
        await PutTemplateAsync("vip");
        for (var i = 0; i < 4; i++)
            await CollectAsync("Order Completed", """{"revenue":300}""");
        Assert.False(await IsMemberAsync("vip"));
        await CollectAsync("Order Completed", """{"revenue":1}""");
        Assert.True(await IsMemberAsync("vip"));
        await AdvanceAsync(TimeSpan.FromDays(91), "vip", member: false);
    }

    [Fact]
    public async Task ViewedThreeTimes_IsEnteredByTheThirdView_AndLeftByAnOrder_OrByTime()
    {
        await PutTemplateAsync("viewed-three-times");
        foreach (var person in new[] { Person, "ben" })
        {
            for (var i = 0; i < 2; i++)
                await CollectAsync("Product Viewed", person: person);
            Assert.False(await IsMemberAsync("viewed-three-times", person));
            await CollectAsync("Product Viewed", person: person);
            Assert.True(await IsMemberAsync("viewed-three-times", person));
        }

        await CollectAsync("Order Completed");
        Assert.False(await IsMemberAsync("viewed-three-times"));
        await AdvanceAsync(TimeSpan.FromDays(8), "viewed-three-times", member: false, "ben");
    }

    /// <summary>The definition as the templates offer it.</summary>
    private async Task PutTemplateAsync(string id)
    {
        var template = (await App.ReadJsonAsync("/v1/segment-templates")).GetProperty("data").EnumerateArray().Single(t => t.GetProperty("id").GetString() == id);
        using var put = await App.SendAsync(HttpMethod.Put, "/v1/segments/" + id, template.GetRawText(), new("Bearer", TestApp.ApiKey));
        Assert.Equal(HttpStatusCode.Created, put.StatusCode);
    }

    /// <summary>Time passes without an event, and the timer fires as the host would fire it.</summary>
    private async Task AdvanceAsync(TimeSpan span, string segment, bool member, string person = Person)
    {
        time.Advance(span);
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        for (var tick = 0; await IsMemberAsync(segment, person) != member; tick++)
        {
            if (tick % 20 == 0)
            {
                using var fired = await App.Client.PostAsync("/admin/functions/RecomputeSegments", new StringContent("{}", Encoding.UTF8, "application/json"), patience.Token);
                Assert.Equal(HttpStatusCode.Accepted, fired.StatusCode);
            }

            await Task.Delay(100, patience.Token);
        }
    }

    private async Task CollectAsync(string name, string properties = "{}", DateTime? at = null, string person = Person)
    {
        var id = $"m{++messages}";
        var timestamp = at is { } t ? $",\"timestamp\":\"{t.ToString("yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture)}Z\"" : "";
        using var sent = await App.CollectAsync(
            "/v1/track", $$"""{"messageId":"{{id}}","userId":"{{person}}","event":"{{name}}","properties":{{properties}}{{timestamp}}}""");
        Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
        Assert.Equal("committed", (await App.WaitForMessageAsync(id)).GetProperty("outcome").GetString());
    }

    /// <summary>As the profile and the list of members say it.</summary>
    private async Task<bool> IsMemberAsync(string segment, string person = Person)
    {
        var profile = await App.ReadJsonAsync("/v1/profiles/user_id:" + person);
        var isMember = profile.GetProperty("segments").EnumerateArray().Any(s => s.GetProperty("id").GetString() == segment);
        var listed = (await App.ReadJsonAsync($"/v1/segments/{segment}/members")).GetProperty("data").EnumerateArray()
            .Any(m => m.GetProperty("profileId").GetString() == profile.GetProperty("id").GetString());
        // Time that brings somebody in or out may have come between the two readings.
        return isMember == listed ? isMember : await IsMemberAsync(segment, person);
    }
}
