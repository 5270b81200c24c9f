using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Cdp.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace CdpFunctions.Tests.Destinations;

/// <summary>Each type against a local server that behaves as the real one, and what can be put, shown and tested.</summary>
public sealed class DestinationTypesTests : IAsyncLifetime
{
    private TestApp? app;
    private Receiver? receiver;

    private TestApp App => app!;

    private Receiver To => receiver!;

    public async Task InitializeAsync()
    {
        app = await DeliveryApp.StartAsync(settings: new Dictionary<string, string?> { ["Cdp:Secrets:HUBSPOT"] = "pat-1", ["Cdp:AdminKey"] = new string('k', 40) });
        receiver = await Receiver.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await App.DisposeAsync();
        await To.DisposeAsync();
    }

    [Fact]
    public async Task Segment_EnteredAndLeft_ArrivesAsTwoDeliveries_WithTheCountOfTheProfileInTheKey()
    {
        await PutAsync("/v1/segments/buyers", """{"where":{"event":"Order Completed","count":{"eq":1}}}""");
        await App.PutDestinationAsync("hook", $$"""{"type":"webhook","settings":{"url":"{{To.Address}}in"},"subscriptions":[{"on":"segment","segments":["buyers"]}]}""");
        await App.TrackAsync("t1", "ann", "Order Completed");
        await TestApp.WaitUntilAsync(() => Task.FromResult(To.All.Count == 1));
        await App.TrackAsync("t2", "ann", "Order Completed");
        await TestApp.WaitUntilAsync(() => Task.FromResult(To.All.Count == 2));
        var profile = (await App.ReadJsonAsync("/v1/profiles/user_id:ann")).GetProperty("id").GetString();
        Assert.Equal([$"buyers:{profile}:1", $"buyers:{profile}:2"], To.All.Select(r => r.Key));
        var bodies = To.All.Select(r => JsonDocument.Parse(r.Body).RootElement).ToList();
        Assert.Equal(
            ["""{"type":"segment-entered","segmentId":"buyers","messageId":"t1"}""", """{"type":"segment-exited","segmentId":"buyers","messageId":"t2"}"""],
            bodies.Select(b => b.GetProperty("cause").GetRawText()));
        var versions = To.All.Select(r => long.Parse(r.Version!, null)).ToList();
        Assert.True(versions[0] < versions[1]);
    }

    [Fact]
    public async Task HubSpot_GetsContactsByEmail_OnlyWhatChanged_WithMembershipAsAProperty()
    {
        To.Answer = (context, body) =>
        {
            var isRight = context.Request.Headers.Authorization == "Bearer pat-1" && context.Request.Path == "/crm/v3/objects/contacts/batch/upsert"
                && JsonDocument.Parse(body).RootElement.GetProperty("inputs").EnumerateArray().All(i => i.GetProperty("idProperty").GetString() == "email");
            context.Response.StatusCode = isRight ? StatusCodes.Status200OK : StatusCodes.Status401Unauthorized;
            return context.Response.WriteAsync("""{"status":"COMPLETE","results":[]}""");
        };
        await PutAsync("/v1/segments/pros", """{"where":{"trait":"plan","eq":"pro"}}""");
        await App.PutDestinationAsync("crm", $$"""
            {"type":"hubspot","settings":{"baseUrl":"{{To.Address}}"},"secrets":{"accessToken":{"setting":"HUBSPOT"} },
             "subscriptions":[{"on":"segment","traits":["firstName","plan"]},{"on":"profile","traits":["firstName","plan"],"exceptSources":["crm"]}]}
            """);
        await App.IdentifyAsync("i1", "ann", """{"email":"Ann@Mail.test","firstName":"Ann","plan":"free","private":"x"}""");
        await SettledAsync("crm", 1);
        await App.IdentifyAsync("i2", "ann", """{"plan":"pro"}""");
        await SettledAsync("crm", 3);
        var settled = To.All.Count;
        await App.IdentifyAsync("i3", "ann", """{"private":"y"}""");
        await App.IdentifyAsync("i4", "nobody", """{"plan":"free"}""");
        await SettledAsync("crm", 4);

        Assert.Equal(settled, To.All.Count);
        var inputs = To.All.SelectMany(r => JsonDocument.Parse(r.Body).RootElement.GetProperty("inputs").EnumerateArray()).ToList();
        Assert.All(inputs, i => Assert.Equal("ann@mail.test", i.GetProperty("id").GetString()));
        Assert.Equal("""{"firstname":"Ann","plan":"free","cdp_segments":""}""", inputs[0].GetProperty("properties").GetRawText());
        // The change of the trait and that of the segment are of one commit: together or one after the other, each property goes once.
        var later = inputs.Skip(1).SelectMany(i => i.GetProperty("properties").EnumerateObject()).Select(p => $"{p.Name}={p.Value}").Order();
        Assert.Equal(["cdp_segments=pros", "plan=pro"], later);
        var held = Assert.Single(await App.DeliveriesAsync("crm", "&state=held"));
        Assert.Equal("no-email", held.GetProperty("heldBecause").GetString());
    }

