using System.Text.Json;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Segments.Reading;
using Cdp.Storage;

namespace Cdp.Deliveries;

/// <summary>What a delivery shows: the profile as it is now, and the event that caused it.</summary>
/// <param name="Json">For mappings and templates: <c>delivery</c>, <c>cause</c>, <c>profile</c>, <c>event</c>.</param>
/// <param name="IsWhole">False where the event that is to be sent is not there any more.</param>
public sealed record DeliveryView(Profile Profile, JsonElement Json, bool IsWhole)
{
    /// <summary>
    /// The same with the receiver's own traits turned about: those that it set are not there, those that it removed are, as an empty text. What a payload has from
    /// one of the two and not from the other is the receiver's own. Null where it has none.
    /// </summary>
    public JsonElement? Turned { get; init; }

    /// <summary>What is sent where no mapping says otherwise.</summary>
    public JsonElement Standard() => PayloadText.Element(json =>
    {
        json.WriteStartObject();
        var delivery = Json.GetProperty("delivery"u8);
        foreach (var name in (ReadOnlySpan<string>)["id", "key"])
        {
            json.WritePropertyName(name);
            delivery.GetProperty(name).WriteTo(json);
        }

        foreach (var member in Json.EnumerateObject())
        {
            if (member.Name is "delivery")
                continue;
            json.WritePropertyName(member.Name);
            PayloadText.Raw(json, member.Value);
        }

        json.WriteEndObject();
    });
}

/// <summary>Makes <see cref="DeliveryView"/>s, from the storage and never from a cache.</summary>
public sealed class DeliveryViews(IRowStore rows, ProfileReader profiles, ProfileSegmentsReader segments, IdentityRulesRegistry identity)
{
    // As long as a chain of merges may be.
    private const int MostTries = 20;

    /// <summary>Null where there is no such profile any more: nothing about it leaves.</summary>
    /// <param name="ofReceiver">Sources that the receiver's own changes come in by; see <see cref="DeliveryView.Turned"/>.</param>
    public async Task<DeliveryView?> ReadAsync(
        string id, string key, string profileId, DeliveryCause cause, IReadOnlyList<string>? traits, IReadOnlySet<string>? ofReceiver, CancellationToken cancellation)
    {
        if (await FindAsync(profileId, cancellation) is not { } found)
            return null;
        var rules = await identity.CurrentAsync(cancellation);
        var known = await segments.ReadAsync(found.Profile, cancellation);
        var caused = cause.Type == DeliveryCause.Event || cause.TriggerId is not null ? await EventAsync(found, new ProfileId(profileId), cause, cancellation) : null;
        var isOfReceiver = ofReceiver is { Count: > 0 } && found.Profile.Traits.Any(t => ofReceiver.Contains(t.Value.SourceId));
        return new DeliveryView(found.Profile, Compose(null), caused is not null || cause.Type != DeliveryCause.Event) { Turned = isOfReceiver ? Compose(ofReceiver) : null };

        JsonElement Compose(IReadOnlySet<string>? turned) => PayloadText.Element(writer =>
        {
            writer.WriteStartObject();
            writer.WriteStartObject("delivery"u8);
            writer.WriteString("id"u8, id);
            writer.WriteString("key"u8, key);
            writer.WriteEndObject();
            WriteCause(writer, cause);
            WriteProfile(writer, found.Profile, traits, turned, known, rules);
            if (caused is not null)
            {
                writer.WritePropertyName("event"u8);
                // As it is stored: parsing and writing again would lose what JSON libraries do not keep.
                writer.WriteRawValue(caused.Json.Span, skipInputValidation: true);
            }

            writer.WriteEndObject();
        });
    }

    public async Task<FoundProfile?> FindAsync(string profileId, CancellationToken cancellation)
    {
        try
        {
            return await profiles.FindAsync(profileId, cancellation);
        }
        catch (ProblemException gone) when (gone.Problem.Type == ProblemType.ProfileNotFound)
        {
            return null;
        }
    }

    /// <summary>The event of a cause: with the profile, or during a merge or after an unmerge with another that had it. Null where it is nowhere.</summary>
    /// <exception cref="ConflictException">Merges move it about faster than it is looked for.</exception>
    public async Task<Event?> EventAsync(FoundProfile found, ProfileId first, DeliveryCause cause, CancellationToken cancellation)
    {
        if (cause is not { SourceId: { } source, MessageId: { } message, Timestamp: { } timestamp })
            return null;
        var messageKey = Hash128.Of(source, message);
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (await LookAsync(found, first, timestamp, messageKey, cancellation) is { } e)
                return e;
            // A merge may have taken it along since the profile was looked for, or from one place to another that was looked at before.
            if (await FindAsync(first.Value, cancellation) is not { } again || (again.Profile.Id == found.Profile.Id && (found.Absorbed.Count == 0 || tries > 0)))
                return null;
            found = again;
        }

        throw new ConflictException($"Message {message} of {source} is moved about by merges.");
    }

    private async Task<Event?> LookAsync(FoundProfile found, ProfileId first, Instant timestamp, Hash128 messageKey, CancellationToken cancellation)
    {
        var looked = new HashSet<ProfileId>();
        foreach (var owner in (IEnumerable<ProfileId>)[found.Profile.Id, .. found.Absorbed, first])
        {
            if (!looked.Add(owner))
                continue;
            if (await rows.GetAsync(TableName.Profiles, owner.Shard, ProfileRows.Event(owner, timestamp, messageKey), cancellation) is { } row)
                return EventRow.Decode(owner, row.Data).Event;
        }

        return null;
    }

    internal static void WriteCause(Utf8JsonWriter json, DeliveryCause cause)
    {
        json.WriteStartObject("cause"u8);
        json.WriteString("type"u8, cause.Type);
        if (cause.SegmentId is not null)
            json.WriteString("segmentId"u8, cause.SegmentId);
        if (cause.MessageId is not null)
            json.WriteString("messageId"u8, cause.MessageId);
        if (cause.TriggerId is not null)
            json.WriteString("triggerId"u8, cause.TriggerId);
        json.WriteEndObject();
    }

    /// <summary>As <c>GET /v1/profiles/{key}</c> has it, with the chosen traits alone.</summary>
    private static void WriteProfile(Utf8JsonWriter json, Profile profile, IReadOnlyList<string>? traits, IReadOnlySet<string>? turned, ProfileSegmentsView? known, IdentityRules rules)
    {
        json.WriteStartObject("profile"u8);
        json.WriteString("id"u8, profile.Id.Value);
        json.WriteNumber("version"u8, profile.Version);
        ProfileJson.WriteIdentifiers(json, profile, rules);
        json.WriteStartObject("traits"u8);
        foreach (var (name, trait) in profile.Traits.OrderBy(static t => t.Key, StringComparer.Ordinal))
        {
            var isTurned = turned?.Contains(trait.SourceId) == true;
            if (trait.IsDeleted != isTurned || traits?.Contains(name) == false)
                continue;
            json.WritePropertyName(name);
            json.WriteRawValue(isTurned ? "\"\""u8 : trait.Value.Span, skipInputValidation: true);
        }

        json.WriteEndObject();
        json.WriteStartObject("computedTraits"u8);
        foreach (var (name, value) in known?.Computed ?? [])
        {
            if (traits?.Contains(name) == false)
                continue;
            json.WritePropertyName(name);
            json.WriteRawValue(value);
        }

        json.WriteEndObject();
        json.WriteStartArray("segments"u8);
        foreach (var membership in known?.Memberships ?? [])
            json.WriteStringValue(membership.SegmentId);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
