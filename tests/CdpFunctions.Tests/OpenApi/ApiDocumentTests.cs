using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using CdpFunctions.Local.Runtime;
using CdpFunctions.OpenApi;
using CdpFunctions.Tests.Api;
using Xunit;

namespace CdpFunctions.Tests.OpenApi;

public sealed partial class ApiDocumentTests(ApiApp app) : IClassFixture<ApiApp>
{
    private static readonly JsonElement Document = JsonDocument.Parse(ApiDocument.Text).RootElement;

    /// <summary>A function that is not described, or a description without a function: see <see cref="ApiOperations"/>.</summary>
    [Fact]
    public void PathsAndMethods_AreThoseOfTheRoutes()
    {
        var routes = from route in RouteTable.Of(typeof(LocalHost).Assembly.GetTypes(), "").Routes
                     from method in route.Methods
                     from path in Paths(route.Template)
                     select $"{method} {path}";
        var described = from path in Document.GetProperty("paths").EnumerateObject()
                        from operation in path.Value.EnumerateObject()
                        select $"{operation.Name.ToUpperInvariant()} {Parameter().Replace(path.Name, "{}")}";
        Assert.Equal(routes.Order(StringComparer.Ordinal), described.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Operations_HaveIdsOfTheirOwn_AndDescribeTheirPathParameters()
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        foreach (var path in Document.GetProperty("paths").EnumerateObject())
        {
            var names = Parameter().Matches(path.Name).Select(match => match.Value.Trim('{', '}'));
            foreach (var operation in path.Value.EnumerateObject().Select(member => member.Value))
            {
                Assert.True(ids.Add(operation.GetProperty("operationId").GetString()!), path.Name);
                Assert.NotEmpty(operation.GetProperty("responses").EnumerateObject());
                var parameters = operation.TryGetProperty("parameters", out var list) ? list.EnumerateArray().Select(Resolve).ToList() : [];
                Assert.Equal(names, parameters.Where(parameter => parameter.GetProperty("in").ValueEquals("path")).Select(parameter => parameter.GetProperty("name").GetString()!));
            }
        }
    }

    [Fact]
    public void References_LeadSomewhere_AndNoComponentIsUnused()
    {
        var used = References(Document).ToHashSet(StringComparer.Ordinal);
        Assert.All(used, reference => Resolve(reference));
        var there = from kind in (string[])["headers", "parameters", "schemas"]
                    from component in Document.GetProperty("components").GetProperty(kind).EnumerateObject()
                    select $"#/components/{kind}/{component.Name}";
        Assert.Empty(there.Except(used, StringComparer.Ordinal));
    }

    [Fact]
    public async Task Document_NeedsNoKey()
    {
        var answer = await app.CallAsync("GET", "/openapi.json", key: null);
        Assert.Equal((HttpStatusCode.OK, "3.1.1"), (answer.Status, answer.Json.GetProperty("openapi").GetString()));
    }

    [Fact]
    public async Task Page_NeedsNoKey_NamesEveryCall_AndLoadsNothing()
    {
        var page = await app.CallAsync("GET", "/docs", key: null);
        Assert.Equal((HttpStatusCode.OK, "default-src 'none'; style-src 'unsafe-inline'"), (page.Status, page.Header("Content-Security-Policy")));
        Assert.All(ApiOperations.All.Where(operation => operation.Method != "OPTIONS"), operation => Assert.Contains($"<code>{operation.Method} {operation.Path}</code>", page.Text, StringComparison.Ordinal));
        Assert.DoesNotMatch("(?i)https?:|src=|<script|<link|@import|url\\(", page.Text);
    }

    // Every alternative of a constraint is a path of its own; what a parameter is called is no part of the route.
    private static IEnumerable<string> Paths(string template)
    {
        IEnumerable<string> paths = [""];
        foreach (var segment in template.Split('/'))
        {
            string[] values = Alternatives().Match(segment) is { Success: true } one ? one.Groups["values"].Value.Split('|') : [Parameter().Replace(segment, "{}")];
            paths = paths.SelectMany(path => values.Select(value => $"{path}/{value}"));
        }

        return paths;
    }

    private static IEnumerable<string> References(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().SelectMany(member => member.Name == "$ref" ? [member.Value.GetString()!] : References(member.Value)),
        JsonValueKind.Array => element.EnumerateArray().SelectMany(References),
        _ => [],
    };

    private static JsonElement Resolve(JsonElement element) => element.TryGetProperty("$ref", out var reference) ? Resolve(reference.GetString()!) : element;

    private static JsonElement Resolve(string reference) =>
        reference.Split('/').Skip(1).Aggregate(Document, (element, name) => element.TryGetProperty(name, out var member) ? member : throw new KeyNotFoundException(reference));

    [GeneratedRegex(@"^\{\w+:regex\(\^\((?<values>[\w|.-]+)\)\$\)\}$", RegexOptions.None, 1000)]
    private static partial Regex Alternatives();

    [GeneratedRegex(@"\{[^}]+\}", RegexOptions.None, 1000)]
    private static partial Regex Parameter();
}
