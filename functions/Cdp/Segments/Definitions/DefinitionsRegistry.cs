using Cdp.Caching;
using Cdp.Events;
using Cdp.Storage;

namespace Cdp.Segments.Definitions;

/// <summary>
/// The definitions that hold now, compiled; at most 10 s behind what is stored, and at once in the process that changed them. While nothing changes a reload is
/// one small read.
/// </summary>
public sealed class DefinitionsRegistry
{
    /// <summary>
    /// Who has older definitions than this does not write by them: the backfill begins when this time is over, and from then on a profile that was written under
    /// old definitions might be passed by already.
    /// </summary>
    public static readonly TimeSpan MostAge = TimeSpan.FromSeconds(20);

    private readonly SharedSnapshot<Loaded>? snapshots;
    private readonly TimeProvider time;

    public DefinitionsRegistry(DefinitionStore store, TimeProvider time)
    {
        this.time = time;
        snapshots = new SharedSnapshot<Loaded>(
            async cancellation =>
            {
                var at = Instant.Now(time);
                return new Loaded(await store.LoadAsync(cancellation), at);
            },
            time);
    }

    private DefinitionsRegistry() => time = TimeProvider.System;

    /// <summary>Nothing is defined, ever.</summary>
    public static DefinitionsRegistry None { get; } = new();

    /// <exception cref="ConflictException">The storage has not answered for so long that others may have gone on.</exception>
    public ValueTask<DefinitionSet> CurrentAsync(CancellationToken cancellation)
    {
        if (snapshots is null)
            return new(DefinitionSet.None);
        return snapshots.Fresh is { } fresh ? new(fresh.Set) : new(ReloadedAsync(cancellation));
    }

    /// <summary>Read after this call: for who has met a profile that was written under newer definitions.</summary>
    public async Task<DefinitionSet> NewerAsync(CancellationToken cancellation) =>
        snapshots is null ? DefinitionSet.None : (await snapshots.BegunAfterAsync(time.GetTimestamp(), cancellation)).Set;

    /// <summary>This process has just stored other definitions.</summary>
    public void Expire() => snapshots?.Expire();

    private async Task<DefinitionSet> ReloadedAsync(CancellationToken cancellation)
    {
        var loaded = await snapshots!.CurrentAsync(cancellation);
        return Instant.Now(time) <= loaded.At.Plus(MostAge) ? loaded.Set : throw new ConflictException("The definitions could not be read for a while.");
    }

    private sealed record Loaded(DefinitionSet Set, Instant At);
}
