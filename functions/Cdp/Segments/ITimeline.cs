using Cdp.Events;

namespace Cdp.Segments;

/// <summary>The stored events of one profile, for what its state does not tell.</summary>
public interface ITimeline
{
    /// <summary>Newest first; events of one millisecond in any order, and each once.</summary>
    /// <param name="from">Inclusive; null for all.</param>
    IAsyncEnumerable<Event> ReadAsync(Instant? from, CancellationToken cancellation);
}
