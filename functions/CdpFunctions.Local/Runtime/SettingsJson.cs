using System.Text.Json;

namespace CdpFunctions.Local.Runtime;

/// <summary>Reads settings files so that every mistake in them becomes one sentence with the file, the member and the remedy.</summary>
internal sealed class SettingsJson(string path)
{
    private static readonly JsonDocumentOptions Lenient = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };

    public static JsonElement Read(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), Lenient);
            if (document.RootElement.ValueKind is not JsonValueKind.Object)
                throw new LocalHostException($"{path} must hold a JSON object: correct it.");
            return document.RootElement.Clone();
        }
        catch (JsonException error)
        {
            var place = error.LineNumber is { } line ? $" (line {line + 1}, column {error.BytePositionInLine + 1})" : "";
            throw new LocalHostException($"{path} is not valid JSON{place}: correct it.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new LocalHostException($"{path} cannot be read ({error.Message}): give this user the right to read it.", error);
        }
    }

    public JsonElement? Object(JsonElement? parent, string name, string prefix = "") =>
        Member(parent, name) is not { } value ? null
        : value.ValueKind is JsonValueKind.Object ? value
        : throw Wrong(prefix + name, "must be an object");

    public string? Text(JsonElement? parent, string name, string prefix = "") =>
        Member(parent, name) is not { } value ? null
        : value.ValueKind is JsonValueKind.String ? value.GetString()
        : throw Wrong(prefix + name, "must be a string");

    public bool? Flag(JsonElement? parent, string name) =>
        Member(parent, name) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Wrong(name, "must be true or false");

    public int? Integer(JsonElement? parent, string name, string prefix, int min, int max) =>
        Member(parent, name) is not { } value ? null
        : value.ValueKind is JsonValueKind.Number && value.TryGetInt32(out var number) && number >= min && number <= max ? number
        : throw Wrong(prefix + name, max is int.MaxValue ? $"must be a whole number of at least {min}" : $"must be a whole number from {min} to {max}");

    public TimeSpan? Duration(JsonElement? parent, string name, string prefix, TimeSpan min) =>
        Text(parent, name, prefix) is not { } text ? null
        : TimeSpan.TryParse(text, out var value) && value >= min ? value
        : throw Wrong(prefix + name, $"must be a time span of at least {min} such as \"00:00:30\"");

    public string? OneOf(JsonElement? parent, string name, string prefix, params string[] allowed)
    {
        if (Text(parent, name, prefix) is not { } text) return null;
        return allowed.FirstOrDefault(value => value.Equals(text, StringComparison.OrdinalIgnoreCase))
            ?? throw Wrong(prefix + name, $"must be one of: {string.Join(", ", allowed)}");
    }

    public LocalHostException Wrong(string member, string rule) => new($"{path}: {member} {rule}; correct it.");

    private static JsonElement? Member(JsonElement? parent, string name)
    {
        if (parent is not { } element) return null;
        foreach (var member in element.EnumerateObject())
        {
            if (member.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                return member.Value.ValueKind is JsonValueKind.Null ? null : member.Value;
        }
        return null;
    }
}
