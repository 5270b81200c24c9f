using System.Collections.Frozen;
using System.Text;
using System.Text.Json;

namespace Cdp.Identity;

/// <summary>
/// The paths of all types as a tree of member names, made once for rules, so that the extraction is one pass over an event whatever
/// the number of types and paths.
/// </summary>
internal sealed class IdentifierReading
{
    // What RudderStack's merge calls say for a phone number.
    private const string Mobile = "mobile";

    public IdentifierReading(IReadOnlyList<IdentifierType> types)
    {
        var external = new Dictionary<string, IdentifierType>(StringComparer.Ordinal);
        foreach (var type in types)
        {
            foreach (var path in type.Paths)
                Add(path, type);
            foreach (var name in type.ExternalIdTypes)
                external.Add(name, type);
            external.Add(type.Name, type);
        }

        ByExternalType = external.ToFrozenDictionary(StringComparer.Ordinal);
        // context.traits stands in only for names that the event's own traits lack.
        if (Context.Inner(IdentifierPath.Traits) is { } contextTraits)
        {
            foreach (var name in contextTraits.Members)
                name.Own = Traits.Inner(name.Name)?.Ordinal ?? -1;
        }
    }

    public List<IdentifierType> UserId { get; } = [];

    public List<IdentifierType> AnonymousId { get; } = [];

    public Node Traits { get; } = new(IdentifierPath.Traits, 0);

    public Node Properties { get; } = new(IdentifierPath.Properties, 0);

    public Node Context { get; } = new(IdentifierPath.Context, 0);

    /// <summary>By <c>type</c> in <c>context.externalIds</c>.</summary>
    public FrozenDictionary<string, IdentifierType> ByExternalType { get; }

    /// <summary>
    /// By <c>type</c> in <c>mergeProperties</c>: as in <c>context.externalIds</c>, and besides <c>mobile</c> is <c>phone</c> where the rules have no
    /// other use for the name. Null where no type is meant.
    /// </summary>
    public IdentifierType? OfMergeProperty(string name) =>
        ByExternalType.GetValueOrDefault(name) ?? (name == Mobile ? ByExternalType.GetValueOrDefault(IdentityRules.Phone) : null);

    private void Add(string path, IdentifierType type)
    {
        if (path is IdentifierPath.UserId or IdentifierPath.AnonymousId)
        {
            (path == IdentifierPath.UserId ? UserId : AnonymousId).Add(type);
            return;
        }

        var names = path.Split('.');
        var node = names[0] switch
        {
            IdentifierPath.Traits => Traits,
            IdentifierPath.Properties => Properties,
            IdentifierPath.Context => Context,
            _ => throw new ArgumentException($"{path} is no path to an identifier.", nameof(path)),
        };
        foreach (var name in names.AsSpan(1))
            node = node.Add(name);
        node.Types.Add(type);
    }

    /// <summary>A member that is an identifier, or has members that are.</summary>
    /// <param name="ordinal">Its place among the members of the same object that paths name.</param>
    internal sealed class Node(string name, int ordinal)
    {
        private readonly byte[] utf8 = Encoding.UTF8.GetBytes(name);

        public string Name { get; } = name;

        public int Ordinal { get; } = ordinal;

        /// <summary>For a member of <c>context.traits</c>: the ordinal of the same member of <c>traits</c>; -1 where no path names that.</summary>
        public int Own { get; set; } = -1;

        public List<IdentifierType> Types { get; } = [];

        public List<Node> Members { get; } = [];

        public Node Add(string name)
        {
            if (Inner(name) is { } present)
                return present;
            var added = new Node(name, Members.Count);
            Members.Add(added);
            return added;
        }

        public Node? Inner(string name) => Members.Find(member => member.Name == name);

        /// <param name="reader">At the name of a member.</param>
        public Node? Find(ref Utf8JsonReader reader)
        {
            foreach (var member in Members)
            {
                if (reader.ValueTextEquals(member.utf8))
                    return member;
            }

            return null;
        }
    }
}
