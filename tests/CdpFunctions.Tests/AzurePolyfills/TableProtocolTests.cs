using System.Net;
using System.Text;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Data.Tables;
using Azure.Data.Tables.Models;
using Xunit;

namespace CdpFunctions.Tests.AzurePolyfills;

/// <summary>What goes over the wire, and answers the emulator never gives.</summary>
public sealed class TableProtocolTests
{
    private readonly ScriptedService service = new();

    [Fact]
    public async Task EmptyPages_WithContinuation_AreFollowed()
    {
        service.Answer(200, """{"value":[{"odata.etag":"W/\"1\"","PartitionKey":"p","RowKey":"a"}]}""", ("x-ms-continuation-NextPartitionKey", "1!4!cA--"), ("x-ms-continuation-NextRowKey", "1!4!YQ--"));
        service.Answer(200, """{"value":[]}""", ("x-ms-continuation-NextPartitionKey", "1!4!cQ--"), ("x-ms-continuation-NextRowKey", "1!4!Yg--"));
        service.Answer(200, """{"value":[]}""", ("x-ms-continuation-NextPartitionKey", "1!4!cg+/"));
        service.Answer(200, """{"odata.metadata":"m","value":[{"RowKey":"b","PartitionKey":"p","odata.etag":"W/\"2\""}]}""");

        var keys = new List<string>();
        await foreach (var row in Table().QueryAsync<TableEntity>("PartitionKey eq 'p'", 1))
            keys.Add(row.RowKey);

        Assert.Equal(["a", "b"], keys);
        Assert.Equal(
            [
                "?$top=1&$filter=PartitionKey%20eq%20%27p%27",
                "?$top=1&$filter=PartitionKey%20eq%20%27p%27&NextPartitionKey=1%214%21cA--&NextRowKey=1%214%21YQ--",
                "?$top=1&$filter=PartitionKey%20eq%20%27p%27&NextPartitionKey=1%214%21cQ--&NextRowKey=1%214%21Yg--",
                "?$top=1&$filter=PartitionKey%20eq%20%27p%27&NextPartitionKey=1%214%21cg%2B%2F",
            ],
            service.Requests.Select(static request => request.Uri.Query));
    }

    [Fact]
    public async Task Types_AreTaken_BeforeOrAfterTheValue()
    {
        service.Answer(200, """{"odata.etag":"W/\"1\"","A@odata.type":"Edm.Binary","A":"AQI=","B":"5","B@odata.type":"Edm.Int64","C@odata.type":"Edm.Double","C":"NaN","D":3,"D@odata.type":"Edm.Double","Timestamp":"2026-01-02T03:04:05.6789Z","E":7.5,"F":null}""");

        var row = (await Table().GetEntityAsync<TableEntity>("p", "k")).Value;

        Assert.Equal([1, 2], row.GetBinary("A"));
        Assert.Equal((5L, double.NaN, 3.0, 7.5, null), (row.GetInt64("B"), row.GetDouble("C"), row.GetDouble("D"), row.GetDouble("E"), row.GetString("F")));
        Assert.Equal("2026-01-02T03:04:05.6789000+00:00", row.Timestamp!.Value.ToString("o"));
        Assert.Equal("W/\"1\"", row.ETag.ToString());
    }

    [Fact]
    public async Task Insert_AsksForNoContent_AndReadsForMinimalMetadata()
    {
        service.Answer(204, "", ("ETag", "W/\"1\""));
        service.Answer(200, "{}");

        await Table().AddEntityAsync(new TableEntity("p", "k"));
        await Table().GetEntityAsync<TableEntity>("p", "k");

        Assert.Equal(("POST", "return-no-content", """{"PartitionKey":"p","RowKey":"k"}"""), (service.Requests[0].Method, service.Requests[0].Header("Prefer"), service.Requests[0].Body));
        Assert.Equal(("GET", "application/json;odata=minimalmetadata"), (service.Requests[1].Method, service.Requests[1].Header("Accept").Replace(" ", "", StringComparison.Ordinal)));
        Assert.Equal("/account/table(PartitionKey='p',RowKey='k')", service.Requests[1].Uri.AbsolutePath);
        Assert.All(service.Requests, static request => Assert.StartsWith("SharedKeyLite account:", request.Header("Authorization"), StringComparison.Ordinal));
        Assert.All(service.Requests, static request => Assert.Equal("2020-12-06", request.Header("x-ms-version")));
    }

