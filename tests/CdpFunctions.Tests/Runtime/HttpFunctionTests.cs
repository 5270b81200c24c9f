using System.Net;
using CdpFunctions.Local.Runtime;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Xunit;

namespace CdpFunctions.Tests.Runtime;

public sealed class HttpFunctionTests : IAsyncLifetime
{
    private readonly Journal _journal = new();
    private readonly HttpClient _client = new();
    private LocalHost _host = null!;

    public async Task InitializeAsync()
    {
        _host = await LocalHost.StartAsync(TestHost.Options<Functions>(_journal));
        _client.BaseAddress = _host.Address;
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _host.DisposeAsync();
    }

    [Theory]
    [InlineData("GET", "things/7", HttpStatusCode.OK, "number 7")]
    [InlineData("GET", "THINGS/7/", HttpStatusCode.OK, "number 7")]
    [InlineData("GET", "things/seven", HttpStatusCode.NotFound, "")]
    [InlineData("DELETE", "things/7", HttpStatusCode.NotFound, "")]
    [InlineData("HEAD", "things/7", HttpStatusCode.NotFound, "")]
    [InlineData("GET", "nothing", HttpStatusCode.NotFound, "")]
    [InlineData("POST", "word/t", HttpStatusCode.OK, "type t")]
    [InlineData("POST", "word/batch", HttpStatusCode.OK, "batch")]
    [InlineData("POST", "word/x", HttpStatusCode.NotFound, "")]
    [InlineData("GET", "optional/a", HttpStatusCode.OK, "page 1 of a")]
    [InlineData("GET", "optional/a/3", HttpStatusCode.OK, "page 3 of a")]
    [InlineData("GET", "Named", HttpStatusCode.OK, "named")]
    [InlineData("PATCH", "Named", HttpStatusCode.OK, "named")]
    [InlineData("GET", "nothing-returned", HttpStatusCode.Accepted, "written")]
    [InlineData("GET", "a%20b/c%252Fd", HttpStatusCode.OK, "a b|c%2Fd")]
    public async Task Request_IsRoutedAsTheFunctionsHostDoes(string method, string path, HttpStatusCode status, string body)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await _client.SendAsync(request);
        Assert.Equal((status, body), (response.StatusCode, await response.Content.ReadAsStringAsync()));
    }

    [Fact]
    public async Task Request_RoutesThatOverlap_TheFirstRegisteredWins()
    {
        Assert.Equal("first", await _client.GetStringAsync("shadow/literal"));
        Assert.Contains(_host.Routes.FindOverlaps(), overlap => overlap.Path == "/shadow/literal");
    }

    [Fact]
    public async Task Request_FunctionThrows_500()
    {
        using var response = await _client.GetAsync("throws");
        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
    }

    [Fact]
    public async Task Request_ClassIsCreatedInAScopeOfItsOwn()
    {
        Assert.Equal("False", await _client.GetStringAsync("scope"));
        Assert.Equal("False", await _client.GetStringAsync("scope"));
    }

    [Fact]
    public async Task Request_ContextDescribesTheInvocation()
    {
        var text = await _client.GetStringAsync("context/x");
        Assert.Equal("Context|True|x|httpTrigger|True", text);
    }

    [Fact]
    public async Task Request_CallerHangsUp_TokenIsCancelled()
    {
        using var hangUp = new CancellationTokenSource();
        var call = _client.GetAsync("wait", hangUp.Token);
        Assert.Equal("waiting", await _journal.ReadAsync());
        await hangUp.CancelAsync();
        Assert.Equal("cancelled", await _journal.ReadAsync());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact]
    public async Task Request_NoRouteMatches_HookAnswers()
    {
        await using var host = await LocalHost.StartAsync(TestHost.Options<Functions>(_journal) with { NotFound = http => http.Response.WriteAsync("hook") });
        Assert.Equal("hook", await _client.GetStringAsync(new Uri(host.Address, "no/such/route")));
    }

    [Fact]
    public async Task Stop_RequestUnderWay_IsAnswered()
    {
        var host = await LocalHost.StartAsync(TestHost.Options<Functions>(_journal));
        var call = _client.GetStringAsync(new Uri(host.Address, "gate"));
        Assert.Equal("at the gate", await _journal.ReadAsync());
        var stop = host.StopAsync();
        Assert.False(stop.IsCompleted);
        _journal.Gate.SetResult();
        Assert.Equal("through", await call);
        await stop;
        await host.DisposeAsync();
    }

    [Fact]
    public async Task Start_PortTaken_SaysSo()
    {
        var error = await Assert.ThrowsAsync<LocalHostException>(() => LocalHost.StartAsync(TestHost.Options<Functions>(_journal) with { Port = _host.Address.Port }));
        Assert.Contains($"Port {_host.Address.Port} is taken", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(typeof(ReturnsValueTask), "cannot return")]
    [InlineData(typeof(UnknownParameter), "cannot have the parameter")]
    [InlineData(typeof(TwoTriggers), "exactly one")]
    [InlineData(typeof(SameNames), "Two functions are named")]
    public async Task Start_FunctionThatCannotBeBound_SaysWhich(Type functions, string part)
    {
        var error = await Assert.ThrowsAsync<LocalHostException>(() => LocalHost.StartAsync(TestHost.Options<Functions>(_journal) with { FunctionTypes = [functions] }));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_DisabledFunction_IsNotRouted()
    {
        await using var host = await LocalHost.StartAsync(TestHost.Options<Functions>(_journal, ("AzureWebJobs.Named.Disabled", "true")));
        using var response = await _client.GetAsync(new Uri(host.Address, "Named"));
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    private sealed class Functions(Journal journal, ScopedThing scoped)
    {
        [Function("Number")]
        public IResult Number([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "things/{id:int}")] HttpRequest request, int id) => Results.Text($"number {id}");

        [Function("Word")]
        public Task<IResult> Word([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "word/{type:regex(^(t|i|p|g|a|s)$)}")] HttpRequest request, string type) =>
            Task.FromResult(Results.Text($"type {type}"));

        [Function("Batch")]
        public static IResult Batch([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "word/batch")] HttpRequest request) => Results.Text("batch");

        [Function("Optional")]
        public IResult Optional([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "optional/{key}/{page:int?}")] HttpRequest request, string key, int? page) =>
            Results.Text($"page {page ?? 1} of {key}");

        [Function("Named")]
        public IResult Named([HttpTrigger(AuthorizationLevel.Anonymous)] HttpRequest request) => Results.Text("named");

        [Function("NothingReturned")]
        public async Task NothingReturned([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "nothing-returned")] HttpRequest request)
        {
            request.HttpContext.Response.StatusCode = StatusCodes.Status202Accepted;
            await request.HttpContext.Response.WriteAsync("written");
        }

        [Function("Decoded")]
        public IResult Decoded([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "a b/{value}")] HttpRequest request, string value) => Results.Text($"a b|{value}");

        [Function("ShadowFirst")]
        public IResult ShadowFirst([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "shadow/{any}")] HttpRequest request) => Results.Text("first");

        [Function("ShadowSecond")]
        public IResult ShadowSecond([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "shadow/literal")] HttpRequest request) => Results.Text("second");

        [Function("Throws")]
        public IResult Throws([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "throws")] HttpRequest request) => throw new InvalidOperationException("on purpose");

        [Function("Scope")]
        public IResult Scope([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "scope")] HttpRequest request) => Results.Text(scoped.IsDisposed.ToString());

        [Function("Context")]
        public IResult Context([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "context/{value}")] HttpRequest request, FunctionContext context) =>
            Results.Text(string.Join('|', context.FunctionDefinition.Name, Guid.TryParse(context.InvocationId, out _), context.BindingContext.BindingData["value"],
                context.FunctionDefinition.InputBindings["request"].Type, context.GetHttpContext() == request.HttpContext));

        [Function("Wait")]
        public async Task Wait([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "wait")] HttpRequest request, CancellationToken cancellationToken)
        {
            journal.Write("waiting");
            await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            journal.Write("cancelled");
        }

        [Function("Gate")]
        public async Task<IResult> Gate([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "gate")] HttpRequest request)
        {
            journal.Write("at the gate");
            await journal.Gate.Task;
            return Results.Text("through");
        }
    }

    private sealed class ReturnsValueTask
    {
        [Function("F")]
        public ValueTask Run([HttpTrigger] HttpRequest request) => ValueTask.CompletedTask;
    }

    private sealed class UnknownParameter
    {
        [Function("F")]
        public void Run([HttpTrigger] HttpRequest request, HttpClient client) => client.CancelPendingRequests();
    }

    private sealed class TwoTriggers
    {
        [Function("F")]
        public void Run([HttpTrigger] HttpRequest request, [QueueTrigger("q")] string message)
        {
        }
    }

    private sealed class SameNames
    {
        [Function("F")]
        public void One([HttpTrigger] HttpRequest request)
        {
        }

        [Function("f")]
        public void Two([HttpTrigger] HttpRequest request)
        {
        }
    }
}
