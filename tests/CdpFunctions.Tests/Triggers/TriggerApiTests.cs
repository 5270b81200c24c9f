using System.Net;
using System.Text;
using System.Text.Json;
using Azure.Storage.Queues;
using Cdp.Deliveries;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Segments.Backfill;
using Cdp.Segments.Definitions;
using CdpFunctions.Tests.Api;
using CdpFunctions.Tests.Destinations;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace CdpFunctions.Tests.Triggers;

/// <summary>Triggers over HTTP, on Azurite, with a real server that gets the mails; the clock is set forward by the test.</summary>
public sealed class TriggerApiTests : IAsyncLifetime
{
    private const string Mailer = """{"to":{"path":"profile.identifiers.email[0]"},"name":{"path":"profile.traits.firstName"},"product":{"path":"event.properties.product"},"trigger":{"path":"cause.triggerId"} }""";

    private readonly ShiftedTime time = new();
    private TestApp? app;
    private Receiver? receiver;

    private TestApp App => app!;

    private Receiver Mails => receiver!;

    public async Task InitializeAsync()
    {
        receiver = await Receiver.StartAsync();
        app = await TestApp.StartAsync(new Dictionary<string, string?> { ["Cdp:AllowPrivateDestinations"] = "true" }, time, services: services => services.AddSingleton(DeliveryApp.Hurried));
        await PutAsync("/v1/destinations/mailer", $$"""{"type":"webhook","settings":{"url":"{{Mails.Address}}mail"} }""", HttpStatusCode.Created);
        await PutAsync("/v1/channels/email", """{"name":"E-mail","caps":[{"count":1,"per":"7d"}],"requireConsent":["marketing"]}""", HttpStatusCode.Created);
    }

    public async Task DisposeAsync()
    {
        await App.DisposeAsync();
        await Mails.DisposeAsync();
    }

    [Fact]
    public async Task Cart_Abandoned_SendsOneMailAfterTheHour_ToWhoAgreedAndDidNotBuy_AndTheLogSaysWhyOthersGotNone()
    {
        await IdentifyAsync("eve", marketing: true);
        await AddToCartAsync("eve", "rope");
        // Long ago when the trigger is made.
        time.Advance(TimeSpan.FromMinutes(62));
        await PutAsync("/v1/triggers/cart-mail", $$"""
            {"name":"Abandoned cart","on":{"sequence":[{"event":"Product Added"},{"not":{"event":"Order Completed"} }],"within":"1h"},
             "send":{"destination":"mailer","mapping":{{Mailer}} },"channel":"email","every":"30d"}
            """, HttpStatusCode.Created);
        await PutAsync("/v1/triggers/welcome", $$"""{"on":{"event":"Signed Up","where":{"properties.plan":{"eq":"pro"} } },"send":{"destination":"mailer","mapping":{{Mailer}} },"channel":"email"}""", HttpStatusCode.Created);
        await BackfillAsync();

        await IdentifyAsync("ann", marketing: true);
        await IdentifyAsync("ben", marketing: true);
        await IdentifyAsync("cem", marketing: false);
        await IdentifyAsync("dea", marketing: true);
        await TrackAsync("dea-1", "dea", "Signed Up", """{"plan":"pro"}""");
        await TrackAsync("ann-1", "ann", "Signed Up", """{"plan":"free"}""");
        await TestApp.WaitUntilAsync(() => Task.FromResult(Mails.Taken.Count == 1));
        foreach (var name in (string[])["ann", "ben", "cem", "dea"])
            await AddToCartAsync(name, name == "ann" ? "tent" : "stove");
        await ImportAsync("fay");
        time.Advance(TimeSpan.FromMinutes(30));
        await TrackAsync("ben-2", "ben", "Order Completed", "{}");

        time.Advance(TimeSpan.FromMinutes(32));
        await TickUntilAsync(async () => (await LogAsync("cart-mail")).Count == 3 && Mails.Taken.Count == 2);
        var ids = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in (string[])["ann", "ben", "cem", "dea", "eve", "fay"])
            ids[name] = (await App.ReadJsonAsync("/v1/profiles/user_id:" + name)).GetProperty("id").GetString()!;
        var log = (await LogAsync("cart-mail")).ToDictionary(d => d.GetProperty("profileId").GetString()!);
        Assert.Equal(("sent", ""), Outcome(log[ids["ann"]]));
        Assert.Equal(("held", "consent:marketing"), Outcome(log[ids["cem"]]));
        Assert.Equal(("held", "cap:email"), Outcome(log[ids["dea"]]));
        Assert.Equal("""{"to":"dea@shop.example","name":"Dea","trigger":"welcome"}""", Mails.All[0].Body);
        Assert.Equal("""{"to":"ann@shop.example","name":"Ann","product":"tent","trigger":"cart-mail"}""", Mails.All[1].Body);
        Assert.Equal(log[ids["ann"]].GetProperty("deliveryId").GetString(), Mails.All[1].DeliveryId);

