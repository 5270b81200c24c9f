using System.Net;
using System.Reflection;
using System.Text.RegularExpressions;
using CdpFunctions.Local.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace CdpFunctions.Tests.Infra;

/// <summary>What the official worker asks of functions beyond what the compiler and the local host ask.</summary>
public sealed partial class WorkerRulesTests
{
    private static readonly List<MethodInfo> Functions =
        [.. typeof(CdpApplication).Assembly.GetTypes().SelectMany(type => type.GetMethods()).Where(method => method.IsDefined(typeof(FunctionAttribute)))];

    /// <summary>It generates code that finds a function by <c>Namespace.Class.Method</c> and its class by that name with dots.</summary>
    [Fact]
    public void Functions_HaveAPublicTopLevelClassAndAMethodNameOfTheirOwn()
    {
        Assert.NotEmpty(Functions);
        Assert.All(Functions, function => Assert.True(function.DeclaringType is { IsPublic: true, IsNested: false, IsGenericType: false }, function.ToString()));
        Assert.Empty(Functions.GroupBy(function => (function.DeclaringType, function.Name)).Where(group => group.Count() > 1).Select(group => group.Key));
    }

    /// <summary>
    /// The host offers each query parameter and each member of a JSON body to the parameter of the same name. What is neither the request nor
    /// in the route could be set by a client, and a cancellation token that a client names makes the call fail.
    /// </summary>
    [Fact]
    public void HttpFunctions_TakeTheRequestAndItsRouteOnly()
    {
        foreach (var function in Functions)
        {
            if (Trigger(function) is not var (request, trigger)) continue;
            var route = RoutePatternFactory.Parse(trigger.Route!);
            Assert.Equal(typeof(HttpRequest), request.ParameterType);
            Assert.Contains(function.ReturnType, new[] { typeof(Task<IResult>), typeof(Task) });
            Assert.All(function.GetParameters().Where(parameter => parameter != request), parameter =>
            {
                Assert.Equal(typeof(string), parameter.ParameterType);
                Assert.NotNull(route.GetParameter(parameter.Name!));
            });
        }

        static (ParameterInfo, HttpTriggerAttribute)? Trigger(MethodInfo function) => function.GetParameters()
            .Select(parameter => (parameter, trigger: parameter.GetCustomAttribute<HttpTriggerAttribute>()!)).FirstOrDefault(bound => bound.trigger is not null) is { trigger: not null } found ? found : null;
    }

    /// <summary>
    /// A request is routed twice: by the host, then by ASP.NET Core's endpoints in the worker. Where the worker finds no endpoint or several, the
    /// function that the host chose never starts.
    /// </summary>
    [Fact]
    public async Task EveryRoute_IsFoundByTheWorkersEndpointsToo()
    {
        var table = RouteTable.Of(typeof(CdpApplication).Assembly.GetTypes(), "");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddRouting();
        await using var worker = builder.Build();
        ((IEndpointRouteBuilder)worker).DataSources.Add(new DefaultEndpointDataSource(table.Routes.Select(Endpoint)));
        await worker.StartAsync();
        using var client = new HttpClient { BaseAddress = new Uri(worker.Urls.Single()) };

        foreach (var route in table.Routes)
        {
            foreach (var method in route.Methods)
            {
                foreach (var path in Paths(route.Template))
                {
                    using var request = new HttpRequestMessage(new HttpMethod(method), path);
                    using var response = await client.SendAsync(request);
                    Assert.Equal((path, HttpStatusCode.OK, route.Function), (path, response.StatusCode, await response.Content.ReadAsStringAsync()));
                }
            }
        }

        static Endpoint Endpoint(FunctionRoute route)
        {
            var endpoint = new RouteEndpointBuilder(http => http.Response.WriteAsync(route.Function), RoutePatternFactory.Parse("/" + route.Template), order: 0);
            endpoint.Metadata.Add(new HttpMethodMetadata(route.Methods));
            return endpoint.Build();
        }
    }

    // Every alternative of a constraint once; anything for a parameter without one.
    private static IEnumerable<string> Paths(string template)
    {
        IEnumerable<string> paths = [""];
        foreach (var segment in template.Split('/'))
        {
            string[] values = Alternatives().Match(segment) is { Success: true } one ? one.Groups["values"].Value.Split('|') : [Parameter().Replace(segment, "email:a%20b@c.d")];
            paths = paths.SelectMany(path => values.Select(value => $"{path}/{value}"));
        }

        return paths;
    }

    [GeneratedRegex(@"^\{\w+:regex\(\^\((?<values>[\w|.-]+)\)\$\)\}$", RegexOptions.None, 1000)]
    private static partial Regex Alternatives();

    [GeneratedRegex(@"\{[^}]+\}", RegexOptions.None, 1000)]
    private static partial Regex Parameter();
}
