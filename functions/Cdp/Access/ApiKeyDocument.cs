using System.Text.Json;
using Cdp.Events;
using Cdp.Problems;

namespace Cdp.Access;

/// <summary>API keys on the wire.</summary>
public static class ApiKeyDocument
{
    private const int LongestName = 200;

    /// <param name="json">A JSON object.</param>
    /// <exception cref="ProblemException">invalid-field, naming every field that cannot be taken.</exception>
    public static (string Name, IReadOnlyList<string> Scopes) Read(JsonElement json)
    {
        var fields = new JsonFields(json);
        var name = fields.Text("name", LongestName, required: true);
        var scopes = fields.Texts("scopes", Scope.All.Count, LongestName, required: true);
        for (var i = 0; i < scopes?.Count; i++)
        {
            if (!Scope.All.Contains(scopes[i], StringComparer.Ordinal))
                fields.Refuse($"scopes[{i}]", "none of " + string.Join(", ", Scope.All));
        }

        if (scopes is { Count: 0 })
            fields.Refuse("scopes", "empty");
        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        return (name!, scopes!);
    }

    /// <param name="text">The key itself, in the answer to its creation and never again.</param>
    public static void Write(Utf8JsonWriter json, ApiKey key, string? text = null)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, key.Id);
        json.WriteString("name"u8, key.Name);
        json.WriteString("prefix"u8, key.Prefix);
        json.WriteStartArray("scopes"u8);
        foreach (var scope in key.Scopes)
            json.WriteStringValue(scope);
        json.WriteEndArray();
        json.WriteString("createdAt"u8, Instant.Of(key.CreatedAt).ToString());
        if (text is not null)
            json.WriteString("key"u8, text);
        json.WriteEndObject();
    }
}
