using System.Text.Json;

namespace Cdp.Destinations;

/// <summary>What systems of contacts ask of a person.</summary>
internal static class ContactView
{
    public const string NoEmail = "no-email";

    /// <summary>The first address, as the rules of identifiers have normalised it; null where there is none.</summary>
    public static string? EmailOf(JsonElement view) =>
        view.TryGetProperty("profile", out var profile) && profile.TryGetProperty("identifiers", out var identifiers) && identifiers.TryGetProperty("email", out var emails)
        && emails.GetArrayLength() > 0
            ? emails[0].GetString()
            : null;

    /// <summary>Why nothing can be made of it; null where it can. A mapping may make anything.</summary>
    public static string? Refusal(Outgoing item) =>
        EmailOf(item.View) is null ? "The profile has no e-mail address."
        : item.Payload.ValueKind != JsonValueKind.Object ? "The mapping does not make an object: put names of fields there, and what they get."
        : null;

    /// <summary>A list as one text.</summary>
    public static string Joined(JsonElement list, string between) => string.Join(between, list.EnumerateArray().Select(Text));

    public static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
}
