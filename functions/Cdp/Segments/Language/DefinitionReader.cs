using System.Collections.Immutable;
using System.Text.Json;
using Cdp.Problems;
using Cdp.Segments.Matching;

namespace Cdp.Segments.Language;

/// <summary>
/// Reads JSON values of a definition and notes what is wrong with its path, up to <see cref="DefinitionLimits.MostErrors"/>. What cannot be read is
/// null, and has been noted.
/// </summary>
internal sealed class DefinitionReader
{
    private readonly List<ProblemError> errors = [];

    public IReadOnlyList<ProblemError> Errors => errors;

    public void Refuse(string path, string reason)
    {
        if (errors.Count < DefinitionLimits.MostErrors)
            errors.Add(new ProblemError(path, reason));
    }

    public T? Refuse<T>(string path, string reason)
    {
        Refuse(path, reason);
        return default;
    }

    /// <summary>Null is absent.</summary>
    public static JsonElement? Find(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    /// <summary>False, and noted, where the value is no object. Members that are not known are noted too.</summary>
    public bool IsObject(JsonElement json, string path, ImmutableArray<string> known, bool ignoreServerMembers = false)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            Refuse(path, "is not an object");
            return false;
        }

        foreach (var member in json.EnumerateObject())
        {
            if (!known.Contains(member.Name) && !(ignoreServerMembers && Grammar.ServerMembers.Contains(member.Name)))
                Refuse(Join(path, member.Name), $"is unknown; known are {string.Join(", ", known)}");
        }

        return true;
    }

    public string? Text(JsonElement json, string path, int longest = DefinitionLimits.LongestText)
    {
        if (json.ValueKind != JsonValueKind.String)
            return Refuse<string>(path, "is not a string");
        var text = json.GetString()!;
        if (text.Length == 0)
            return Refuse<string>(path, "is empty");
        return text.Length <= longest ? text : Refuse<string>(path, $"is longer than {longest} characters");
    }

    public string? Member(JsonElement json, string path, string name, int longest = DefinitionLimits.LongestText, bool required = false)
    {
        if (Find(json, name) is { } value)
            return Text(value, Join(path, name), longest);
        if (required)
            Refuse(Join(path, name), "is missing");
        return null;
    }

    public string? Choice(JsonElement json, string path, ImmutableArray<string> choices)
    {
        if (Text(json, path) is not { } text)
            return null;
        return choices.Contains(text) ? text : Refuse<string>(path, $"'{text}' is none of {string.Join(", ", choices)}");
    }

    public bool? Flag(JsonElement json, string path) => json.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => Refuse<bool?>(path, "is neither true nor false"),
    };

    public Duration? Duration(JsonElement json, string path)
    {
        if (Text(json, path) is not { } text)
            return null;
        return Language.Duration.TryParse(text, out var duration) ? duration : Refuse<Duration?>(path, $"'{text}' is not a duration, such as 30m, 1h, 90d");
    }

    public JsonScalar? Scalar(JsonElement json, string path)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.String:
                var text = json.GetString()!;
                return text.Length <= DefinitionLimits.LongestText
                    ? JsonScalar.Of(text)
                    : Refuse<JsonScalar?>(path, $"is longer than {DefinitionLimits.LongestText} characters");
            case JsonValueKind.Number:
                return json.TryGetDecimal(out var number) ? JsonScalar.Of(number) : Refuse<JsonScalar?>(path, "is beyond the numbers that can be compared exactly");
            case JsonValueKind.True or JsonValueKind.False:
                return JsonScalar.Of(json.GetBoolean());
            default:
                return Refuse<JsonScalar?>(path, "is neither a string, a number, true nor false");
        }
    }

    /// <summary>The elements, at least one; null where it is no such list.</summary>
    public JsonElement.ArrayEnumerator? List(JsonElement json, string path, int most)
    {
        if (json.ValueKind != JsonValueKind.Array)
            return Refuse<JsonElement.ArrayEnumerator?>(path, "is not a list");
        var count = json.GetArrayLength();
        if (count == 0)
            return Refuse<JsonElement.ArrayEnumerator?>(path, "is empty");
        return count <= most ? json.EnumerateArray() : Refuse<JsonElement.ArrayEnumerator?>(path, $"has more than {most} elements");
    }

    public static string Join(string path, string name) => path.Length == 0 ? name : path + "." + name;
}
