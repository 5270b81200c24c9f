using Cdp.Events;

namespace Cdp.Catalog;

/// <summary>What events are called in the catalogue, in tracking plans and in segments: by their name, others than track calls by their type.</summary>
internal static class EventNames
{
    public const string Identify = "$identify";
    public const string Group = "$group";

    /// <summary>All that found no place under a name of their own.</summary>
    public const string Other = "$other";

    /// <summary>Null for calls that only link identifiers. A track call cannot take a name of ours.</summary>
    public static string? Of(Event e) => e.Type switch
    {
        EventType.Track => e.Name is ['$', ..] ? Other : e.Name,
        EventType.Page => "$page",
        EventType.Screen => "$screen",
        EventType.Identify => Identify,
        EventType.Group => Group,
        _ => null,
    };

    /// <summary>Of calls other than track.</summary>
    public static bool IsReserved(string name) => name is "$page" or "$screen" or Identify or Group;

    public static bool HasTraits(string name) => name is Identify or Group;

    /// <summary>A name of a track call that is short enough and holds nothing of a person.</summary>
    public static bool CanBeShown(string name) => name.Length <= CatalogLimits.NameLength && !PersonalData.LooksLike(name, isName: true);
}