        Assert.Equal("""{"data":[]}""", (await App.ReadJsonAsync("/v1/profiles/user_id:ben/triggers")).GetRawText());
        Assert.Equal("""{"data":[]}""", (await App.ReadJsonAsync("/v1/profiles/user_id:fay/triggers")).GetRawText());
        Assert.Equal(["cart-mail held", "welcome sent"], (await App.ReadJsonAsync("/v1/profiles/user_id:dea/triggers")).GetProperty("data").EnumerateArray()
            .Select(d => $"{d.GetProperty("triggerId").GetString()} {d.GetProperty("outcome").GetString()}"));
        Assert.Equal(ids["cem"], Assert.Single(await LogAsync("cart-mail", "&profile=user_id:cem&outcome=held")).GetProperty("profileId").GetString());
        Assert.Empty(await LogAsync("cart-mail", "&profile=user_id:cem&outcome=sent"));
        Assert.Equal(3, (await LogAsync("cart-mail", limit: 1)).Count);
        await ShowsNothingOfItsSegmentAsync();

        await RepeatAsync(log.Values);
        Assert.Equal(2, Mails.All.Count);
        Assert.Equal(3, (await LogAsync("cart-mail")).Count);
        Assert.Single(await LogAsync("welcome"));
    }

    [Fact]
    public async Task Definitions_AreStoredAndChecked_AndWhatIsMissingIsNamed()
    {
        const string valid = """{"on":{"event":"$page","where":{"properties.path":{"eq":"/tent"}}},"send":{"destination":"mailer","traits":["firstName"]},"channel":"email","every":"7d","requireConsent":["ads"]}""";
        var made = await PutAsync("/v1/triggers/tent", valid, HttpStatusCode.Created);
        Assert.Equal(("tent", true, "7d"), (made.GetProperty("id").GetString(), made.GetProperty("enabled").GetBoolean(), made.GetProperty("every").GetString()));
        var read = await App.ReadJsonAsync("/v1/triggers/tent");
        Assert.Equal(made.GetRawText(), read.GetRawText());
        // What was read can be put.
        await PutAsync("/v1/triggers/tent", read.GetRawText(), HttpStatusCode.OK);
        Assert.Equal("tent", Assert.Single((await App.ReadJsonAsync("/v1/triggers")).GetProperty("data").EnumerateArray()).GetProperty("id").GetString());
        Assert.Equal("email", Assert.Single((await App.ReadJsonAsync("/v1/channels")).GetProperty("data").EnumerateArray()).GetProperty("id").GetString());
        await PutAsync("/v1/channels/sms", (await App.ReadJsonAsync("/v1/channels/email")).GetRawText().Replace("\"email\"", "\"sms\"", StringComparison.Ordinal), HttpStatusCode.Created);

        Assert.Equal("send.destination channel", await RefusedAsync("/v1/triggers/a", """{"on":{"event":"x"},"send":{"destination":"nope"},"channel":"none"}"""));
        Assert.Equal("on.segment", await RefusedAsync("/v1/triggers/a", """{"on":{"segment":"nope"},"send":{"destination":"mailer"}}"""));
        Assert.Equal("on send", await RefusedAsync("/v1/triggers/a", "{}"));
        Assert.Equal("on.sequence every extra", await RefusedAsync("/v1/triggers/a", """{"on":{"sequence":[{"event":"x"}]},"send":{"destination":"mailer"},"every":"soon","extra":1}"""));
        Assert.Equal("on.within", await RefusedAsync("/v1/triggers/a", """{"on":{"sequence":[{"event":"x"},{"not":{"event":"y"}}]},"send":{"destination":"mailer"}}"""));
        Assert.Equal("on.event", await RefusedAsync("/v1/triggers/a", """{"on":{"event":"$nope"},"send":{"destination":"mailer"}}"""));
        Assert.Equal("on.change", await RefusedAsync("/v1/triggers/a", """{"on":{"segment":"vip","change":"seen"},"send":{"destination":"mailer"}}"""));
        Assert.Equal("send.mapping.a.path", await RefusedAsync("/v1/triggers/a", """{"on":{"event":"x"},"send":{"destination":"mailer","mapping":{"a":{"path":""}}}}""", HttpStatusCode.UnprocessableEntity));
        Assert.Equal("id", await RefusedAsync("/v1/triggers/A", valid));
        Assert.Equal("caps[0].count caps[1].per quietHours", await RefusedAsync("/v1/channels/a", """{"caps":[{"count":0,"per":"1d"},{"count":1,"per":"400d"}],"quietHours":{}}"""));
        Assert.Equal("on.segment", await RefusedAsync("/v1/triggers/a", """{"on":{"segment":"trigger.tent"},"send":{"destination":"mailer"}}"""));
        using (var put = await App.SendAsync(HttpMethod.Put, "/v1/segments/trigger.tent", """{"where":{"event":"x"}}""", new("Bearer", TestApp.ApiKey)))
            Assert.Equal(HttpStatusCode.UnprocessableEntity, put.StatusCode);

        foreach (var path in (string[])["/v1/triggers/tent", "/v1/triggers/tent", "/v1/channels/email"])
        {
            using var deleted = await App.SendAsync(HttpMethod.Delete, path, null, new("Bearer", TestApp.ApiKey));
            Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        }

        using var gone = await App.ReadAsync("/v1/triggers/tent");
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        // The id can be taken again.
        await PutAsync("/v1/triggers/tent", valid.Replace("email", "sms", StringComparison.Ordinal), HttpStatusCode.Created);
        Assert.Equal("outcome", await ProblemAsync(await App.ReadAsync("/v1/triggers/tent/log?outcome=lost"), HttpStatusCode.BadRequest));
    }

    private async Task ShowsNothingOfItsSegmentAsync()
    {
        Assert.Empty((await App.ReadJsonAsync("/v1/segments")).GetProperty("data").EnumerateArray());
        using var hidden = await App.ReadAsync("/v1/segments/trigger.cart-mail");
        Assert.Equal(HttpStatusCode.NotFound, hidden.StatusCode);
        using var members = await App.ReadAsync("/v1/segments/trigger.cart-mail/members");
        Assert.Equal(HttpStatusCode.NotFound, members.StatusCode);
        Assert.Empty((await App.ReadJsonAsync("/v1/profiles/user_id:ann")).GetProperty("segments").EnumerateArray());
        await TrackAsync("ann-9", "ann", "Order Completed", "{}");
        Assert.DoesNotContain("segmentChanges", (await App.ReadJsonAsync("/v1/profiles/user_id:ann/events")).GetRawText(), StringComparison.Ordinal);
    }

    /// <summary>Everything that can come again comes again: requests, timers, and the changes themselves.</summary>
    private async Task RepeatAsync(IEnumerable<JsonElement> decided)
    {
        await AddToCartAsync("ann", "tent");
        var queue = new QueueServiceClient(App.ConnectionString, new QueueClientOptions { MessageEncoding = QueueMessageEncoding.None }).GetQueueClient("deliveries");
        var processor = App.Services.GetRequiredService<DeliveryProcessor>();
        foreach (var decision in decided)
        {
            Assert.True(IsoTime.TryParse(Encoding.UTF8.GetBytes(decision.GetProperty("at").GetString()!), out var at));
            var profile = new ProfileId(decision.GetProperty("profileId").GetString()!);
            var change = new Change($"trigger.cart-mail:{profile}:1", ChangeKind.SegmentEntered, profile, 1, at) { SegmentId = "trigger.cart-mail" };
            await queue.SendMessageAsync(change.ToJson());
            await processor.ProcessAsync(change.ToJson(), CancellationToken.None);
        }

        using var fired = await App.Client.PostAsync("/admin/functions/RecomputeSegments", new StringContent("{}", Encoding.UTF8, "application/json"));
        await TestApp.WaitUntilAsync(async () => (await queue.GetPropertiesAsync()).Value.ApproximateMessagesCount == 0);
    }

    private async Task BackfillAsync()
    {
        time.Advance(TimeSpan.FromSeconds(31));
        await TickUntilAsync(async () =>
        {
            var set = await App.Services.GetRequiredService<DefinitionStore>().LoadAsync(CancellationToken.None);
            return (await App.Services.GetRequiredService<BackfillProgress>().OfAsync(set.All["trigger.cart-mail"], set, CancellationToken.None)).IsLive;
        });
    }

    /// <summary>Fires the timer as the host would, until what it leads to is there.</summary>
    private async Task TickUntilAsync(Func<Task<bool>> isThere)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        for (var tick = 0; ; tick++)
        {
            if (tick % 20 == 0)
            {
                using var fired = await App.Client.PostAsync("/admin/functions/RecomputeSegments", new StringContent("{}", Encoding.UTF8, "application/json"), patience.Token);
                Assert.Equal(HttpStatusCode.Accepted, fired.StatusCode);
            }

            if (await isThere())
                return;
            await Task.Delay(100, patience.Token);
        }
    }

    private static (string, string) Outcome(JsonElement decision) =>
        (decision.GetProperty("outcome").GetString()!, decision.TryGetProperty("reason", out var reason) ? reason.GetString()! : "");

    /// <summary>All pages.</summary>
    private async Task<List<JsonElement>> LogAsync(string trigger, string filter = "", int limit = 100)
    {
        var all = new List<JsonElement>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = await App.ReadJsonAsync($"/v1/triggers/{trigger}/log?limit={limit}{filter}" + (cursor.Length == 0 ? "" : "&cursor=" + cursor));
            all.AddRange(page.GetProperty("data").EnumerateArray());
            cursor = page.TryGetProperty("next", out var next) ? next.GetString() : null;
        }

        return all;
    }

    private Task IdentifyAsync(string user, bool marketing) => App.IdentifyAsync(
        user + "-0", user, $$"""{"email":"{{user}}@shop.example","firstName":"{{char.ToUpperInvariant(user[0]) + user[1..]}}","consent":{"marketing":{{(marketing ? "true" : "false")}}} }""");

    private Task AddToCartAsync(string user, string product) => TrackAsync(user + "-cart", user, "Product Added", $$"""{"product":"{{product}}"}""");

    private async Task TrackAsync(string messageId, string user, string name, string properties)
    {
        await App.TrackAsync(messageId, user, name, properties);
        await App.WaitForMessageAsync(messageId);
    }

    /// <summary>A cart of a person that comes in by an import.</summary>
    private async Task ImportAsync(string user)
    {
        await IdentifyAsync(user, marketing: true);
        using var sent = await App.CollectAsync("/v1/import", $$"""{"batch":[{"type":"track","messageId":"{{user}}-cart","userId":"{{user}}","event":"Product Added"}]}""");
        Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
        await App.WaitForMessageAsync(user + "-cart");
    }

    private async Task<JsonElement> PutAsync(string path, string json, HttpStatusCode expected)
    {
        using var put = await App.SendAsync(HttpMethod.Put, path, json, new("Bearer", TestApp.ApiKey));
        var text = await put.Content.ReadAsStringAsync();
        Assert.True(put.StatusCode == expected, $"{put.StatusCode} {text}");
        return JsonDocument.Parse(text).RootElement.Clone();
    }

    /// <summary>The paths that a PUT is refused for.</summary>
    private async Task<string> RefusedAsync(string path, string json, HttpStatusCode expected = HttpStatusCode.BadRequest) =>
        await ProblemAsync(await App.SendAsync(HttpMethod.Put, path, json, new("Bearer", TestApp.ApiKey)), expected);

    private static async Task<string> ProblemAsync(HttpResponseMessage answer, HttpStatusCode expected)
    {
        using var _ = answer;
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == expected, $"{answer.StatusCode} {text}");
        return string.Join(' ', JsonDocument.Parse(text).RootElement.GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("path").GetString()));
    }
}
