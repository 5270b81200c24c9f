using Cdp.Identity;

namespace Cdp.Tests.Identity.Simulation;

/// <summary>An event as a client sends it, and what only the simulation knows about it.</summary>
/// <param name="Person">Who really caused it.</param>
/// <param name="Identifiers">What it carries, as it is normalised, strongest first; placeholders are none.</param>
internal sealed record SimulatedEvent(string MessageId, int Person, IReadOnlyList<Identifier> Identifiers, string Json)
{
    /// <summary>The user id it carries; null where there is none.</summary>
    public Identifier? User => Identifiers is [{ Type: IdentityRules.UserId } user, ..] ? user : null;
}
