using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Cdp.Destinations;
using Cdp.Destinations.Pipedrive;
using Cdp.Destinations.Salesforce;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace CdpFunctions.Tests.Destinations;

/// <summary>Salesforce and Pipedrive against local servers that answer as their documentation says: through the whole app, and the types alone where a test needs one call.</summary>
public sealed class CrmDestinationTests : IAsyncLifetime
{
    private const string PlanKey = "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd";
    private const string SegmentsKey = "0123456789012345678901234567890123456789";
    private const string TokenPath = "/services/oauth2/token";
    private const string UpsertPath = "/services/data/v60.0/composite/sobjects/Contact/Email";

    private readonly DestinationHttp http = new(allowPrivate: true, TimeProvider.System);
    private Receiver? receiver;

    private Receiver To => receiver!;

    public async Task InitializeAsync() => receiver = await Receiver.StartAsync();

    public async Task DisposeAsync()
    {
        http.Dispose();
        await To.DisposeAsync();
    }

    [Fact]
    public async Task Salesforce_GetsContactsByEmail_OnlyWhatChanged_AndARefusedOneIsNamed()
    {
        using var salesforce = new SalesforceServer(To);
        await using var app = await DeliveryApp.StartAsync();
        await PutSegmentAsync(app);
        await app.PutDestinationAsync("crm", $$"""
            {"type":"salesforce","settings":{"baseUrl":"{{To.Address}}"},"secrets":{"clientId":"app","clientSecret":"s&cret"},
             "subscriptions":[{"on":"profile","traits":["firstName","lastName","plan"],"exceptSources":["crm"]}]}
            """);
        await app.IdentifyAsync("i1", "ann", """{"email":"Ann@Mail.test","firstName":"Ann","lastName":"Lee","plan":"free","private":"x"}""");
        await SettledAsync(app, 1);
        await app.IdentifyAsync("i2", "ann", """{"plan":"pro"}""");
        await SettledAsync(app, 2);
        await app.IdentifyAsync("i3", "ann", """{"private":"y"}""");
        await app.IdentifyAsync("i4", "bob", """{"email":"bob@mail.test","plan":"free"}""");
        await app.IdentifyAsync("i5", "nobody", """{"plan":"free"}""");
        await SettledAsync(app, 4);

        var records = Upserts.SelectMany(RecordsOf).ToList();
        Assert.Equal(
            [
                """{"attributes":{"type":"Contact"},"Email":"ann@mail.test","FirstName":"Ann","LastName":"Lee","plan__c":"free","cdp_segments__c":""}""",
                // The segment is entered by the commit that changes the trait.
                """{"attributes":{"type":"Contact"},"Email":"ann@mail.test","plan__c":"pro","cdp_segments__c":"pros"}""",
                """{"attributes":{"type":"Contact"},"Email":"bob@mail.test","plan__c":"free","cdp_segments__c":""}""",
            ],
            records.Select(r => r.GetRawText()));
        var dead = Assert.Single(await app.DeliveriesAsync("crm", "&state=dead"));
        Assert.Equal("Salesforce refused the contact: REQUIRED_FIELD_MISSING.", dead.GetProperty("attempts")[0].GetProperty("error").GetString());
        var held = Assert.Single(await app.DeliveriesAsync("crm", "&state=held"));
        Assert.Equal("no-email", held.GetProperty("heldBecause").GetString());
        Assert.Single(To.All, r => r.Path == TokenPath);

        var shown = (await app.PostAsync("/v1/destinations/crm/test", "{}", HttpStatusCode.OK)).GetRawText() + (await app.ReadJsonAsync("/v1/destinations/crm")).GetRawText()
            + (await app.ReadJsonAsync("/v1/destinations/crm/deliveries")).GetRawText();
        Assert.Contains("sample@example.com", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("s&cret", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("token-1", shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Salesforce_TellsWhichOfABatchWereRefused_AndOfOneAddressTheLaterSpeaks()
    {
        using var salesforce = new SalesforceServer(To);
        var type = new SalesforceDestination(http);
        var result = await type.SendAsync(Salesforce(), [Item("a@x.test", """{"LastName":"A"}"""), Item("b@x.test", """{"plan__c":"b"}"""), Item("A@x.test", """{"LastName":"A2"}""")], default);
        Assert.Equal(SendStatus.Delivered, result.Status);
        Assert.Equal((1, "Salesforce refused the contact: REQUIRED_FIELD_MISSING."), Assert.Single(result.RefusedItems!.Select(r => (r.Key, r.Value))));
        Assert.Equal(["A2", null], RecordsOf(Assert.Single(Upserts)).Select(r => r.TryGetProperty("LastName", out var name) ? name.GetString() : null));
        Assert.Equal("***", result.Exchange.RequestHeaders.First(h => h.Key == "Authorization").Value);
    }

    [Fact]
    public async Task Salesforce_SendsTwoHundred_AndReadsTheWholeAnswer()
    {
        using var salesforce = new SalesforceServer(To);
        var items = Enumerable.Range(0, 200).Select(i => Item($"p{i}@x.test", i == 199 ? """{"plan__c":"b"}""" : """{"LastName":"A"}""")).ToList();
        var result = await new SalesforceDestination(http).SendAsync(Salesforce(), items, default);
        Assert.Equal((SendStatus.Delivered, 199), (result.Status, Assert.Single(result.RefusedItems!).Key));
        Assert.True(result.Exchange.ResponseBytes > 4 * 1024);
    }

    [Fact]
    public async Task Salesforce_TokenThatIsRefused_IsFetchedAnewOnce()
    {
        using var salesforce = new SalesforceServer(To);
        var type = new SalesforceDestination(http);
        Assert.Equal(SendStatus.Delivered, (await type.SendAsync(Salesforce(), [Item("a@x.test", """{"LastName":"A"}""")], default)).Status);
        salesforce.Valid = "token-2";
        Assert.Equal(SendStatus.Delivered, (await type.SendAsync(Salesforce(), [Item("a@x.test", """{"LastName":"B"}""")], default)).Status);
        Assert.Equal([TokenPath, UpsertPath, UpsertPath, TokenPath, UpsertPath], To.All.Select(r => r.Path));

        // One that no token helps is not asked for ever.
        salesforce.Valid = "none";
        var result = await type.SendAsync(Salesforce(), [Item("a@x.test", """{"LastName":"C"}""")], default);
        Assert.Equal((SendStatus.Refused, 401, "Salesforce refused the request: INVALID_SESSION_ID."), (result.Status, result.Exchange.Status, result.Exchange.Error));
        Assert.Equal(8, To.All.Count);
    }

    [Fact]
    public async Task Salesforce_NoToken_IsSaidWithoutTheSecret()
    {
        To.Answer = (context, _) =>
        {
            context.Response.StatusCode = 400;
            return context.Response.WriteAsync("""{"error":"invalid_client","error_description":"s&cret is wrong"}""");
        };
        var result = await new SalesforceDestination(http).SendAsync(Salesforce(), [Item("a@x.test", """{"LastName":"A"}""")], default);
        Assert.Equal((SendStatus.Refused, "Salesforce gave no token: invalid_client."), (result.Status, result.Exchange.Error));
        Assert.Equal("grant_type=client_credentials&client_id=app&client_secret=s%26cret", To.All[0].Body);
        Assert.DoesNotContain("cret is", result.Exchange.ResponseBody ?? "", StringComparison.Ordinal);
        Assert.DoesNotContain("s%26cret", result.Exchange.RequestBody, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(429, "[]", SendStatus.Throttled, 7)]
    [InlineData(403, """[{"message":"m","errorCode":"REQUEST_LIMIT_EXCEEDED"}]""", SendStatus.Throttled, null)]
    [InlineData(400, """[{"message":"m","errorCode":"INVALID_FIELD"}]""", SendStatus.Refused, null)]
    [InlineData(503, "down", SendStatus.Retry, 7)]
    [InlineData(200, """[{"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"m","fields":[]}]}]""", SendStatus.Retry, null)]
    [InlineData(200, "[", SendStatus.Retry, null)]
    [InlineData(200, "[]", SendStatus.Retry, null)]
    public async Task Salesforce_OtherAnswers_AreReadForWhatTheyMean(int status, string body, SendStatus expected, int? after)
    {
        To.Answer = (context, _) =>
        {
            if (context.Request.Path == TokenPath)
                return context.Response.WriteAsync("""{"access_token":"t"}""");
            context.Response.StatusCode = status;
            if (after is not null)
                context.Response.Headers.RetryAfter = after.Value.ToString(CultureInfo.InvariantCulture);
            return context.Response.WriteAsync(body);
        };
        var result = await new SalesforceDestination(http).SendAsync(Salesforce(), [Item("a@x.test", """{"LastName":"A"}""")], default);
        Assert.Equal((expected, after), (result.Status, (int?)result.RetryAfter?.TotalSeconds));
    }

    [Fact]
    public async Task Salesforce_AnswerOfABatchThatCannotBeRead_SendsEachAlone()
    {
        To.Answer = (context, _) => context.Response.WriteAsync(context.Request.Path == TokenPath ? """{"access_token":"t"}""" : "[{");
        var result = await new SalesforceDestination(http).SendAsync(Salesforce(), [Item("a@x.test", "{}"), Item("b@x.test", "{}")], default);
        Assert.Equal(SendStatus.Refused, result.Status);
    }

    [Fact]
    public async Task Pipedrive_MakesAPersonOnce_ThenSendsOnlyWhatChanged()
    {
        var pipedrive = new PipedriveServer(To);
        await using var app = await DeliveryApp.StartAsync();
        await PutSegmentAsync(app);
        var mapping = $$$"""{"name":{"path":"profile.traits.firstName"},"{{{PlanKey}}}":{"path":"profile.traits.plan"},"{{{SegmentsKey}}}":{"path":"profile.segments"}}""";
        await app.PutDestinationAsync("crm", $$"""
            {"type":"pipedrive","settings":{"baseUrl":"{{To.Address}}"},"secrets":{"apiToken":"api-1"},
             "subscriptions":[{"on":"profile","traits":["firstName","plan"],"mapping":{{mapping}},"exceptSources":["crm"]}]}
            """);
        await app.IdentifyAsync("i1", "ann", """{"email":"Ann+1@Mail.test","firstName":"Ann","plan":"free"}""");
        await SettledAsync(app, 1);
        await app.IdentifyAsync("i2", "ann", """{"plan":"pro"}""");
        await SettledAsync(app, 2);
        await app.IdentifyAsync("i3", "ann", """{"private":"y"}""");
        await app.IdentifyAsync("i4", "nobody", """{"plan":"free"}""");
        await SettledAsync(app, 3);

        var made = Assert.Single(To.All, r => r.Path == "/api/v2/persons");
        Assert.Equal(
            $$$"""{"name":"Ann","emails":[{"value":"ann+1@mail.test","primary":true}],"custom_fields":{"{{{PlanKey}}}":"free","{{{SegmentsKey}}}":""}}""", made.Body);
        var patched = Assert.Single(To.All, r => r.Path == "/api/v2/persons/1");
        Assert.Equal($$$"""{"custom_fields":{"{{{PlanKey}}}":"pro","{{{SegmentsKey}}}":"pros"}}""", patched.Body);
        Assert.Single(pipedrive.Persons);
        var held = Assert.Single(await app.DeliveriesAsync("crm", "&state=held"));
        Assert.Equal("no-email", held.GetProperty("heldBecause").GetString());
        var shown = (await app.PostAsync("/v1/destinations/crm/test", "{}", HttpStatusCode.OK)).GetRawText() + (await app.ReadJsonAsync("/v1/destinations/crm")).GetRawText();
        Assert.Contains("\"x-api-token\":\"***\"", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("api-1", shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pipedrive_PersonThatIsThere_IsChanged_TheOldestOfSeveral_AndNobodyWhoOnlyResembles()
    {
        var pipedrive = new PipedriveServer(To);
        pipedrive.Persons[3] = "xa@x.test";
        pipedrive.Persons[9] = "a@x.test";
        pipedrive.Persons[7] = "A@x.test";
        pipedrive.IsLoose = true;
        var result = await new PipedriveDestination(http, TimeProvider.System).SendAsync(
            Pipedrive(), [Item("a@x.test", $$"""{"name":"A","{{PlanKey}}":null,"label_ids":[4]}""", PlanKey, "label_ids")], default);
        Assert.Equal(SendStatus.Delivered, result.Status);
        Assert.Equal(["/api/v2/persons/search", "/api/v2/persons/7"], To.All.Select(r => r.Path));
        Assert.Equal($$$"""{"label_ids":[4],"custom_fields":{"{{{PlanKey}}}":null}}""", To.All[1].Body);
    }

    [Fact]
    public async Task Pipedrive_Repetition_MakesNobodyTwice_NorDoTwoAtOnce_WhileTheSearchIsBehind()
    {
        var pipedrive = new PipedriveServer(To) { IsBehind = true };
        var type = new PipedriveDestination(http, TimeProvider.System);
        var item = Item("a@x.test", """{"name":"A"}""");
        var results = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => type.SendAsync(Pipedrive(), [item], default)));
        Assert.All(results, r => Assert.Equal(SendStatus.Delivered, r.Status));
        Assert.Single(pipedrive.Persons);

        // Another process, later.
        pipedrive.IsBehind = false;
        Assert.Equal(SendStatus.Delivered, (await new PipedriveDestination(http, TimeProvider.System).SendAsync(Pipedrive(), [item], default)).Status);
        Assert.Single(pipedrive.Persons);
    }

    [Fact]
    public async Task Pipedrive_PersonThatWasDeletedThere_IsMadeByTheNextTry_WithAllThereIs()
    {
        var pipedrive = new PipedriveServer(To);
        var type = new PipedriveDestination(http, TimeProvider.System);
        var item = Item("a@x.test", $$"""{"name":"A","{{PlanKey}}":"pro"}""", PlanKey);
        await type.SendAsync(Pipedrive(), [item], default);
        pipedrive.Persons.Clear();
        Assert.Equal(SendStatus.Retry, (await type.SendAsync(Pipedrive(), [item], default)).Status);
        Assert.Equal(SendStatus.Delivered, (await type.SendAsync(Pipedrive(), [item], default)).Status);
        Assert.Equal($$$"""{"name":"A","emails":[{"value":"a@x.test","primary":true}],"custom_fields":{"{{{PlanKey}}}":"pro"}}""", To.All[^1].Body);
    }

    [Theory]
    [InlineData("x-ratelimit-reset", "10", 10)]
    [InlineData("Retry-After", "4", 4)]
    [InlineData("x-ratelimit-reset", "soon", null)]
    public async Task Pipedrive_429_IsAPause_AsLongAsItSays(string header, string value, int? after)
    {
        To.Answer = (context, _) =>
        {
            context.Response.StatusCode = 429;
            context.Response.Headers[header] = value;
            return Task.CompletedTask;
        };
        var result = await new PipedriveDestination(http, TimeProvider.System).SendAsync(Pipedrive(), [Item("a@x.test", """{"name":"A"}""")], default);
        Assert.Equal((SendStatus.Throttled, after), (result.Status, (int?)result.RetryAfter?.TotalSeconds));
        Assert.Equal("/api/v2/persons/search", Assert.Single(To.All).Path);
        Assert.DoesNotContain("a@x.test", result.Exchange.Url, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("{}")]
    [InlineData("""{"success":true,"data":{"items":[{"item":{"id":"7"}}]}}""")]
    public async Task Pipedrive_SearchThatCannotBeRead_MakesNobody(string body)
    {
        To.Answer = (context, _) => context.Response.WriteAsync(body);
        var result = await new PipedriveDestination(http, TimeProvider.System).SendAsync(Pipedrive(), [Item("a@x.test", """{"name":"A"}""")], default);
        Assert.Equal(SendStatus.Retry, result.Status);
        Assert.Single(To.All);
    }

    [Fact]
    public async Task Payload_ThatIsNoObject_IsRefused_AndAnAddressInsideIsNotCalled()
    {
        Assert.Equal(SendStatus.Refused, (await new PipedriveDestination(http, TimeProvider.System).SendAsync(Pipedrive(), [Item("a@x.test", "[1]")], default)).Status);
        Assert.Equal(SendStatus.Refused, (await new SalesforceDestination(http).SendAsync(Salesforce(), [Item("a@x.test", "[1]")], default)).Status);
        using var strict = new DestinationHttp(allowPrivate: false, TimeProvider.System);
        Assert.Equal(SendStatus.Refused, (await new PipedriveDestination(strict, TimeProvider.System).SendAsync(Pipedrive(), [Item("a@x.test", "{}")], default)).Status);
        Assert.Equal(SendStatus.Refused, (await new SalesforceDestination(strict).SendAsync(Salesforce(), [Item("a@x.test", "{}")], default)).Status);
        Assert.Equal(0, To.Arrived);
    }

    private List<Received> Upserts => [.. To.All.Where(r => r.Path == UpsertPath)];

    private static IEnumerable<JsonElement> RecordsOf(Received received) => JsonDocument.Parse(received.Body).RootElement.GetProperty("records").EnumerateArray();

    private DestinationTarget Salesforce() => new(
        "crm", Json($$"""{"baseUrl":"{{To.Address}}"}"""), 100, new Dictionary<string, string> { ["clientId"] = "app", ["clientSecret"] = "s&cret" });

    private DestinationTarget Pipedrive() => new("crm", Json($$"""{"baseUrl":"{{To.Address}}"}"""), 1, new Dictionary<string, string> { ["apiToken"] = "api-1" });

    private static Outgoing Item(string email, string payload, params string[] changed) => new(
        "dlv_1", "k", "prf_1", 1, "test", Json($$$$"""{"profile":{"identifiers":{"email":["{{{{email}}}}"]}}}"""), Json(payload), changed.Length == 0 ? null : changed.ToHashSet());

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private static async Task PutSegmentAsync(TestApp app)
    {
        using var put = await app.SendAsync(
            HttpMethod.Put, "/v1/segments/pros", """{"where":{"trait":"plan","eq":"pro"}}""", new System.Net.Http.Headers.AuthenticationHeaderValue("Bearer", TestApp.ApiKey));
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
    }

    private static Task SettledAsync(TestApp app, int count) => TestApp.WaitUntilAsync(async () =>
    {
        var all = await app.DeliveriesAsync("crm");
        return all.Count == count && all.TrueForAll(d => d.State() is not ("queued" or "retrying"));
    });

    /// <summary>Gives tokens, takes contacts with them; one that is new needs a LastName.</summary>
    private sealed class SalesforceServer : IDisposable
    {
        private readonly HashSet<string> contacts = new(StringComparer.OrdinalIgnoreCase);
        private readonly SemaphoreSlim one = new(1, 1);
        private int given;

        public SalesforceServer(Receiver receiver) => receiver.Answer = AnswerAsync;

        public string Valid { get; set; } = "token-1";

        public void Dispose() => one.Dispose();

        private async Task AnswerAsync(HttpContext context, string body)
        {
            await one.WaitAsync();
            try
            {
                if (context.Request.Path == TokenPath && context.Request.Method == "POST")
                {
                    var isRight = context.Request.ContentType == "application/x-www-form-urlencoded" && body == "grant_type=client_credentials&client_id=app&client_secret=s%26cret";
                    context.Response.StatusCode = isRight ? 200 : 400;
                    await context.Response.WriteAsync($$"""{"access_token":"token-{{++given}}","instance_url":"https://elsewhere.test","token_type":"Bearer"}""");
                }
                else if (context.Request.Headers.Authorization != "Bearer " + Valid)
                {
                    context.Response.StatusCode = 401;
                    await context.Response.WriteAsync("""[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]""");
                }
                else if (context.Request.Path != UpsertPath || context.Request.Method != "PATCH" || JsonDocument.Parse(body).RootElement.GetProperty("allOrNone").GetBoolean())
                {
                    context.Response.StatusCode = 400;
                }
                else
                {
                    await context.Response.WriteAsync($"[{string.Join(',', JsonDocument.Parse(body).RootElement.GetProperty("records").EnumerateArray().Select(Take))}]");
                }
            }
            finally
            {
                one.Release();
            }
        }

        private string Take(JsonElement record)
        {
            var email = record.GetProperty("Email").GetString()!;
            var isNew = !contacts.Contains(email);
            if (record.GetProperty("attributes").GetProperty("type").GetString() != "Contact" || (isNew && !record.TryGetProperty("LastName", out _)))
                return """{"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]","fields":["LastName"]}]}""";
            contacts.Add(email);
            return $$"""{"id":"003000000000001AAA","success":true,"errors":[],"created":{{(isNew ? "true" : "false")}}}""";
        }
    }

    /// <summary>Searches, makes and changes persons, each with one address.</summary>
    private sealed class PipedriveServer
    {
        private int last;

        public PipedriveServer(Receiver receiver) => receiver.Answer = AnswerAsync;

        public ConcurrentDictionary<int, string> Persons { get; } = new();

        /// <summary>Its search does not know of the new ones.</summary>
        public bool IsBehind { get; set; }

        /// <summary>It also finds what only contains the address.</summary>
        public bool IsLoose { get; set; }

        private Task AnswerAsync(HttpContext context, string body)
        {
            var (request, response) = (context.Request, context.Response);
            if (request.Headers["x-api-token"] != "api-1")
            {
                response.StatusCode = 401;
                return Task.CompletedTask;
            }

            switch (request.Method)
            {
                case "GET" when request.Path == "/api/v2/persons/search" && request.Query["fields"] == "email" && request.Query["exact_match"] == "true" && body.Length == 0:
                    var term = request.Query["term"].ToString();
                    var found = Persons.Where(p => !IsBehind && (IsLoose ? p.Value.Contains(term, StringComparison.OrdinalIgnoreCase) : p.Value.Equals(term, StringComparison.OrdinalIgnoreCase)));
                    var items = found.OrderByDescending(p => p.Key)
                        .Select(p => $$$"""{"result_score":0.5,"item":{"id":{{{p.Key}}},"type":"person","name":"N","emails":["{{{p.Value}}}"]}}""");
                    return response.WriteAsync($$$"""{"success":true,"data":{"items":[{{{string.Join(',', items)}}}]},"additional_data":{"next_cursor":null}}""");
                case "POST" when request.Path == "/api/v2/persons" && JsonDocument.Parse(body).RootElement.GetProperty("name").GetString() is { Length: > 0 }:
                    var id = Interlocked.Increment(ref last);
                    Persons[id] = JsonDocument.Parse(body).RootElement.GetProperty("emails")[0].GetProperty("value").GetString()!;
                    return response.WriteAsync($$$$"""{"success":true,"data":{"id":{{{{id}}}}}}""");
                case "PATCH" when int.TryParse(request.Path.Value!["/api/v2/persons/".Length..], CultureInfo.InvariantCulture, out var known) && Persons.ContainsKey(known):
                    return response.WriteAsync($$$$"""{"success":true,"data":{"id":{{{{known}}}}}}""");
                default:
                    response.StatusCode = 404;
                    return Task.CompletedTask;
            }
        }
    }
}
