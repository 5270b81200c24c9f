using Cdp.Problems;

namespace CdpFunctions.OpenApi;

/// <summary>Which key a call needs.</summary>
public enum ApiKeyKind
{
    None,
    WriteKey,
    ApiKey,
}

/// <summary>One call of the HTTP surface, as it is described to clients.</summary>
/// <param name="Method">In upper case.</param>
/// <param name="Path">With parameters in braces; each is described in <see cref="ApiSchemas"/> as <c>path.{name}</c>.</param>
/// <param name="Tag">The chapter it belongs to.</param>
public sealed record ApiOperation(string Method, string Path, string Tag, string Summary)
{
    public ApiKeyKind Key { get; init; }

    /// <summary>Needed with <see cref="ApiKeyKind.ApiKey"/>; one of <see cref="Cdp.Access.Scope"/>.</summary>
    public string? Scope { get; init; }

    /// <summary>Names of query parameters and headers, in <see cref="ApiSchemas"/> as <c>query.{name}</c> and <c>header.{name}</c>.</summary>
    public IReadOnlyList<string> Parameters { get; init; } = [];

    /// <summary>Schema of the request's body; null where it has none.</summary>
    public string? Body { get; init; }

    public IReadOnlyList<ApiSuccess> Answers { get; init; } = [];

    public IReadOnlyList<ProblemType> Problems { get; init; } = [];
}

/// <param name="Schema">Of a JSON answer; null for another kind of content, or none.</param>
/// <param name="Content">Media type where it is not JSON.</param>
/// <param name="Headers">Besides <c>Cdp-Request-Id</c>; in <see cref="ApiSchemas"/>.</param>
public sealed record ApiSuccess(int Status, string Description, string? Schema = null, string? Content = null, params IReadOnlyList<string> Headers);
