using System.Text.Json;

namespace CdpFunctions.Clients;

internal static class Identifiers
{
    /// <summary>A profile's identifiers as JSON, the values of a type in ordinal order.</summary>
    public static string Of(JsonElement profile) => JsonSerializer.Serialize(profile.GetProperty("identifiers").EnumerateObject()
        .ToDictionary(static type => type.Name, static type => type.Value.EnumerateArray().Select(static v => v.GetString()).Order(StringComparer.Ordinal), StringComparer.Ordinal));
}
