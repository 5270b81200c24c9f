using Cdp.Profiles;

namespace Cdp.Segments;

/// <summary>The traits in a document, as conditions ask for them.</summary>
internal sealed class DocumentTraits(Profile document) : IProfileTraits
{
    public ReadOnlyMemory<byte> Find(string name) => Find(document.Traits, name);

    public ReadOnlyMemory<byte> FindOfGroup(string name) => Find(document.GroupTraits, name);

    private static ReadOnlyMemory<byte> Find(Dictionary<string, Trait> traits, string name) =>
        traits.TryGetValue(name, out var trait) && !trait.IsDeleted ? trait.Value : default;
}
