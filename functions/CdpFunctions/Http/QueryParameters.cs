using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace CdpFunctions.Http;

/// <summary>
/// The parameters of a query as they stand in it. <see cref="HttpRequest.Query"/> takes names that differ in case for one, and a pixel's
/// names are those of an event's members.
/// </summary>
public static class QueryParameters
{
    /// <summary>All, decoded, in their order; a name once for each of its values.</summary>
    public static IEnumerable<(string Name, string Value)> All(HttpRequest request)
    {
        foreach (var pair in new QueryStringEnumerable(request.QueryString.Value))
            yield return (pair.DecodeName().ToString(), pair.DecodeValue().ToString());
    }

    /// <summary>The first value that is not empty; null where there is none.</summary>
    public static string? First(HttpRequest request, string name)
    {
        foreach (var pair in new QueryStringEnumerable(request.QueryString.Value))
        {
            if (pair.DecodeName().Span.SequenceEqual(name) && pair.DecodeValue() is { IsEmpty: false } value)
                return value.ToString();
        }

        return null;
    }
}
