using System.Text.Json;
using System.Text.RegularExpressions;

namespace Cdp.Tests.Segments;

/// <summary>A validator of the part of JSON Schema (2020-12) that the schema of segments uses; any other keyword is an error.</summary>
internal sealed class JsonSchemaSubset(JsonElement root)
{
    public bool IsValid(JsonElement json) => Valid(root, json);

    public bool IsValid(JsonElement json, string definition) => Valid(root.GetProperty("$defs").GetProperty(definition), json);

    private bool Valid(JsonElement schema, JsonElement json)
    {
        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return schema.GetBoolean();
        foreach (var keyword in schema.EnumerateObject())
        {
            if (!Valid(schema, keyword.Name, keyword.Value, json))
                return false;
        }

        return true;
    }

    private bool Valid(JsonElement schema, string keyword, JsonElement value, JsonElement json)
    {
        var isObject = json.ValueKind == JsonValueKind.Object;
        var isList = json.ValueKind == JsonValueKind.Array;
        var text = json.ValueKind == JsonValueKind.String ? json.GetString() : null;
        switch (keyword)
        {
            case "$schema" or "$defs" or "title" or "description" or "readOnly" or "then":
                return true;
            case "$ref":
                return IsValid(json, value.GetString()!["#/$defs/".Length..]);
            case "type":
                return value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().Any(t => IsOfType(t.GetString()!, json)) : IsOfType(value.GetString()!, json);
            case "enum":
                return value.EnumerateArray().Any(v => JsonElement.DeepEquals(v, json));
            case "const":
                return JsonElement.DeepEquals(value, json);
            case "not":
                return !Valid(value, json);
            case "oneOf":
                return value.EnumerateArray().Count(s => Valid(s, json)) == 1;
            case "anyOf":
                return value.EnumerateArray().Any(s => Valid(s, json));
            case "if":
                return !Valid(value, json) || Valid(schema.GetProperty("then"), json);
            case "required":
                return !isObject || value.EnumerateArray().All(n => json.TryGetProperty(n.GetString()!, out _));
            case "properties":
                return !isObject || value.EnumerateObject().All(p => !json.TryGetProperty(p.Name, out var member) || Valid(p.Value, member));
            case "additionalProperties":
                var known = schema.TryGetProperty("properties", out var properties) ? properties.EnumerateObject().Select(p => p.Name).ToHashSet() : [];
                return !isObject || json.EnumerateObject().Where(p => !known.Contains(p.Name)).All(p => Valid(value, p.Value));
            case "propertyNames":
                return !isObject || json.EnumerateObject().All(p => Valid(value, JsonSerializer.SerializeToElement(p.Name)));
            case "minProperties":
                return !isObject || json.EnumerateObject().Count() >= value.GetInt32();
            case "maxProperties":
                return !isObject || json.EnumerateObject().Count() <= value.GetInt32();
            case "items":
                return !isList || json.EnumerateArray().All(i => Valid(value, i));
            case "prefixItems":
                return !isList || value.EnumerateArray().Zip(json.EnumerateArray()).All(pair => Valid(pair.First, pair.Second));
            case "contains":
                return !isList || json.EnumerateArray().Any(i => Valid(value, i));
            case "minItems":
                return !isList || json.GetArrayLength() >= value.GetInt32();
            case "maxItems":
                return !isList || json.GetArrayLength() <= value.GetInt32();
            case "minLength":
                return text is null || text.Length >= value.GetInt32();
            case "maxLength":
                return text is null || text.Length <= value.GetInt32();
            case "pattern":
                return text is null || Regex.IsMatch(text, value.GetString()!, RegexOptions.ECMAScript | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
            default:
                throw new NotSupportedException($"The keyword {keyword} is not one that this validator knows.");
        }
    }

    private static bool IsOfType(string type, JsonElement json) => type switch
    {
        "object" => json.ValueKind == JsonValueKind.Object,
        "array" => json.ValueKind == JsonValueKind.Array,
        "string" => json.ValueKind == JsonValueKind.String,
        "number" => json.ValueKind == JsonValueKind.Number,
        "boolean" => json.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "null" => json.ValueKind == JsonValueKind.Null,
        _ => throw new NotSupportedException(type),
    };
}
