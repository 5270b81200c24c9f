using System.Globalization;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Reading;
using Microsoft.AspNetCore.Http;

namespace CdpFunctions.Http;

/// <summary>Query parameters of lists. A parameter without a value counts as absent.</summary>
public static class ListQuery
{
    private const int DefaultLimit = 50;
    private const int MostLimit = 1000;

    public static int Limit(HttpRequest request)
    {
        if (Text(request, "limit") is not { } text)
            return DefaultLimit;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit is >= 1 and <= MostLimit ? limit : throw Invalid("limit", $"not a number from 1 to {MostLimit}");
    }

    public static string? Cursor(HttpRequest request) => Text(request, "cursor");

    public static string? Text(HttpRequest request, string name) => request.Query[name].ToString() is { Length: > 0 } text ? text : null;

    /// <summary>All values of a parameter that may be repeated.</summary>
    public static IReadOnlySet<string> Texts(HttpRequest request, string name) =>
        request.Query[name].OfType<string>().Where(value => value.Length > 0).ToHashSet(StringComparer.Ordinal);

    public static Instant? Time(HttpRequest request, string name)
    {
        if (Text(request, name) is not { } text)
            return null;
        // A plus sign that was not encoded arrives as a space; there is no other use for a space behind the seconds.
        return IsoTime.TryParse(Encoding.UTF8.GetBytes(text), out var time) || IsoTime.TryParse(Encoding.UTF8.GetBytes(PlusForLastSpace(text)), out time)
            ? time
            : throw Invalid(name, "not an ISO 8601 time such as 2026-01-02T03:04:05.678Z");
    }

    public static IReadOnlySet<EventType> EventTypes(HttpRequest request, string name) => Texts(request, name)
        .Select(text => Cdp.Events.EventTypes.TryParse(text, out var type) ? type : throw Invalid(name, $"none of {Cdp.Events.EventTypes.Listed}"))
        .ToHashSet();

    /// <summary>A page of what is at hand as a whole: in order, behind the cursor.</summary>
    /// <param name="scope">Of the cursor; see <see cref="Cursors.Scope"/>.</param>
    /// <param name="items">Behind a position, which is null at first.</param>
    /// <param name="position">The place of an item; all have as many parts.</param>
    public static async Task<IResult> PageAsync<T>(
        HttpRequest request, Cursors cursors, string scope, int parts, Func<IReadOnlyList<string>?, IAsyncEnumerable<T>> items, Func<T, string[]> position,
        Action<Utf8JsonWriter, T> write)
    {
        var cancellation = request.HttpContext.RequestAborted;
        var limit = Limit(request);
        var after = await cursors.ReadAsync(scope, Cursor(request), parts, cancellation);
        var page = new List<T>();
        string? next = null;
        await foreach (var item in items(after).WithCancellation(cancellation))
        {
            if (page.Count == limit)
            {
                next = await cursors.WriteAsync(scope, position(page[^1]), cancellation);
                break;
            }

            page.Add(item);
        }

        return JsonAnswer.Of(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("data"u8);
            foreach (var item in page)
                write(json, item);
            json.WriteEndArray();
            if (next is not null)
                json.WriteString("next"u8, next);
            json.WriteEndObject();
        });
    }

    private static ProblemException Invalid(string name, string reason) =>
        new(new Problem(ProblemType.InvalidField, $"The query parameter '{name}' is {reason}.", [new ProblemError(name, reason)]));

    private static string PlusForLastSpace(string text) =>
        text.LastIndexOf(' ') is var space and > 11 ? string.Concat(text.AsSpan(0, space), "+", text.AsSpan(space + 1)) : text;
}
