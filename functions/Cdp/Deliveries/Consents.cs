using System.Text.Json;
using Cdp.Profiles;

namespace Cdp.Deliveries;

/// <summary>Whether a person has agreed that data leaves for a purpose.</summary>
public interface IConsents
{
    /// <summary>Nothing known is no.</summary>
    bool IsGiven(Profile profile, string category);
}

/// <summary>By the trait <c>consent</c>, an object of categories: <c>identify({"consent":{"marketing":true}})</c>.</summary>
public sealed class TraitConsents : IConsents
{
    private const string Name = "consent";

    public bool IsGiven(Profile profile, string category)
    {
        if (!profile.Traits.TryGetValue(Name, out var trait) || trait.IsDeleted)
            return false;
        using var json = JsonDocument.Parse(trait.Value, new JsonDocumentOptions { MaxDepth = 1000 });
        return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty(category, out var given) && given.ValueKind == JsonValueKind.True;
    }
}
