using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.DependencyInjection;

namespace CdpFunctions.Local.Runtime;

/// <summary>The route of one HTTP function: its whole template and its methods (upper case; none means every method).</summary>
public sealed record FunctionRoute(string Function, string Template, IReadOnlyList<string> Methods)
{
    internal RoutePattern Pattern { get; init; } = RoutePatternFactory.Parse(Template);

    internal bool SharesMethodWith(FunctionRoute other) =>
        Methods.Count == 0 || other.Methods.Count == 0 || Methods.Intersect(other.Methods, StringComparer.Ordinal).Any();

    public override string ToString() => $"{(Methods.Count == 0 ? "*" : string.Join(',', Methods))} /{Template} ({Function})";
}

/// <summary>Two routes that may answer the same request, with such a path; a segment in braces stands for one that could not be proven different.</summary>
public sealed record RouteOverlap(FunctionRoute First, FunctionRoute Second, string Path)
{
    public override string ToString() => $"{First} and {Second} both match {Path}";
}

/// <summary>
/// The routes of all HTTP functions, in order of registration. The Functions host tries routes in that order and not by specificity,
/// while the worker's own routing goes by specificity; only routes that are pairwise disjoint mean the same in both.
/// </summary>
/// <remarks>
/// Constraints, read in the sources of both routers: the host parses templates with ASP.NET Core's <c>TemplateParser</c> and its default
/// constraint resolver, the worker with <c>RoutePatternFactory</c> and the default constraint map, so <c>{type:regex(^(t|i|p)$)}</c> is accepted
/// and means the same in both. <c>|</c>, <c>^</c>, <c>$</c> and parentheses are taken as they are, braces must be doubled
/// (<c>\d{{2}}</c>), <c>[</c> and <c>]</c> need no doubling outside MVC, backslashes survive the generated metadata. Matching ignores case,
/// and <c>$</c> also matches before a final newline.
/// </remarks>
public sealed class RouteTable
{
    private static readonly string[] Reserved = ["admin", "runtime"];

    private RouteTable(IReadOnlyList<FunctionRoute> routes) => Routes = routes;

    public IReadOnlyList<FunctionRoute> Routes { get; }

    /// <summary>The table of the functions in <paramref name="types"/>.</summary>
    /// <exception cref="LocalHostException">A template is malformed, reserved or taken.</exception>
    public static RouteTable Of(IEnumerable<Type> types, string routePrefix) => Of(FunctionDiscovery.Find(types), routePrefix);

    internal static RouteTable Of(IEnumerable<FunctionDescriptor> functions, string routePrefix) => Of(
        from function in functions
        let trigger = function.Trigger as HttpTriggerAttribute
        where trigger is not null
        select (function.Name, string.IsNullOrWhiteSpace(trigger.Route) ? function.Name : trigger.Route, trigger.Methods ?? []),
        routePrefix);

    internal static RouteTable Of(IEnumerable<(string Function, string Template, string[] Methods)> templates, string routePrefix = "")
    {
        List<FunctionRoute> routes = [];
        foreach (var (function, template, methods) in templates)
        {
            var path = template.Trim('/');
            if (Array.Exists(Reserved, word => path.StartsWith(word, StringComparison.OrdinalIgnoreCase)))
                throw new LocalHostException($"The route '{path}' of the function {function} starts with 'admin' or 'runtime', which the Functions host keeps for itself: choose another.");
            var route = Parse(function, routePrefix.Length == 0 ? path : $"{routePrefix}/{path}", methods);
            if (routes.Find(other => other.Template.Equals(route.Template, StringComparison.OrdinalIgnoreCase) && other.SharesMethodWith(route)) is { } taken)
                throw new LocalHostException($"The functions {taken.Function} and {function} have the same route '{route.Template}' and method: change one.");
            routes.Add(route);
        }
        return new RouteTable(routes);
    }

    /// <summary>
    /// Every pair of routes that may answer the same request: none means the table is proven disjoint. Where the prover cannot tell two
    /// parameters apart (two open regular expressions, say) it reports them.
    /// </summary>
    public IReadOnlyList<RouteOverlap> FindOverlaps()
    {
        using var services = new ServiceCollection().AddLogging().AddRouting().BuildServiceProvider();
        var constraints = services.GetRequiredService<IInlineConstraintResolver>();
        var shapes = Routes.Select(route => RouteShape.Of(route.Pattern, constraints)).ToList();
        List<RouteOverlap> overlaps = [];
        for (var i = 0; i < Routes.Count; i++)
        {
            for (var j = i + 1; j < Routes.Count; j++)
            {
                if (!Routes[i].SharesMethodWith(Routes[j])) continue;
                var path = (from one in shapes[i] from other in shapes[j] select one.CommonPath(other)).FirstOrDefault(common => common is not null);
                if (path is not null) overlaps.Add(new RouteOverlap(Routes[i], Routes[j], path));
            }
        }
        return overlaps;
    }

    private static FunctionRoute Parse(string function, string template, string[] methods)
    {
        try
        {
            return new FunctionRoute(function, template, [.. methods.Select(method => method.ToUpperInvariant())]);
        }
        catch (RoutePatternException error)
        {
            throw new LocalHostException($"The route '{template}' of the function {function} is malformed: {error.Message}", error);
        }
    }
}
