using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;

namespace CdpFunctions.Local.Runtime;

/// <summary>
/// HTTP functions as endpoints of ASP.NET Core's routing, with the Functions host's rules: the first registered route that matches wins
/// (the endpoint's order comes before its precedence), and the method is part of the match, so a wrong one is 404 and not 405.
/// </summary>
internal static class HttpFunctions
{
    public static IEnumerable<Endpoint> Endpoints(RouteTable table, IEnumerable<FunctionDescriptor> functions)
    {
        var byName = functions.ToDictionary(function => function.Name, StringComparer.OrdinalIgnoreCase);
        return table.Routes.Select((route, order) => Build(route, byName[route.Function], order));
    }

    private static Endpoint Build(FunctionRoute route, FunctionDescriptor function, int order)
    {
        var pattern = route.Methods.Count == 0
            ? route.Pattern
            : RoutePatternFactory.Parse(route.Template, defaults: null, parameterPolicies: new { httpMethod = new MethodConstraint([.. route.Methods]) });
        return new RouteEndpointBuilder(http => ServeAsync(function, http), pattern, order) { DisplayName = function.Name }.Build();
    }

    private static async Task ServeAsync(FunctionDescriptor function, HttpContext http)
    {
        if (await function.InvokeAsync(new HttpInvocation(function, http)) is { } result) await result.ExecuteAsync(http);
    }

    private sealed class MethodConstraint(string[] methods) : IRouteConstraint
    {
        public bool Match(HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values, RouteDirection routeDirection) =>
            httpContext is null || Array.Exists(methods, method => method.Equals(httpContext.Request.Method, StringComparison.OrdinalIgnoreCase));
    }
}
