using Cdp.Identity;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Reading;

/// <summary>A profile as readers see it.</summary>
/// <param name="Key">What it was asked for by.</param>
/// <param name="Profile">The document; those of profiles it is just absorbing are folded in, whether the merge has come to that or not.</param>
/// <param name="Absorbed">Merged profiles part of whose timeline may still be in its old place.</param>
/// <param name="MergedFrom">The id that was asked for, where a merge has led to another.</param>
/// <param name="Shows">During an unmerge: whether an event that stands with this profile, or with an absorbed one, is of this profile. Null: all are.</param>
public sealed record FoundProfile(
    ProfileKey Key, Profile Profile, IReadOnlyList<ProfileId> Absorbed, ProfileId? MergedFrom, Func<ProfileId, EventRow, bool>? Shows = null);

/// <summary>Finds profiles for those who read them.</summary>
/// <remarks>
/// Everything is read from the storage, never from a cache: functions that answer HTTP requests and those that process events run in
/// different instances, which do not see each other's caches.
/// </remarks>
public sealed class ProfileReader(IRowStore rows, IdentityIndex index, ProfileStore profiles, IdentityRulesRegistry identity)
{
    // A second look settles what a merge moved between the index and the document.
    private const int Looks = 2;

    // Whoever loses against a merge or an unmerge this often is told of the state it saw last.
    private const int MostTries = 5;

    /// <param name="key">See <see cref="ProfileKey"/>.</param>
    /// <exception cref="ProblemException">invalid-key or profile-not-found.</exception>
    public async Task<FoundProfile> FindAsync(string key, CancellationToken cancellation) =>
        await FindAsync(ProfileKey.Parse(key, await identity.CurrentAsync(cancellation)), cancellation);

    /// <exception cref="ProblemException">invalid-key or profile-not-found.</exception>
    public async Task<FoundProfile> FindAsync(string type, string value, CancellationToken cancellation) =>
        await FindAsync(ProfileKey.Of(type, value, await identity.CurrentAsync(cancellation)), cancellation);

    /// <summary>
    /// Finds a profile and reads rows of it. Where a merge or an unmerge has led the key to another profile meanwhile, the rows may have gone there
    /// before they were read: it is found and read anew.
    /// </summary>
    /// <exception cref="ProblemException">invalid-key or profile-not-found.</exception>
    public async Task<(FoundProfile Found, T Answer)> ReadAsync<T>(string key, Func<FoundProfile, Task<T>> read, CancellationToken cancellation)
    {
        var found = await FindAsync(key, cancellation);
        for (var tries = 1; ; tries++)
        {
            var answer = await read(found);
            var now = await FindAsync(key, cancellation);
            if (now.Profile.Id == found.Profile.Id || tries == MostTries)
                return (found, answer);
            found = now;
        }
    }

    private async Task<FoundProfile> FindAsync(ProfileKey key, CancellationToken cancellation)
    {
        var found = key.Id is { } id
            ? await FollowAsync(key, id, cancellation)
            : await FindByIdentifierAsync(key, key.Identifier!.Value, cancellation);
        return found ?? throw ProfileKey.NotFound();
    }

    /// <summary>The index may be ahead or stale; the document tells.</summary>
    private async Task<FoundProfile?> FindByIdentifierAsync(ProfileKey key, Identifier identifier, CancellationToken cancellation)
    {
        for (var look = 0; look < Looks; look++)
        {
            if (await index.FindAsync(identifier, fresh: true, cancellation) is not { } entry)
                return null;
            var (holder, _, _) = await profiles.FollowAsync(entry.Profile, identifier, fresh: true, cancellation);
            if (await FollowAsync(key, holder, cancellation) is not { } found)
                continue;
            if (found.Profile.Owns(identifier) || !entry.Owned)
                return found with { MergedFrom = null };
            if (found.Profile.Splitting is { } split && found.Profile.FindReleased(identifier)?.To == split.Loser
                && await ReturningAsync(key, found.Profile.Id, split, cancellation) is { } returning)
            {
                return returning;
            }
        }

        return null;
    }

