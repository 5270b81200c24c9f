using System.Text;
using Cdp.Access;
using Cdp.Problems;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>
/// How a function that needs an API key answers: <c>access.To(request, Scope.Admin, () => ...)</c>. The key is a bearer token or the user
/// name of Basic authentication (the password is ignored).
/// </summary>
public sealed class ApiAccess(ApiKeyRing keys)
{
    private const string Bearer = "Bearer ";
    private const string Basic = "Basic ";

    public Task<IResult> To(HttpRequest request, string scope, Func<Task<IResult>> body) => Answer.To(request, async () =>
    {
        await DemandAsync(request, scope);
        return await body();
    });

    /// <summary>Whether the call has an API key; of one that lacks the scope it is not.</summary>
    /// <exception cref="ProblemException">scope-missing</exception>
    public async Task<bool> HasAsync(HttpRequest request, string scope)
    {
        if (KeyOf(request.Headers.Authorization.ToString()) is not { } text || await keys.FindAsync(text, request.HttpContext.RequestAborted) is not { } key)
            return false;
        return key.Allows(scope) ? true : throw Missing(key, scope);
    }

    /// <exception cref="ProblemException">invalid-api-key or scope-missing.</exception>
    private async Task DemandAsync(HttpRequest request, string scope)
    {
        if (KeyOf(request.Headers.Authorization.ToString()) is not { } text)
            throw Unknown(request, "The call needs an API key: send it as 'Authorization: Bearer ak_...'.");
        if (await keys.FindAsync(text, request.HttpContext.RequestAborted) is not { } key)
            throw Unknown(request, "The API key is not known.");
        if (!key.Allows(scope))
            throw Missing(key, scope);
    }

    private static ProblemException Missing(ApiKey key, string scope) =>
        new(ProblemType.ScopeMissing, $"The call needs the scope {scope}; the API key has {string.Join(", ", key.Scopes)}.");

    internal static ProblemException Unknown(HttpRequest request, string detail)
    {
        request.HttpContext.Response.Headers.WWWAuthenticate = "Bearer realm=\"cdp\"";
        return new ProblemException(ProblemType.InvalidApiKey, detail);
    }

    private static string? KeyOf(string authorization)
    {
        if (authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
            return authorization[Bearer.Length..].Trim() is { Length: > 0 } token ? token : null;
        if (!authorization.StartsWith(Basic, StringComparison.OrdinalIgnoreCase))
            return null;
        var credentials = new byte[authorization.Length];
        if (!Convert.TryFromBase64String(authorization[Basic.Length..].Trim(), credentials, out var length))
            return null;
        var user = Encoding.UTF8.GetString(credentials, 0, length).Split(':', 2)[0];
        return user.Length > 0 ? user : null;
    }
}
