using Cdp.Events;

namespace Cdp.Deliveries;

/// <summary>How a destination has been lately, as the process says that wrote last.</summary>
/// <param name="OpenUntil">Nothing is sent until then.</param>
public sealed record DestinationHealth(Instant? OpenUntil, Instant? LastSuccessAt)
{
    /// <summary><c>closed</c>, <c>open</c>, or <c>half-open</c>: the next request decides.</summary>
    public string Breaker(Instant now) => OpenUntil is not { } until ? "closed" : now < until ? "open" : "half-open";
}
