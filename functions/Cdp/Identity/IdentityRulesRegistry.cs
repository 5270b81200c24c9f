using Cdp.Caching;

namespace Cdp.Identity;

/// <summary>
/// The rules that hold now, at most 10 s behind what is stored; at once in the process that changed them. Take them once for a piece of
/// work and keep them for all of it: two askings may answer differently.
/// </summary>
/// <remarks>
/// While the storage does not answer, the old rules stay; where there never were any the error is the caller's, for the defaults could join
/// whom the configuration keeps apart.
/// </remarks>
public sealed class IdentityRulesRegistry
{
    private readonly IdentityRules? fixedRules;
    private readonly SharedSnapshot<IdentityRules>? stored;

    public IdentityRulesRegistry(IdentityRulesStore store, TimeProvider time) => stored = new SharedSnapshot<IdentityRules>(
        async cancellation => await store.GetAsync(cancellation) is var (rules, _) ? rules : IdentityRules.Default, time);

    private IdentityRulesRegistry(IdentityRules fixedRules) => this.fixedRules = fixedRules;

    /// <summary>Always these rules.</summary>
    public static IdentityRulesRegistry Of(IdentityRules fixedRules) => new(fixedRules);

    public ValueTask<IdentityRules> CurrentAsync(CancellationToken cancellation) =>
        fixedRules is not null ? new(fixedRules) : stored!.CurrentAsync(cancellation);

    /// <summary>This process has just stored other rules.</summary>
    public void Expire() => stored?.Expire();
}
