using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;

namespace CdpFunctions.Local.Runtime;

/// <summary>One form a route can take once optional segments are there or not: its segments, and whether anything may follow (a catch-all).</summary>
internal sealed record RouteShape(IReadOnlyList<RouteSegment> Segments, bool Open)
{
    public static IReadOnlyList<RouteShape> Of(RoutePattern pattern, IInlineConstraintResolver constraints)
    {
        List<RouteSegment> segments = [];
        List<RouteShape> shapes = [];
        foreach (var segment in pattern.PathSegments)
        {
            if (segment.IsSimple && segment.Parts[0] is RoutePatternParameterPart parameter)
            {
                if (parameter.IsCatchAll) return [new RouteShape([.. segments], Open: true)];
                if (parameter.IsOptional || parameter.Default is not null) shapes.Add(new RouteShape([.. segments], Open: false));
                else shapes.Clear();
            }
            else
            {
                // What is optional can be left out only at the end.
                shapes.Clear();
            }
            segments.Add(new RouteSegment(segment, constraints));
        }
        shapes.Add(new RouteShape(segments, Open: false));
        return shapes;
    }

    /// <summary>A path that both shapes match, or null when there is none. Constraints see one segment each, so segments decide one by one.</summary>
    public string? CommonPath(RouteShape other)
    {
        var (shorter, longer) = Segments.Count <= other.Segments.Count ? (this, other) : (other, this);
        if (shorter.Segments.Count < longer.Segments.Count && !shorter.Open) return null;
        List<string> path = [];
        for (var i = 0; i < shorter.Segments.Count; i++)
        {
            if (shorter.Segments[i].CommonText(longer.Segments[i]) is not { } text) return null;
            path.Add(text);
        }
        path.AddRange(longer.Segments.Skip(shorter.Segments.Count).Select(segment => segment.Sample));
        return "/" + string.Join('/', path);
    }
}
