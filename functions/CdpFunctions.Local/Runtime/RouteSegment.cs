using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Constraints;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.AspNetCore.Routing.Template;

namespace CdpFunctions.Local.Runtime;

/// <summary>The set of texts that one segment of a route matches: asked of ASP.NET Core's own matcher and constraints, enumerated where it is finite.</summary>
internal sealed partial class RouteSegment
{
    private readonly string _text;
    private readonly TemplateMatcher _matcher;
    private readonly List<(string Name, IRouteConstraint Constraint)> _constraints = [];
    private readonly IReadOnlyList<string>? _members;
    private readonly int _minLength;
    private readonly int _maxLength = int.MaxValue;
    private readonly bool _hasDigit;
    private readonly bool _hasNoDigit;

    public RouteSegment(RoutePatternPathSegment segment, IInlineConstraintResolver resolver)
    {
        _matcher = new TemplateMatcher(new RouteTemplate(RoutePatternFactory.Pattern(segment)), []);
        _text = string.Concat(segment.Parts.Select(part => part switch
        {
            RoutePatternLiteralPart literal => literal.Content,
            RoutePatternSeparatorPart separator => separator.Content,
            RoutePatternParameterPart parameter => $"{{{parameter.Name}}}",
            _ => "",
        }));
        IReadOnlyList<string>? members = segment is { IsSimple: true, Parts: [RoutePatternLiteralPart only] } ? [only.Content] : null;
        foreach (var parameter in segment.Parts.OfType<RoutePatternParameterPart>())
        {
            foreach (var policy in parameter.ParameterPolicies)
            {
                var constraint = policy.ParameterPolicy as IRouteConstraint
                    ?? resolver.ResolveConstraint(policy.Content!)
                    ?? throw new LocalHostException($"The route constraint '{policy.Content}' is unknown: use one of ASP.NET Core's.");
                _constraints.Add((parameter.Name, constraint));
                if (!segment.IsSimple) continue;
                members ??= policy.Content is { } text ? Alternatives(text) : null;
                _minLength = Math.Max(_minLength, constraint switch { LengthRouteConstraint x => x.MinLength, MinLengthRouteConstraint x => x.MinLength, _ => 0 });
                _maxLength = Math.Min(_maxLength, constraint switch { LengthRouteConstraint x => x.MaxLength, MaxLengthRouteConstraint x => x.MaxLength, _ => int.MaxValue });
                _hasDigit |= constraint is IntRouteConstraint or LongRouteConstraint;
                _hasNoDigit |= constraint is AlphaRouteConstraint;
            }
        }
        // "$" in a regular expression also matches before a final newline.
        _members = members?.SelectMany<string, string>(member => [member, member + "\n"]).Where(Accepts).ToList();
    }

    /// <summary>A text of this segment, for messages.</summary>
    public string Sample => _members is [var first, ..] ? first : _text;

    /// <summary>A text that both segments match, or null when it is proven that there is none.</summary>
    public string? CommonText(RouteSegment other)
    {
        if (_members is not null) return _members.FirstOrDefault(other.Accepts);
        if (other._members is not null) return other._members.FirstOrDefault(Accepts);
        var disjoint = _maxLength < other._minLength || other._maxLength < _minLength
            || (_hasDigit && other._hasNoDigit) || (_hasNoDigit && other._hasDigit);
        return disjoint ? null : _text;
    }

    private bool Accepts(string text)
    {
        var values = new RouteValueDictionary();
        return _matcher.TryMatch("/" + text, values)
            && _constraints.TrueForAll(x => x.Constraint.Match(null, null, x.Name, values, RouteDirection.IncomingRequest));
    }

    /// <summary>The words of <c>regex(^(a|b|c)$)</c>; null where the expression is anything else.</summary>
    private static List<string>? Alternatives(string constraint)
    {
        if (AlternativesPattern().Match(constraint) is not { Success: true } match) return null;
        return [.. match.Groups["words"].Value.Split('|').Select(Unescape)];

        static string Unescape(string word) => new StringBuilder(word).Replace(@"\", "").ToString();
    }

    [GeneratedRegex(@"^regex\(\^(?<group>\((\?:)?)?(?<words>(?:[A-Za-z0-9_~-]|\\[.-]|(?<bar>\|))+)(?(group)\))\$\)$(?(bar)(?(group)|(?!)))", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex AlternativesPattern();
}
