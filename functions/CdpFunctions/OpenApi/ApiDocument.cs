using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cdp.Problems;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.OpenApi;

/// <summary>The HTTP surface as an OpenAPI 3.1 document. https://spec.openapis.org/oas/v3.1.1.html</summary>
public static class ApiDocument
{
    private const string Json = "application/json";

    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The whole document.</summary>
    public static string Text { get; } = Document().ToJsonString(Options);

    private static JsonObject Document()
    {
        var paths = new JsonObject();
        foreach (var path in ApiOperations.All.GroupBy(operation => operation.Path, StringComparer.Ordinal))
            paths[path.Key] = new JsonObject(path.Select(operation => KeyValuePair.Create(operation.Method.ToLowerInvariant(), (JsonNode?)Operation(operation))));
        return new JsonObject
        {
            ["openapi"] = "3.1.1",
            ["info"] = new JsonObject
            {
                ["title"] = "CdpFunctions",
                ["version"] = "1",
                ["description"] = "Collects events, finds out which of them are of the same person, and gives one profile and one timeline per person. "
                    + "Whatever is not in this document is 404, a wrong method too.",
            },
            ["tags"] = new JsonArray([.. ApiOperations.All.Select(operation => operation.Tag).Distinct(StringComparer.Ordinal).Select(tag => new JsonObject { ["name"] = tag })]),
            ["paths"] = paths,
            ["components"] = JsonNode.Parse(ApiSchemas.Components),
        };
    }

    private static JsonObject Operation(ApiOperation operation)
    {
        var described = new JsonObject
        {
            ["operationId"] = operation.Method.ToLowerInvariant() + string.Concat(operation.Path.Split('/', '.', '-', '{', '}').Where(part => part.Length > 0).Select(part => char.ToUpperInvariant(part[0]) + part[1..])),
            ["tags"] = new JsonArray(operation.Tag),
            ["summary"] = operation.Summary,
            ["security"] = Security(operation),
        };
        if (operation.Scope is { } scope)
            described["description"] = $"Needs the scope {scope}.";
        JsonNode[] parameters = [.. PathParameters(operation.Path).Select(name => Reference("parameters", "path." + name)), .. operation.Parameters.Select(name => Reference("parameters", name))];
        if (parameters.Length > 0)
            described["parameters"] = new JsonArray(parameters);
        if (operation.Body is { } body)
            described["requestBody"] = new JsonObject { ["required"] = body != "Anything", ["content"] = Content(body == "Anything" ? "*/*" : Json, body) };
        var responses = new JsonObject();
        foreach (var answer in operation.Answers)
            responses[answer.Status.ToString()] = Success(answer);
        foreach (var status in operation.Problems.GroupBy(problem => problem.Status).OrderBy(status => status.Key))
            responses[status.Key.ToString()] = Failure(status.Key, [.. status.Distinct()]);
        described["responses"] = responses;
        return described;
    }

    private static IEnumerable<string> PathParameters(string path) => path.Split('/').Where(part => part.StartsWith('{')).Select(part => part.Trim('{', '}'));

    private static JsonArray Security(ApiOperation operation)
    {
        // The empty one of write keys: the body may name the key.
        string?[] schemes = operation.Key switch
        {
            ApiKeyKind.ApiKey => ["apiKeyAsToken", "apiKeyAsUser"],
            ApiKeyKind.WriteKey => ["writeKeyAsUser", "writeKeyAsToken", "writeKeyInQuery", .. operation.Body is null ? (string?[])[] : [null]],
            _ => [],
        };
        return new JsonArray([.. schemes.Select(scheme => scheme is null ? new JsonObject() : new JsonObject { [scheme] = new JsonArray() })]);
    }

    private static JsonObject Success(ApiSuccess answer)
    {
        var response = new JsonObject { ["description"] = answer.Description, ["headers"] = Headers(answer.Headers) };
        if (answer.Schema is { } schema)
            response["content"] = Content(Json, schema);
        else if (answer.Content is { } content)
            response["content"] = new JsonObject { [content] = new JsonObject() };
        return response;
    }

    private static JsonObject Failure(int status, IReadOnlyList<ProblemType> problems) => new()
    {
        ["description"] = string.Join(" ", problems.Select(problem => $"{problem.Code}: {problem.Title}.")),
        ["headers"] = Headers(status switch
        {
            StatusCodes.Status429TooManyRequests => ["Retry-After", "x-ratelimit-reset"],
            StatusCodes.Status503ServiceUnavailable => ["Retry-After"],
            _ => [],
        }),
        ["content"] = Content("application/problem+json", "Problem"),
    };

    private static JsonObject Headers(IEnumerable<string> names) =>
        new(names.Prepend(Http.Answer.RequestIdHeader).Select(name => KeyValuePair.Create(name, (JsonNode?)Reference("headers", name))));

    private static JsonObject Content(string type, string schema) => new() { [type] = new JsonObject { ["schema"] = Reference("schemas", schema) } };

    private static JsonObject Reference(string kind, string name) => new() { ["$ref"] = $"#/components/{kind}/{name}" };
}
