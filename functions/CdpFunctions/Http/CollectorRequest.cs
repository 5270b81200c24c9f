using System.Text;
using Cdp.Collect;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Stats;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>What all collectors have in common: cross-origin access, the write key, the client's address, the count of answers.</summary>
public static class CollectorRequest
{
    private const int LongestCredentials = 1024;

    /// <summary>Answers a preflight request, or whatever the body says, with the headers a page on another origin needs.</summary>
    /// <param name="endpoint">For the metrics, such as <c>batch</c>.</param>
    public static async Task<IResult> Answer(HttpRequest request, string endpoint, Func<Task<IResult>> body)
    {
        if (HttpMethods.IsOptions(request.Method))
            return Cors.Preflight(request);
        Cors.Allow(request);
        var result = await Http.Answer.To(request, body);
        Telemetry.Collected(endpoint, result is ProblemResult refused ? refused.Problem.Type.Status : StatusCodes.Status200OK);
        return result;
    }

    /// <summary>The request's body, counted as one event that is refused where it cannot be read.</summary>
    public static async Task<RequestBody> BodyAsync(HttpRequest request, int limit)
    {
        try
        {
            return await RequestBody.ReadAsync(request, limit);
        }
        catch (ProblemException exception)
        {
            Telemetry.Received("", 1);
            Telemetry.Rejected("", exception.Problem.Type.Code, 1);
            throw;
        }
    }

    public static CollectCall Call(HttpRequest request, EventType? type, ReadOnlyMemory<byte> body, bool historical = false)
    {
        var headers = request.Headers;
        return new CollectCall(
            type, body, WriteKey(request), headers.Origin.Count == 0 ? null : headers.Origin.ToString(),
            ClientAddress.Of(request), headers.UserAgent.Count == 0 ? null : headers.UserAgent.ToString(), historical);
    }

    /// <summary>The first of: user name of Basic credentials (its password is ignored), bearer token, query parameter <c>writeKey</c>.</summary>
    public static string? WriteKey(HttpRequest request)
    {
        var authorization = request.Headers.Authorization.ToString();
        if (authorization.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase) && UserName(authorization.AsSpan(6).Trim()) is { } user)
            return user;
        if (authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) && authorization.AsSpan(7).Trim() is { IsEmpty: false } token)
            return token.ToString();
        return request.QueryString.HasValue ? QueryParameters.First(request, "writeKey") : null;
    }

    private static string? UserName(ReadOnlySpan<char> credentials)
    {
        Span<byte> bytes = stackalloc byte[LongestCredentials];
        if (!Convert.TryFromBase64Chars(credentials, bytes, out var length))
            return null;
        var user = bytes[..length];
        if (user.IndexOf((byte)':') is var colon and >= 0)
            user = user[..colon];
        return user.IsEmpty ? null : Encoding.UTF8.GetString(user);
    }
}
