using System.Text.Json;

namespace Cdp.Problems;

/// <summary>
/// Reads a request's JSON object member by member and notes everything that is wrong, each with its path, so that a client learns of all
/// its mistakes at once. Null is absent; a member that nobody asked for is a mistake too.
/// </summary>
public sealed class JsonFields
{
    private readonly JsonElement json;
    private readonly string path;
    private readonly List<ProblemError> errors;
    private readonly HashSet<string> asked = new(StringComparer.Ordinal);

    /// <param name="json">A JSON object.</param>
    public JsonFields(JsonElement json)
        : this(json, "", [])
    {
    }

    private JsonFields(JsonElement json, string path, List<ProblemError> errors)
    {
        this.json = json;
        this.path = path;
        this.errors = errors;
    }

    public string? Text(string name, int longest, bool required = false)
    {
        if (Find(name, required) is not { } value)
            return null;
        if (TextOf(value) is not { } text)
            return Refuse<string>(name, "not-a-string");
        if (text.Length > longest)
            return Refuse<string>(name, $"longer than {longest} characters");
        return required && string.IsNullOrWhiteSpace(text) ? Refuse<string>(name, "blank") : text;
    }

    public bool? Flag(string name) => Find(name, required: false) is not { } value
        ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : RefuseValue<bool>(name, "not-a-boolean");

    /// <param name="above">Exclusive.</param>
    public double? Number(string name, double above, double most, bool required = false)
    {
        if (Find(name, required) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out var number))
            return RefuseValue<double>(name, "not-a-number");
        return number > above && number <= most ? number : RefuseValue<double>(name, $"not above {above} and at most {most}");
    }

    /// <summary>A number without a fraction; both ends included.</summary>
    public int? Whole(string name, int least, int most, bool required = false)
    {
        if (Find(name, required) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most
            ? number
            : RefuseValue<int>(name, $"not a whole number from {least} to {most}");
    }

    /// <summary>Null too where one of them cannot be taken.</summary>
    public IReadOnlyList<string>? Texts(string name, int most, int longest, bool required = false)
    {
        if (Items(name, most, required) is not { } items)
            return null;
        var texts = new List<string>();
        var index = 0;
        foreach (var item in items)
        {
            if (TextOf(item) is { } text && text.Length <= longest)
                texts.Add(text);
            else
                Refuse($"{name}[{index}]", $"not a string of at most {longest} characters");
            index++;
        }

        return texts.Count == index ? texts : null;
    }

    /// <summary>The value as it is.</summary>
    public JsonElement? Any(string name) => Find(name, required: false)?.Clone();

    public JsonFields? Object(string name)
    {
        if (Find(name, required: false) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Object ? new JsonFields(value, path + name + ".", errors) : Refuse<JsonFields>(name, "not-an-object");
    }

    /// <summary>The same, an empty one where there is none.</summary>
    public JsonFields? Object(string name, bool empty)
    {
        if (!empty)
            return Object(name);
        asked.Add(name);
        using var none = JsonDocument.Parse("{}");
        return new JsonFields(none.RootElement.Clone(), path + name + ".", errors);
    }

    public IReadOnlyList<JsonFields>? Objects(string name, int most, bool required = false)
    {
        if (Items(name, most, required) is not { } items)
            return null;
        var objects = new List<JsonFields>();
        var index = 0;
        foreach (var item in items)
        {
            if (item.ValueKind == JsonValueKind.Object)
                objects.Add(new JsonFields(item, $"{path}{name}[{index}].", errors));
            else
                Refuse($"{name}[{index}]", "not-an-object");
            index++;
        }

        return objects;
    }

    /// <summary>For a rule that the reader does not know.</summary>
    public void Refuse(string name, string reason) => errors.Add(new ProblemError(path + name, reason));

    /// <summary>Members to pass over: those that the server itself writes.</summary>
    public void Ignore(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            asked.Add(name);
    }

    /// <summary>Notes the members nobody asked for; called when all others were read.</summary>
    public void RefuseOthers()
    {
        foreach (var member in json.EnumerateObject())
        {
            if (!asked.Contains(member.Name))
                Refuse(member.Name, "unknown");
        }
    }

    /// <exception cref="ProblemException">invalid-field, with every mistake that was noted.</exception>
    public void ThrowIfInvalid()
    {
        if (errors.Count == 0)
            return;
        var text = string.Join("; ", errors.Select(error => $"{error.Path}: {error.Reason}"));
        throw new ProblemException(new Problem(ProblemType.InvalidField, $"The body has fields that cannot be taken. {text}.", errors));
    }

    private JsonElement? Find(string name, bool required)
    {
        asked.Add(name);
        if (json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null)
            return value;
        if (required)
            Refuse(name, "missing");
        return null;
    }

    private IEnumerable<JsonElement>? Items(string name, int most, bool required)
    {
        if (Find(name, required) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Array)
            return Refuse<IEnumerable<JsonElement>>(name, "not-a-list");
        return value.GetArrayLength() <= most ? value.EnumerateArray() : Refuse<IEnumerable<JsonElement>>(name, $"more than {most}");
    }

    private T? Refuse<T>(string name, string reason)
        where T : class
    {
        Refuse(name, reason);
        return null;
    }

    private T? RefuseValue<T>(string name, string reason)
        where T : struct
    {
        Refuse(name, reason);
        return null;
    }

    private static string? TextOf(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
            return null;
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            // A lone surrogate is no text.
            return null;
        }
    }
}
