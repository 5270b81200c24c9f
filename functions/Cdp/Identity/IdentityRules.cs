using System.Collections.Frozen;
using Cdp.Sources;

namespace Cdp.Identity;

/// <summary>Where events go that carry only an identifier which two different <c>user_id</c>s have used.</summary>
public enum SharedIdentifiers
{
    /// <summary>To a profile of their own: whose they are nobody can tell.</summary>
    Own,

    /// <summary>To the one who used it first.</summary>
    First,

    /// <summary>To the one who used it last.</summary>
    Latest,
}

/// <summary>The identifier types, strongest first, and what holds for all of them. Immutable: a change makes new rules.</summary>
public sealed class IdentityRules
{
    public const string UserId = "user_id";
    public const string Email = "email";
    public const string Phone = "phone";
    public const string AnonymousId = "anonymous_id";

    private const int UsualLimit = 5;

    /// <summary>The rules that hold without any configuration.</summary>
    public static readonly IdentityRules Default = new(
    [
        new IdentifierType(UserId, Priority: 1, Unique: true, new IdentifierLimit(1), Normalisation.Trim) { Paths = [IdentifierPath.UserId] },
        new IdentifierType(Email, Priority: 2, Unique: false, new IdentifierLimit(UsualLimit), Normalisation.Email) { Paths = ["traits.email", "context.traits.email"] },
        new IdentifierType(Phone, Priority: 3, Unique: false, new IdentifierLimit(UsualLimit), Normalisation.Phone) { Paths = ["traits.phone", "context.traits.phone"] },
        new IdentifierType(AnonymousId, Priority: 4, Unique: false, new IdentifierLimit(UsualLimit), Normalisation.Trim) { Paths = [IdentifierPath.AnonymousId] },
    ]);

    private readonly FrozenDictionary<string, IdentifierType> byName;

    /// <param name="types">Their names, priorities and names in <c>context.externalIds</c> differ; their paths are valid.</param>
    /// <param name="version">Grows with every change; 0 where nothing was ever configured.</param>
    public IdentityRules(IReadOnlyList<IdentifierType> types, SharedIdentifiers sharedIdentifiers = SharedIdentifiers.Own, long version = 0)
    {
        Types = [.. types.OrderBy(t => t.Priority)];
        SharedIdentifiers = sharedIdentifiers;
        Version = version;
        byName = Types.ToFrozenDictionary(t => t.Name, StringComparer.Ordinal);
        Reading = new IdentifierReading(Types);
    }

    public IReadOnlyList<IdentifierType> Types { get; }

    public SharedIdentifiers SharedIdentifiers { get; }

    public long Version { get; }

    /// <summary>The types by the places of an event they are read from.</summary>
    internal IdentifierReading Reading { get; }

    public IdentifierType? Find(string name) => byName.GetValueOrDefault(name);

    /// <summary>An event of this source may join two profiles by an identifier of this type.</summary>
    /// <param name="source">Null where it is unknown: it counts as a client.</param>
    public static bool MayJoin(IdentifierType type, Source? source) => type.MergeSources.Include(source);
}
