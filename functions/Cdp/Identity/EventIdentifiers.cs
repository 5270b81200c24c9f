using Cdp.Events;

namespace Cdp.Identity;

/// <summary>Everything an event may be resolved by, without looking anything up.</summary>
/// <param name="Certain">Strongest first.</param>
/// <param name="Previous">
/// Of an alias: the previous id, which is looked up as an anonymous id first, then as a user id. What it means depends on what is known.
/// </param>
public readonly record struct EventIdentifiers(IReadOnlyList<Identifier> Certain, (Identifier Anonymous, Identifier User)? Previous)
{
    public static EventIdentifiers Of(Event e, IdentityRules rules)
    {
        var certain = IdentifierExtractor.Extract(e, rules);
        if (e.Type != EventType.Alias || rules.Find(IdentityRules.AnonymousId)?.Normalise(e.PreviousId) is not { } previous)
            return new EventIdentifiers(certain, null);
        return new EventIdentifiers(certain, (new Identifier(IdentityRules.AnonymousId, previous), new Identifier(IdentityRules.UserId, previous)));
    }

    /// <summary>All of them, a previous id in both its readings.</summary>
    public IReadOnlyList<Identifier> All => Previous is var (anonymous, user) ? [.. Certain, anonymous, user] : Certain;

    /// <summary>Whether there are any, and all of them have this property; of a previous id one reading.</summary>
    public bool AreAllAmong(Func<Identifier, bool> owned)
    {
        if (Certain.Count == 0 && Previous is null)
            return false;
        foreach (var identifier in Certain)
        {
            if (!owned(identifier))
                return false;
        }

        return Previous is not var (anonymous, user) || owned(anonymous) || owned(user);
    }

    /// <summary>Those with this property; of a previous id the first reading that has it.</summary>
    public List<Identifier> Among(Func<Identifier, bool> owned)
    {
        var found = new List<Identifier>(Certain.Count + 1);
        foreach (var identifier in Certain)
        {
            if (owned(identifier))
                found.Add(identifier);
        }

        if (Previous is var (anonymous, user))
        {
            var meant = owned(anonymous) ? anonymous : user;
            if (owned(meant) && !found.Contains(meant))
                found.Add(meant);
        }

        return found;
    }
}