    /// <summary>
    /// An unmerge has just begun and the profile that comes back is a tombstone yet: it is shown as it was when it was merged, with its events where they are.
    /// Null where it is back by now.
    /// </summary>
    private async Task<FoundProfile?> ReturningAsync(ProfileKey key, ProfileId common, Split split, CancellationToken cancellation)
    {
        if (await profiles.FindAsync(split.Loser, fresh: true, cancellation) is not { } stored || stored.Decode() is not { MergedInto: not null } tombstone)
            return null;
        var rules = await identity.CurrentAsync(cancellation);
        return new FoundProfile(
            key, tombstone, [common], MergedFrom: null,
            (owner, row) => owner != common || split.Takes(row.FirstProfile, EventIdentifiers.Of(row.Event, rules)));
    }

    private async Task<FoundProfile?> FollowAsync(ProfileKey key, ProfileId asked, CancellationToken cancellation)
    {
        for (var tries = 1; ; tries++)
        {
            var (id, profile, _) = await profiles.FollowAsync(asked, fresh: true, cancellation);
            if (profile is null)
                return null;
            var absorbed = await AbsorbAsync(profile, cancellation);
            // Without events and identifiers it is a reservation: a claim, or a merge that may still be refused.
            if (profile.IsEmpty && profile.Identifiers.Count == 0)
                return null;
            var found = new FoundProfile(key, profile, absorbed, id == asked ? null : asked);
            if (!profile.IsSplitting)
                return found;
            if (await rows.GetAsync(TableName.Profiles, id.Shard, ProfileRows.BeforeSplit(id), cancellation) is { } before)
                return await DuringSplitAsync(found, ProfileCodec.Decode(id, before.Data), cancellation);
            // Done meanwhile: the document has all that is of the profile again.
            if (tries == MostTries)
                return found;
        }
    }

    /// <summary>
    /// An unmerge under way folds both documents anew: until it is done readers are shown what each of them was before, and each side's events
    /// wherever they are.
    /// </summary>
    private async Task<FoundProfile> DuringSplitAsync(FoundProfile found, Profile before, CancellationToken cancellation)
    {
        var profile = found.Profile;
        var counted = profile.EventCount;
        profile.AddEventsOf(before);
        // The one that comes back has counted, of those it had before, what has been moved so far.
        if (profile.Splitting is null)
            profile.EventCount = Math.Max(counted, before.EventCount);
        var rules = await identity.CurrentAsync(cancellation);
        if (profile.Splitting is { } leaving)
            return found with { Shows = (_, row) => !leaving.Takes(row.FirstProfile, EventIdentifiers.Of(row.Event, rules)) };
        var (common, stayer, _) = await profiles.FollowAsync(profile.SplitFrom!.Value, fresh: true, cancellation);
        if (stayer?.Splitting is not { } split || split.Loser != profile.Id)
            return found;
        return found with
        {
            Absorbed = [.. found.Absorbed, common],
            Shows = (owner, row) => owner != common || split.Takes(row.FirstProfile, EventIdentifiers.Of(row.Event, rules)),
        };
    }

    /// <summary>
    /// From its fence on a merged profile is gone, though its document may not be folded in yet: done here, so that nobody sees a
    /// person without a past in between. One that is not fenced still lives on its own, and its merge may be taken back.
    /// </summary>
    private async Task<IReadOnlyList<ProfileId>> AbsorbAsync(Profile profile, CancellationToken cancellation)
    {
        if (profile.Absorbing.Count == 0)
            return [];
        var absorbed = new List<ProfileId>();
        foreach (var absorption in profile.Absorbing)
        {
            if (await profiles.FindAsync(absorption.Loser, fresh: true, cancellation) is not { } stored)
                continue;
            var loser = stored.Decode();
            if (loser.MergedInto is null)
                continue;
            absorbed.Add(loser.Id);
            if (!absorption.Folded)
                profile.Absorb(loser);
        }

        return absorbed;
    }
}
