using System.Text.Json;
using Cdp.Archive;
using Cdp.Events;
using Cdp.Ids;
using Cdp.Profiles;
using Cdp.Stats;
using Cdp.Storage;

namespace Cdp.Identity;

/// <summary>
/// Takes identifiers out of linking: those that two different people use (detached), and those seen with too many others (quarantined).
/// Whoever has one keeps their timeline; from then on it shows nothing about who is who.
/// </summary>
/// <remarks>
/// Order of writes: (1) the index entry, under its version, with a note that the document does not say so yet; (2) the document of the profile that
/// had it; (3) for a quarantine the row it is listed by, and the control log; (4) the note is taken back. Dies between any two: whoever meets the
/// note, the message that comes again first of all, goes on from (2). A commit that still lists the identifier under (1) came before the
/// decision; after (2) the document refuses it.
/// </remarks>
public sealed class IdentifierSuspender(
    IdentityIndex index, ProfileStore profiles, QuarantineList list, ControlLog log, IdGenerator ids, TimeProvider time)
{
    // Each try lost against another writer that made progress.
    private const int MostTries = 30;

    /// <summary>Two different people use it. False where the entry changed meanwhile: look again.</summary>
    /// <param name="home">The profile that has it.</param>
    /// <param name="routing">Where events go from now on that carry nothing else.</param>
    public async Task<bool> DetachAsync(
        IdentityEntry entry, ProfileId home, string messageId, string rule, SharedIdentifiers routing, CancellationToken cancellation)
    {
        var now = Instant.Now(time);
        var own = routing == SharedIdentifiers.Own;
        var detached = entry.LeadingTo(own ? ProfileId.New(ids) : home, now, remember: true) with
        {
            State = LinkState.Detached,
            Owned = own,
            Suspension = new Suspension(home, Pending: true, now, messageId, rule),
        };
        return await index.ChangeAsync(detached, cancellation) is { } written && await FinishAsync(written, cancellation);
    }

    /// <summary>
    /// Notes what else an identifier was seen with, and quarantines it where that is too much. True where it was quarantined, or the entry changed:
    /// look again.
    /// </summary>
    /// <param name="owner">The document the entry leads to.</param>
    /// <param name="company">Identifiers of the same event that are not the owner's.</param>
    public async Task<bool> NoteCompanyAsync(
        IdentityEntry entry, IdentityRules rules, ProfileId home, Profile? owner, IEnumerable<Identifier> company, string messageId, CancellationToken cancellation)
    {
        if (entry.State == LinkState.Quarantined || rules.Find(entry.Identifier.Type) is not { QuarantineAfter: { } most })
            return false;
        Dictionary<string, IReadOnlyList<uint>>? seen = null;
        string? tooMany = null;
        foreach (var other in company)
        {
            if (other.Type == entry.Identifier.Type || owner?.Owns(other) == true)
                continue;
            var hash = (uint)Hash128.Of(other.Type, other.Value).Low;
            var known = (seen ?? entry.SeenWith)?.GetValueOrDefault(other.Type) ?? [];
            if (known.Contains(hash))
                continue;
            seen ??= entry.SeenWith is null ? new(StringComparer.Ordinal) : new(entry.SeenWith, StringComparer.Ordinal);
            seen[other.Type] = [.. known, hash];
            var listed = owner?.Identifiers.Count(i => i.Identifier.Type == other.Type) ?? 0;
            if (known.Count + 1 + listed > most)
                tooMany = other.Type;
        }

        if (seen is null)
            return false;
        var changed = entry with { SeenWith = seen };
        if (tooMany is not null)
        {
            changed = changed with
            {
                State = LinkState.Quarantined,
                Suspension = new Suspension(
                    entry.Suspension?.Home ?? home, Pending: true, Instant.Now(time), messageId, $"{entry.Identifier.Type}.quarantine.{tooMany}"),
            };
        }

        if (await index.ChangeAsync(changed, cancellation) is not { } written)
            return true;
        if (tooMany is null)
            return false;
        await FinishAsync(written, cancellation);
        return true;
    }

    /// <summary>Steps 2 to 4. False where the entry changed meanwhile.</summary>
    public async Task<bool> FinishAsync(IdentityEntry entry, CancellationToken cancellation)
    {
        var suspension = entry.Suspension!;
        await ChangeHomeAsync(entry, document => Suspend(document, entry), cancellation);
        if (entry.State == LinkState.Quarantined)
            await list.PutAsync(entry, cancellation);
        var action = Action(entry);
        await log.RecordAsync(json => Write(json, action, entry, suspension.At), cancellation);
        if (await index.ChangeAsync(entry with { Suspension = suspension with { Pending = false } }, cancellation) is null)
            return false;
        Telemetry.Decided(action);
        return true;
    }

    /// <summary>
    /// A person says that a quarantined identifier is good: it links again, or is detached again where it had been before. False where it is not
    /// quarantined. Repeatable: the list, by which it is found, is changed last.
    /// </summary>
    public async Task<bool> ReleaseAsync(Identifier identifier, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var entry = await index.ReadAsync(identifier, cancellation);
            if (entry is not { State: LinkState.Quarantined, Suspension: { } suspension })
            {
                await list.RemoveAsync(identifier, cancellation);
                return false;
            }

            var now = Instant.Now(time);
            var wasDetached = !entry.Owned || entry.Profile != suspension.Home;
            await ChangeHomeAsync(entry, document => Release(document, identifier, suspension, now), cancellation);
            await log.RecordAsync(json => Write(json, DecisionAction.Released, entry, now), cancellation);
            var released = entry with
            {
                State = wasDetached ? LinkState.Detached : LinkState.Linking,
                Suspension = wasDetached ? suspension : null,
                SeenWith = null,
            };
            if (await index.ChangeAsync(released, cancellation) is null)
                continue;
            await list.RemoveAsync(identifier, cancellation);
            return true;
        }

        throw new ConflictException($"The quarantined {identifier.Type} changed {MostTries} times in a row.");
    }

    private async Task ChangeHomeAsync(IdentityEntry entry, Func<Profile, bool> change, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var (_, document, version) = await profiles.FollowAsync(entry.Suspension!.Home, entry.Identifier, fresh: true, cancellation);
            if (document?.IsAwaiting(entry.Identifier) == true)
                throw new ConflictException($"Profile {document.Id} is being unmerged; what it gives away is not at its place yet.");
            if (document is null || !change(document) || await profiles.SaveAsync(document, version, cancellation))
                return;
        }

        throw new ConflictException($"The profile that has a shared {entry.Identifier.Type} changed {MostTries} times in a row.");
    }

    /// <summary>False where the document says so already.</summary>
    private static bool Suspend(Profile document, IdentityEntry entry)
    {
        var suspension = entry.Suspension!;
        var identifier = entry.Identifier;
        var owned = document.Identifiers.FindIndex(i => i.Identifier == identifier);
        var released = document.Released.FindIndex(r => r.Identifier == identifier);
        if (entry.State == LinkState.Detached)
        {
            // What an unmerge gave away may be on its way back with a merge: that must not list it again either.
            if (owned < 0 && released >= 0 && document.Released[released].To is null)
                return false;
            var was = owned >= 0
                ? document.Identifiers[owned]
                : new OwnedIdentifier(identifier, suspension.At, suspension.At, "", suspension.MessageId, suspension.At);
            document.Release(new ReleasedIdentifier(was, To: null, suspension.At));
        }
        else if (owned >= 0)
        {
            document.Identifiers[owned] = document.Identifiers[owned] with { Quarantined = true };
        }
        else if (released >= 0)
        {
            document.Released[released] = document.Released[released] with { Quarantined = true };
        }
        else if (document.Owns(identifier))
        {
            throw new ConflictException($"Profile {document.Id} is being merged; its identifier is quarantined when that is done.");
        }

        document.Record(new IdentityDecision(suspension.At, suspension.MessageId, identifier, Action(entry), suspension.Rule));
        return true;
    }

    private static bool Release(Profile document, Identifier identifier, Suspension suspension, Instant now)
    {
        for (var i = 0; i < document.Identifiers.Count; i++)
        {
            if (document.Identifiers[i].Identifier == identifier)
                document.Identifiers[i] = document.Identifiers[i] with { Quarantined = false };
        }

        for (var i = 0; i < document.Released.Count; i++)
        {
            if (document.Released[i].Identifier == identifier)
                document.Released[i] = document.Released[i] with { Quarantined = false };
        }

        document.Record(new IdentityDecision(now, suspension.MessageId, identifier, DecisionAction.Released, suspension.Rule));
        return true;
    }

    private static string Action(IdentityEntry entry) =>
        entry.State == LinkState.Quarantined ? DecisionAction.Quarantined : DecisionAction.Detached;

    private static void Write(Utf8JsonWriter json, string action, IdentityEntry entry, Instant at)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, action);
        json.WriteString("at"u8, at.ToString());
        json.WriteString("identifierType"u8, entry.Identifier.Type);
        json.WriteString("identifierValue"u8, entry.Identifier.Value);
        json.WriteString("profileId"u8, entry.Suspension!.Home.Value);
        json.WriteString("leadsTo"u8, entry.Profile.Value);
        json.WriteString("messageId"u8, entry.Suspension.MessageId);
        json.WriteString("rule"u8, entry.Suspension.Rule);
        json.WriteEndObject();
    }
}
