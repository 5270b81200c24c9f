using Cdp.Caching;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Processing;

/// <summary>
/// Messages this process committed lately, so that asking for one of them does not mean asking every shard. Only a short cut: a commit is
/// final, and the profile is followed through merges by who reads it.
/// </summary>
public sealed class RecentCommits
{
    // Two generations of half of it each; about 100 bytes an entry.
    private const int MostEntries = 50_000;

    private readonly TwoGenerationCache<Hash128, (ProfileId Profile, Instant At)> cache = new(MostEntries / 2);

    /// <param name="at">When the event was received, as its row says.</param>
    public void Add(Hash128 message, ProfileId profile, Instant at) => cache.Set(message, (profile, at));

    public bool TryGet(Hash128 message, out ProfileId profile, out Instant at)
    {
        var found = cache.TryGet(message, out var entry);
        (profile, at) = entry;
        return found;
    }
}
