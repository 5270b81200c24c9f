using Cdp.Identity;

namespace Cdp.Tests.Identity.Simulation;

/// <summary>Who is who by what was sent: identifiers are connected where an event carries both.</summary>
internal sealed class Components
{
    private readonly Dictionary<Identifier, Identifier> parents = [];

    public Components(IEnumerable<SimulatedEvent> events)
    {
        foreach (var e in events)
        {
            foreach (var identifier in e.Identifiers)
                parents[Root(identifier)] = Root(e.Identifiers[0]);
        }
    }

    /// <summary>Names the component of an event.</summary>
    public Identifier Of(SimulatedEvent e) => Root(e.Identifiers[0]);

    private Identifier Root(Identifier identifier)
    {
        while (parents.TryGetValue(identifier, out var parent) && parent != identifier)
            identifier = parent;
        return identifier;
    }
}