    [Fact]
    public async Task Bodies_AreAscii_AndBinaryIsPlainBase64()
    {
        service.Answer(204, "");

        await Table().AddEntityAsync(new TableEntity("p", "é") { { "ü", "🙂" }, { "D", new byte[] { 0xfb, 0xef, 0xbe, 0xff } } });

        Assert.Equal("""{"PartitionKey":"p","RowKey":"\u00E9","\u00FC":"\uD83D\uDE42","D@odata.type":"Edm.Binary","D":"++++/w=="}""", Assert.Single(service.Requests).Body);
    }

    [Fact]
    public async Task Retries_SendTheSameBody_AndAreSignedAgain()
    {
        service.Answer(503, "");
        service.Answer(500, "");
        service.Answer(204, "", ("ETag", "W/\"1\""));

        await Table().UpsertEntityAsync(new TableEntity("p", "k") { { "A", new string('x', 10_000) } });

        Assert.Equal(3, service.Requests.Count);
        Assert.Single(service.Requests.Select(static request => request.Body).Distinct(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Transaction_AnsweredByTheServicesError_HasItsIndexAndCode()
    {
        const string body = """{"odata.error":{"code":"EntityAlreadyExists","message":{"lang":"en-US","value":"7:The specified entity already exists.\nRequestId:x"}}}""";
        service.Answer(
            202,
            $"--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_2\r\n\r\n--changesetresponse_2\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 409 Conflict\r\nX-Content-Type-Options: nosniff\r\nContent-Type: application/json;odata=minimalmetadata;streaming=true;charset=utf-8\r\n\r\n{body}\r\n--changesetresponse_2--\r\n--batchresponse_1--\r\n",
            ("Content-Type", "multipart/mixed; boundary=batchresponse_1"));

        var failure = await Assert.ThrowsAsync<TableTransactionFailedException>(() => Table().SubmitTransactionAsync(
            Enumerable.Range(0, 8).Select(static i => new TableTransactionAction(TableTransactionActionType.Add, new TableEntity("p", $"k{i}")))));

        Assert.Equal((409, "EntityAlreadyExists", 7), (failure.Status, failure.ErrorCode, failure.FailedTransactionActionIndex));
    }

    [Theory]
    [InlineData(503, "not json")]
    [InlineData(403, "")]
    [InlineData(403, """{"odata.error":{"code":"AuthorizationPermissionMismatch","message":{"lang":"en-US","value":"This request is not authorized."}}}""")]
    public async Task Transaction_RefusedAsAWhole_IsNoTransactionFailure(int status, string body)
    {
        for (var i = 0; i < 4; i++)
            service.Answer(status, body);

        var failure = await Assert.ThrowsAsync<RequestFailedException>(() => Table().SubmitTransactionAsync(
            [new TableTransactionAction(TableTransactionActionType.Add, new TableEntity("p", "k"))]));

        Assert.Equal(status, failure.Status);
        Assert.Equal(body.Contains("odata", StringComparison.Ordinal) ? "AuthorizationPermissionMismatch" : null, failure.ErrorCode);
    }

    [Fact]
    public async Task TokenCredential_IsSentAsABearerToken()
    {
        service.Answer(204, "");
        var client = new TableServiceClient(new Uri("https://account.table.core.windows.net"), new FixedToken(), Options());

        await client.GetTableClient("table").AddEntityAsync(new TableEntity("p", "k"));

        var request = Assert.Single(service.Requests);
        Assert.Equal("Bearer https://storage.azure.com/.default", request.Header("Authorization"));
        Assert.Equal("https://account.table.core.windows.net/table", request.Uri.AbsoluteUri);
        Assert.Equal("account", client.AccountName);
    }

    [Fact]
    public async Task Policies_PerCall_SeeACallOnce()
    {
        service.Answer(503, "");
        service.Answer(204, "");
        var counter = new CountingPolicy();
        var options = Options();
        options.AddPolicy(counter, HttpPipelinePosition.PerCall);

        await Table(options).UpsertEntityAsync(new TableEntity("p", "k"));

        Assert.Equal((1, 2), (counter.Calls, service.Requests.Count));
    }

    [Fact]
    public void Filters_QuoteAndMarkValues()
    {
        var time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(1));

        Assert.Equal("A eq 'it''s'", TableClient.CreateQueryFilter($"A eq {"it's"}"));
        Assert.Equal("A eq 1 and B eq 2L and C eq true and D eq 0.5", TableClient.CreateQueryFilter($"A eq {1} and B eq {2L} and C eq {true} and D eq {0.5}"));
        Assert.Equal("A ge datetime'2026-01-02T02:04:05.0000000Z'", TableClient.CreateQueryFilter($"A ge {time}"));
        Assert.Equal("A eq guid'00000000-0000-0000-0000-000000000000' or B eq X'01ff'", TableServiceClient.CreateQueryFilter($"A eq {Guid.Empty} or B eq {new byte[] { 1, 255 }}"));
        Assert.Throws<ArgumentException>(() => TableClient.CreateQueryFilter($"A eq {new object()}"));
    }

    [Theory]
    [InlineData("UseDevelopmentStorage=true", "http://127.0.0.1:10002/devstoreaccount1")]
    [InlineData("AccountName=acc;AccountKey=a2V5", "https://acc.table.core.windows.net/")]
    [InlineData("DefaultEndpointsProtocol=http;AccountName=acc;AccountKey=a2V5;EndpointSuffix=core.chinacloudapi.cn", "http://acc.table.core.chinacloudapi.cn/")]
    [InlineData("AccountName=acc;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:5/acc;", "http://127.0.0.1:5/acc")]
    public void ConnectionString_GivesTheEndpoint(string connectionString, string endpoint) =>
        Assert.Equal(endpoint, new TableServiceClient(connectionString).Uri.AbsoluteUri);

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("AccountName=acc")]
    [InlineData("AccountName=acc;AccountKey=no base64!")]
    public void ConnectionString_Malformed_Throws(string connectionString) =>
        Assert.Throws<InvalidOperationException>(() => new TableServiceClient(connectionString));

    [Fact]
    public void ErrorCodes_CompareWithText()
    {
        string? code = "EntityAlreadyExists";

        Assert.True(code == TableErrorCode.EntityAlreadyExists);
        Assert.True(TableErrorCode.EntityAlreadyExists == code);
        Assert.True(code != TableErrorCode.ResourceNotFound);
        Assert.False((string?)null == TableErrorCode.ResourceNotFound);
    }

    private TableClientOptions Options() => new()
    {
        Transport = new HttpClientTransport(new HttpClient(service)),
        Retry = { Delay = TimeSpan.FromMilliseconds(1), MaxDelay = TimeSpan.FromMilliseconds(1) },
    };

    private TableClient Table(TableClientOptions? options = null) =>
        new TableServiceClient("AccountName=account;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:5/account", options ?? Options()).GetTableClient("table");

    private sealed record Request(string Method, Uri Uri, string Body, Dictionary<string, string> Headers)
    {
        public string Header(string name) => Headers.GetValueOrDefault(name, "");
    }

    /// <summary>Gives the answers it was told, in order, and keeps the requests.</summary>
    private sealed class ScriptedService : HttpMessageHandler
    {
        private readonly Queue<HttpResponseMessage> answers = [];

        public List<Request> Requests { get; } = [];

        public void Answer(int status, string body, params (string Name, string Value)[] headers)
        {
            var answer = new HttpResponseMessage((HttpStatusCode)status) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
            foreach (var (name, value) in headers)
                if (!answer.Headers.TryAddWithoutValidation(name, value))
                    answer.Content.Headers.TryAddWithoutValidation(name, value);
            answers.Enqueue(answer);
        }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var body = request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken);
            var headers = request.Headers.ToDictionary(static header => header.Key, static header => string.Join(",", header.Value), StringComparer.OrdinalIgnoreCase);
            Requests.Add(new Request(request.Method.Method, request.RequestUri!, body, headers));
            return answers.Dequeue();
        }
    }

    private sealed class FixedToken : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            new(requestContext.Scopes[0], TimeProvider.System.GetUtcNow().AddHours(1));

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            new(GetToken(requestContext, cancellationToken));
    }

    private sealed class CountingPolicy : HttpPipelineSynchronousPolicy
    {
        public int Calls { get; private set; }

        public override void OnSendingRequest(HttpMessage message) => Calls++;
    }
}
