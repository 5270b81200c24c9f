using System.Collections.Frozen;

namespace Cdp.Identity;

/// <summary>The identifier types, strongest first.</summary>
public sealed class IdentityRules
{
    public const string UserId = "user_id";
    public const string Email = "email";
    public const string Phone = "phone";
    public const string AnonymousId = "anonymous_id";

    /// <summary>The rules that hold without any configuration.</summary>
    public static readonly IdentityRules Default = new(
    [
        new IdentifierType(UserId, Priority: 0, Unique: true, Limit: new(1), Normalisation.Trim, QuarantineAfter: null),
        new IdentifierType(Email, Priority: 1, Unique: false, Limit: new(5), Normalisation.Email),
        new IdentifierType(Phone, Priority: 2, Unique: false, Limit: new(5), Normalisation.Phone),
        new IdentifierType(AnonymousId, Priority: 3, Unique: false, Limit: new(5), Normalisation.Trim),
    ]);

    private readonly FrozenDictionary<string, IdentifierType> byName;

    public IdentityRules(IReadOnlyList<IdentifierType> types)
    {
        Types = [.. types.OrderBy(t => t.Priority)];
        byName = Types.ToFrozenDictionary(t => t.Name, StringComparer.Ordinal);
    }

    public IReadOnlyList<IdentifierType> Types { get; }

    public SharedIdentifiers SharedIdentifiers { get; init; }

    public bool MayJoin(IdentifierType type, Cdp.Sources.Source? source) => true;

    public IdentifierType? Find(string name) => byName.GetValueOrDefault(name);
}

public enum SharedIdentifiers
{
    Own,
    First,
    Latest,
}

public sealed class IdentityRulesRegistry(IdentityRules rules)
{
    public static IdentityRulesRegistry Of(IdentityRules rules) => new(rules);

    public ValueTask<IdentityRules> CurrentAsync(CancellationToken cancellation) => new(rules);
}
