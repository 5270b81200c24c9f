using CdpFunctions.Local.Runtime;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Constraints;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace CdpFunctions.Tests.Runtime;

/// <summary>
/// The Functions host routes with ASP.NET Core's older router: a collection of routes tried in order, each with a constraint on the method.
/// That router is public, so the local runtime is compared with it.
/// </summary>
public sealed class HostRouterTests : IAsyncLifetime
{
    private readonly HttpClient _client = new();
    private LocalHost _host = null!;
    private RouteCollection _hostRouter = null!;
    private ServiceProvider _services = null!;

    public async Task InitializeAsync()
    {
        _host = await LocalHost.StartAsync(TestHost.Options<Functions>(new Journal()));
        _services = new ServiceCollection().AddLogging().AddRouting().BuildServiceProvider();
        _hostRouter = HostRouter(_host.Routes, _services.GetRequiredService<IInlineConstraintResolver>());
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _services.DisposeAsync();
        await _host.DisposeAsync();
    }

    public static TheoryData<string, string> Requests()
    {
        string[] methods = ["GET", "POST", "HEAD", "DELETE", "OPTIONS"];
        string[] paths =
        [
            "/", "/v1", "/v1/", "/v1/t", "/V1/T", "/v1/t/", "/v1/t//", "//v1/t", "/v1/x", "/v1/ti", "/v1/t%0A", "/v1/t%2F", "/v1/t/u", "/v1/track", "/v1/Track", "/v1/batch",
            "/v1/number/5", "/v1/number/-5", "/v1/number/five", "/v1/number/99999999999", "/v1/code/ab12", "/v1/code/ab123", "/v1/code/AB12", "/v1/word/a%7Cb",
            "/v1/tail", "/v1/tail/a", "/v1/tail/a/b/c", "/v1/optional", "/v1/optional/7", "/v1/optional/7/8", "/pixel.gif", "/pixel.GIF", "/pixel.jpg",
            "/v1/profiles/email:a@b.c", "/v1/profiles/email:~YUBi", "/v1/profiles/user_id:50%25", "/v1/profiles/user_id:%C3%A4", "/v1/profiles/a%2Fb", "/v1/profiles/a+b",
            "/v1/shadow/literal", "/v1/shadow/other",
        ];
        var requests = new TheoryData<string, string>();
        foreach (var method in methods)
        {
            foreach (var path in paths) requests.Add(method, path);
        }
        return requests;
    }

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task Request_MatchesWhatTheHostsRouterMatches(string method, string path)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(_host.Address.GetLeftPart(UriPartial.Authority) + path));
        using var response = await _client.SendAsync(request);
        var answered = response.Headers.TryGetValues("function", out var names) ? names.Single() : null;
        Assert.Equal(await HostAnswerAsync(method, path), answered);
    }

    private async Task<string?> HostAnswerAsync(string method, string path)
    {
        var http = new DefaultHttpContext { RequestServices = _services };
        http.Request.Method = method;
        http.Request.Path = PathString.FromUriComponent(path);
        var route = new RouteContext(http);
        await _hostRouter.RouteAsync(route);
        return route.Handler is null ? null : (string)route.RouteData.DataTokens["function"]!;
    }

    private static RouteCollection HostRouter(RouteTable table, IInlineConstraintResolver constraints)
    {
        var router = new RouteCollection();
        foreach (var route in table.Routes)
        {
            var methods = new Dictionary<string, object>();
            if (route.Methods.Count > 0) methods.Add("httpMethod", new HttpMethodRouteConstraint([.. route.Methods]));
            router.Add(new Route(
                new RouteHandler(_ => Task.CompletedTask), route.Function, route.Template, [], methods, new RouteValueDictionary { ["function"] = route.Function }, constraints));
        }
        return router;
    }

    private sealed class Functions
    {
        [Function("Short")]
        public void Short([HttpTrigger(AuthorizationLevel.Anonymous, "get", "post", Route = "v1/{type:regex(^(t|i|p|g|a|s)$)}")] HttpRequest request) => Answer(request, "Short");

        [Function("Long")]
        public void Long([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/{type:regex(^(?:track|identify)$)}")] HttpRequest request) => Answer(request, "Long");

        [Function("Batch")]
        public void Batch([HttpTrigger(AuthorizationLevel.Anonymous, "post", "options", Route = "v1/batch")] HttpRequest request) => Answer(request, "Batch");

        [Function("Number")]
        public void Number([HttpTrigger(AuthorizationLevel.Anonymous, Route = "v1/number/{n:int}")] HttpRequest request) => Answer(request, "Number");

        [Function("Code")]
        public void Code([HttpTrigger(AuthorizationLevel.Anonymous, Route = @"v1/code/{code:regex(^[a-z]{{2}}\d{{2}}$)}")] HttpRequest request) => Answer(request, "Code");

        [Function("Word")]
        public void Word([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/word/{word}")] HttpRequest request) => Answer(request, "Word");

        [Function("Tail")]
        public void Tail([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/tail/{*rest}")] HttpRequest request) => Answer(request, "Tail");

        [Function("Optional")]
        public void Optional([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/optional/{n:int?}")] HttpRequest request) => Answer(request, "Optional");

        [Function("Pixel")]
        public void Pixel([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "pixel.{extension:regex(^(gif|png)$)}")] HttpRequest request) => Answer(request, "Pixel");

        [Function("Profile")]
        public void Profile([HttpTrigger(AuthorizationLevel.Anonymous, "get", "delete", Route = "v1/profiles/{key}")] HttpRequest request) => Answer(request, "Profile");

        [Function("ShadowFirst")]
        public void ShadowFirst([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/shadow/{any}")] HttpRequest request) => Answer(request, "ShadowFirst");

        [Function("ShadowSecond")]
        public void ShadowSecond([HttpTrigger(AuthorizationLevel.Anonymous, "get", "post", Route = "v1/shadow/literal")] HttpRequest request) => Answer(request, "ShadowSecond");

        private static void Answer(HttpRequest request, string function) => request.HttpContext.Response.Headers["function"] = function;
    }
}
