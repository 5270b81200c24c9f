using System.Collections.Frozen;

namespace Cdp.Destinations;

/// <summary>The kinds of destination that there are, by name.</summary>
public sealed class DestinationTypes(IEnumerable<IDestinationType> types)
{
    private readonly FrozenDictionary<string, IDestinationType> byName = types.ToFrozenDictionary(static type => type.Name, StringComparer.Ordinal);

    public IEnumerable<string> Names => byName.Keys.Order(StringComparer.Ordinal);

    public IDestinationType? Find(string name) => byName.GetValueOrDefault(name);
}