    [Fact]
    public async Task Slack_GetsAText_AndItsUrlIsNeverShown()
    {
        await App.PutDestinationAsync("team", $$$"""
            {"type":"slack","settings":{"text":"{{profile.traits.firstName}} bought <{{event.properties.name}}>"},"secrets":{"url":"{{{To.Address}}}services/T0/B0/very-secret"},
             "subscriptions":[{"on":"event","events":["Order Completed"]}]}
            """);
        await App.IdentifyAsync("i1", "ann", """{"firstName":"Ann \"A\""}""");
        await App.TrackAsync("t1", "ann", "Order Completed", """{"name":"Tent & <pegs>"}""");
        await TestApp.WaitUntilAsync(() => Task.FromResult(To.All.Count == 1));
        Assert.Equal("/services/T0/B0/very-secret", To.All[0].Path);
        Assert.Equal("Ann \"A\" bought <Tent & <pegs>>", JsonDocument.Parse(To.All[0].Body).RootElement.GetProperty("text").GetString());
        await SettledAsync("team", 1);
        var shown = (await App.ReadJsonAsync("/v1/destinations/team")).GetRawText() + (await App.ReadJsonAsync("/v1/destinations/team/deliveries")).GetRawText()
            + (await App.ReadJsonAsync("/v1/destinations")).GetRawText() + (await App.PostAsync("/v1/destinations/team/test", "{}", HttpStatusCode.OK)).GetRawText();
        Assert.DoesNotContain("very-secret", shown, StringComparison.Ordinal);
        Assert.Contains("/***", shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Blob_GetsALineForEachDelivery()
    {
        await App.PutDestinationAsync("lake", """{"type":"blob","subscriptions":[{"on":"event","mapping":{"n":{"path":"event.properties.n"}}}]}""");
        for (var i = 0; i < 12; i++)
            await App.TrackAsync($"t{i}", "ann", "Viewed", $$"""{"n":{{i}}}""");
        await TestApp.WaitUntilAsync(async () => (await App.DeliveriesAsync("lake", "&state=delivered")).Count == 12);
        var blobs = App.Services.GetRequiredService<IBlobStore>();
        var lines = new List<JsonElement>();
        await foreach (var name in blobs.ListAsync(ContainerName.Feeds, "lake/", CancellationToken.None))
        {
            var text = Encoding.UTF8.GetString((await blobs.GetAsync(ContainerName.Feeds, name, CancellationToken.None))!.Value.Span);
            lines.AddRange(text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement));
        }

        Assert.Equal(Enumerable.Range(0, 12), lines.Select(l => l.GetProperty("payload").GetProperty("n").GetInt32()).Order());
        Assert.Equal(12, lines.Select(l => l.GetProperty("key").GetString()).Distinct().Count());
    }

    [Fact]
    public async Task Webhook_InBatches_HasAKeyForEachDelivery_AndATemplateForEachPayload()
    {
        await App.PutDestinationAsync("hook", $$$"""
            {"type":"webhook","settings":{"url":"{{{To.Address}}}in","body":"{\"n\":{{json event.properties.n}},\"who\":\"{{profile.traits.firstName}}\"}"},
             "subscriptions":[{"on":"event","events":["Viewed"]}],"limits":{"batchSize":50,"ratePerSecond":5}}
            """);
        await App.IdentifyAsync("i1", "ann", """{"firstName":"A\"n"}""");
        for (var i = 0; i < 30; i++)
            await App.TrackAsync($"t{i}", "ann", "Viewed", $$"""{"n":{{i}}}""");
        await TestApp.WaitUntilAsync(async () => (await App.DeliveriesAsync("hook", "&state=delivered")).Count == 30);
        var items = To.All.SelectMany(r => JsonDocument.Parse(r.Body).RootElement.GetProperty("deliveries").EnumerateArray()).ToList();
        Assert.True(To.All.Count < 30, $"{To.All.Count} requests");
        Assert.Equal(30, items.Select(i => i.GetProperty("key").GetString()).Distinct().Count());
        Assert.All(items, i => Assert.Equal("A\"n", i.GetProperty("payload").GetProperty("who").GetString()));
        Assert.All(To.All, r => Assert.StartsWith("batch:", r.Key, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Secrets_StayWhereTheBodySaysNothing_AreReplacedRemovedAndNeverShown()
    {
        var url = $$"""{"type":"webhook","settings":{"url":"{{To.Address}}in"}""";
        var made = await App.PutDestinationAsync("hook", url + ""","secrets":{"signingKey":"first"}}""");
        Assert.True(made.GetProperty("secrets").GetProperty("signingKey").GetProperty("set").GetBoolean());
        var test = await App.PostAsync("/v1/destinations/hook/test", "{}", HttpStatusCode.OK);
        Assert.Equal(("delivered", 200), (test.GetProperty("outcome").GetString(), test.GetProperty("response").GetProperty("status").GetInt32()));
        Assert.NotNull(To.All[^1].Signature);
        Assert.StartsWith("test:dlv_", To.All[^1].Key, StringComparison.Ordinal);
        Assert.Equal(To.All[^1].Body, test.GetProperty("request").GetProperty("body").GetString());

        // What was read is sent back.
        var shown = await App.ReadJsonAsync("/v1/destinations/hook");
        await App.PutDestinationAsync("hook", shown.GetRawText());
        await App.PutDestinationAsync("hook", url + "}");
        await App.PostAsync("/v1/destinations/hook/test", "{}", HttpStatusCode.OK);
        Assert.NotNull(To.All[^1].Signature);
        var removed = await App.PutDestinationAsync("hook", url + ""","secrets":{"signingKey":null,"bearerToken":"second"}}""");
        Assert.Equal(["bearerToken"], removed.GetProperty("secrets").EnumerateObject().Select(s => s.Name));
        var masked = await App.PostAsync("/v1/destinations/hook/test", "{}", HttpStatusCode.OK);
        Assert.Null(To.All[^1].Signature);
        Assert.Equal(("Bearer second", "***"), (To.All[^1].Headers["Authorization"], masked.GetProperty("request").GetProperty("headers").GetProperty("Authorization").GetString()));
        Assert.DoesNotContain("second", masked.GetRawText() + removed.GetRawText(), StringComparison.Ordinal);

        // To another server they do not go along.
        using (var moved = await SendAsync(HttpMethod.Put, "/v1/destinations/hook", """{"type":"webhook","settings":{"url":"http://127.0.0.1:1/in"}}"""))
        {
            var problem = JsonDocument.Parse(await moved.Content.ReadAsStringAsync()).RootElement;
            Assert.Equal((HttpStatusCode.BadRequest, "secrets.bearerToken"), (moved.StatusCode, problem.GetProperty("errors")[0].GetProperty("path").GetString()));
        }

        // Settings outside of Cdp:Secrets cannot be reached.
        foreach (var name in (string[])["AdminKey", "..:AdminKey", "Cdp:AdminKey"])
        {
            using var put = await SendAsync(HttpMethod.Put, "/v1/destinations/hook", url + ""","secrets":{"bearerToken":{"setting":"NAME"}}}""".Replace("NAME", name, StringComparison.Ordinal));
            if (put.StatusCode == HttpStatusCode.BadRequest)
                continue;
            using var tried = await SendAsync(HttpMethod.Post, "/v1/destinations/hook/test", "{}");
            Assert.Equal(HttpStatusCode.BadRequest, tried.StatusCode);
        }
    }

    [Theory]
    [InlineData("""{"type":"carrier-pigeon"}""", 400, "type")]
    [InlineData("""{"type":"webhook"}""", 400, "settings.url")]
    [InlineData("""{"type":"webhook","settings":{"url":"https://a.test","colour":1}}""", 400, "settings.colour")]
    [InlineData("""{"type":"webhook","settings":{"url":"https://a.test","headers":{"Authorization":"x"}}}""", 400, "settings.headers.Authorization")]
    [InlineData("""{"type":"webhook","settings":{"url":"https://a.test","body":"{{#if}"}}""", 400, "settings.body")]
    [InlineData("""{"type":"webhook","settings":{"url":"https://a.test"},"secrets":{"password":"x"}}""", 400, "secrets.password")]
    [InlineData("""{"type":"webhook","settings":{"url":"https://a.test"},"secrets":{"signingKey":{"setting":"a b"}}}""", 400, "secrets.signingKey")]
    [InlineData("""{"type":"slack"}""", 400, "settings.url")]
    [InlineData("""{"type":"hubspot"}""", 400, "settings.accessToken")]
    [InlineData("""{"type":"salesforce","settings":{"baseUrl":"https://a.test"}}""", 400, "settings.clientId")]
    [InlineData("""{"type":"salesforce","secrets":{"clientId":"a","clientSecret":"b"}}""", 400, "settings.baseUrl")]
    [InlineData("""{"type":"salesforce","settings":{"baseUrl":"ftp://a.test"},"secrets":{"clientId":"a","clientSecret":"b"}}""", 400, "settings.baseUrl")]
    [InlineData("""{"type":"salesforce","settings":{"baseUrl":"https://a.test","externalIdField":"a/b"},"secrets":{"clientId":"a","clientSecret":"b"}}""", 400, "settings.externalIdField")]
    [InlineData("""{"type":"salesforce","settings":{"baseUrl":"https://a.test","apiVersion":"45.0"},"secrets":{"clientId":"a","clientSecret":"b"}}""", 400, "settings.apiVersion")]
    [InlineData("""{"type":"salesforce","settings":{"baseUrl":"https://a.test"},"secrets":{"clientId":"a","clientSecret":"b"},"limits":{"batchSize":201}}""", 400, "limits.batchSize")]
    [InlineData("""{"type":"pipedrive"}""", 400, "settings.apiToken")]
    [InlineData("""{"type":"pipedrive","settings":{"baseUrl":"a"},"secrets":{"apiToken":"a"}}""", 400, "settings.baseUrl")]
    [InlineData("""{"type":"pipedrive","secrets":{"apiToken":"a"},"limits":{"batchSize":2}}""", 400, "limits.batchSize")]
    [InlineData("""{"type":"servicebus","settings":{"topic":"t"}}""", 400, "settings.namespace")]
    [InlineData("""{"type":"blob","subscriptions":[{"on":"moon"}]}""", 400, "subscriptions[0].on")]
    [InlineData("""{"type":"blob","subscriptions":[{"on":"event","segments":["a"]}]}""", 400, "subscriptions[0].segments")]
    [InlineData("""{"type":"blob","subscriptions":[{"on":"event","events":["$x"]}]}""", 400, "subscriptions[0].events[0]")]
    [InlineData("""{"type":"blob","subscriptions":[{"on":"event","filter":{"a.b":{"eq":1}}}]}""", 400, "subscriptions[0].filter.a.b")]
    [InlineData("""{"type":"blob","subscriptions":[{"on":"event","mapping":{"a":{"path":".."}}}]}""", 422, "subscriptions[0].mapping.a.path")]
    [InlineData("""{"type":"blob","limits":{"batchSize":1000}}""", 400, "limits.batchSize")]
    [InlineData("""{"type":"blob","limits":{"ratePerSecond":0}}""", 400, "limits.ratePerSecond")]
    [InlineData("""{"id":"other","type":"blob"}""", 400, "id")]
    public async Task Mistake_IsNamedWithItsPath(string body, int status, string path)
    {
        using var answer = await SendAsync(HttpMethod.Put, "/v1/destinations/d", body);
        var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal((status, path), ((int)answer.StatusCode, problem.GetProperty("errors")[0].GetProperty("path").GetString()));
    }

    [Fact]
    public async Task Destination_ThatIsDeletedOrUnknown_IsNotThere_AndConditionsAreKept()
    {
        await App.PutDestinationAsync("hook", $$"""{"type":"blob"}""");
        using (var again = await SendAsync(HttpMethod.Put, "/v1/destinations/hook", """{"type":"blob"}""", ("If-None-Match", "*")))
            Assert.Equal(HttpStatusCode.PreconditionFailed, again.StatusCode);
        using (var deleted = await SendAsync(HttpMethod.Delete, "/v1/destinations/hook", null))
            Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        using (var deleted = await SendAsync(HttpMethod.Delete, "/v1/destinations/hook", null))
            Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        foreach (var path in (string[])["", "/deliveries", "/deliveries/dlv_00000000000000000000000000"])
        {
            using var gone = await SendAsync(HttpMethod.Get, "/v1/destinations/hook" + path, null);
            Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        }

        Assert.Empty((await App.ReadJsonAsync("/v1/destinations")).GetProperty("data").EnumerateArray());
        using var made = await SendAsync(HttpMethod.Put, "/v1/destinations/hook", """{"type":"blob"}""");
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
    }

    [Fact]
    public async Task Url_Inside_IsRefused_WhereNoSettingAllowsIt()
    {
        await using var strict = await TestApp.StartAsync();
        using var put = await strict.SendAsync(
            HttpMethod.Put, "/v1/destinations/hook", """{"type":"webhook","settings":{"url":"https://169.254.169.254/metadata"}}""", new AuthenticationHeaderValue("Bearer", TestApp.ApiKey));
        Assert.Equal(HttpStatusCode.BadRequest, put.StatusCode);
        Assert.Contains("Cdp__AllowPrivateDestinations", await put.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private async Task SettledAsync(string destination, int count) => await TestApp.WaitUntilAsync(async () =>
    {
        var all = await App.DeliveriesAsync(destination);
        return all.Count == count && all.TrueForAll(d => d.State() is not ("queued" or "retrying"));
    });

    private async Task PutAsync(string path, string json)
    {
        using var put = await SendAsync(HttpMethod.Put, path, json);
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? json, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", TestApp.ApiKey);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        return await App.Client.SendAsync(request);
    }
}
