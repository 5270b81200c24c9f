using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Segments.Language;
using Cdp.Segments.Reading;

namespace Cdp.Reading;

/// <summary>
/// Profiles on the wire. Times, decisions and lists come out in one order, whatever the order was in which events arrived.
/// </summary>
public static class ProfileJson
{
    /// <param name="segments">What is known of segments and computed traits; null where nothing is defined.</param>
    public static void WriteProfile(Utf8JsonWriter json, FoundProfile found, IdentityRules rules, ProfileSegmentsView? segments = null)
    {
        var profile = found.Profile;
        json.WriteStartObject();
        json.WriteString("id"u8, profile.Id.Value);
        json.WriteNumber("version"u8, profile.Version);
        json.WriteBoolean("identified"u8, profile.IsIdentified);
        if (!profile.IsEmpty)
        {
            json.WriteString("createdAt"u8, profile.CreatedAt.ToString());
            json.WriteString("firstSeenAt"u8, profile.FirstSeenAt.ToString());
            json.WriteString("lastSeenAt"u8, profile.LastSeenAt.ToString());
        }

        WriteIdentifiers(json, profile, rules);
        json.WriteStartObject("traits"u8);
        foreach (var (name, trait) in Traits(profile))
        {
            json.WritePropertyName(name);
            json.WriteRawValue(trait.Value.Span, skipInputValidation: true);
        }

        json.WriteEndObject();
        if (segments is not null)
            WriteSegments(json, segments);
        json.WriteStartObject("counts"u8);
        json.WriteNumber("events"u8, profile.EventCount);
        json.WriteEndObject();
        WriteMergedFrom(json, found);
        json.WriteEndObject();
    }

    /// <summary>The member <c>identifiers</c>: values by type.</summary>
    public static void WriteIdentifiers(Utf8JsonWriter json, Profile profile, IdentityRules rules)
    {
        json.WriteStartObject("identifiers"u8);
        foreach (var type in Identifiers(profile, rules).GroupBy(owned => owned.Identifier.Type, StringComparer.Ordinal))
        {
            json.WriteStartArray(type.Key);
            foreach (var owned in type)
                json.WriteStringValue(owned.Identifier.Value);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteSegments(Utf8JsonWriter json, ProfileSegmentsView segments)
    {
        json.WriteStartObject("computedTraits"u8);
        foreach (var (id, value) in segments.Computed)
        {
            json.WritePropertyName(id);
            json.WriteRawValue(value);
        }

        json.WriteEndObject();
        json.WriteStartArray("segments"u8);
        foreach (var membership in segments.Memberships)
        {
            json.WriteStartObject();
            json.WriteString("id"u8, membership.SegmentId);
            json.WriteString("since"u8, membership.Since.ToString());
            json.WriteNumber("definitionVersion"u8, membership.DefinitionVersion);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static void WriteTraits(Utf8JsonWriter json, FoundProfile found)
    {
        json.WriteStartObject();
        json.WriteStartObject("data"u8);
        foreach (var (name, trait) in Traits(found.Profile))
        {
            json.WriteStartObject(name);
            json.WritePropertyName("value"u8);
            json.WriteRawValue(trait.Value.Span, skipInputValidation: true);
            json.WriteString("at"u8, trait.At.ToString());
            json.WriteString("sourceId"u8, trait.SourceId);
            json.WriteString("messageId"u8, trait.MessageId);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    public static void WriteIdentities(Utf8JsonWriter json, FoundProfile found, IdentityRules rules)
    {
        json.WriteStartObject();
        json.WriteStartArray("data"u8);
        foreach (var owned in Identifiers(found.Profile, rules))
            WriteOwned(json, owned, owned.Quarantined ? "quarantined"u8 : "active"u8);
        foreach (var released in found.Profile.Released.OrderBy(r => r.At).ThenBy(r => r.Identifier.ToString(), StringComparer.Ordinal))
            WriteOwned(json, released.Was, released.Quarantined ? "quarantined"u8 : "rejected"u8);

        json.WriteEndArray();
        json.WriteStartArray("merges"u8);
        foreach (var merge in found.Profile.Merges.OrderBy(m => m.At).ThenBy(m => m.Id, StringComparer.Ordinal))
            WriteMerge(json, merge);
        json.WriteEndArray();
        json.WriteStartArray("decisions"u8);
        foreach (var decision in found.Profile.Decisions.OrderBy(d => d.At).ThenBy(d => d.MessageId, StringComparer.Ordinal))
        {
            json.WriteStartObject();
            json.WriteString("at"u8, decision.At.ToString());
            json.WriteString("messageId"u8, decision.MessageId);
            json.WriteStartObject("identifier"u8);
            WriteIdentifier(json, decision.Identifier);
            json.WriteEndObject();
            json.WriteString("action"u8, decision.Action);
            json.WriteString("rule"u8, decision.Rule);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    public static void WriteTimeline(Utf8JsonWriter json, TimelinePage page)
    {
        json.WriteStartObject();
        json.WriteStartArray("data"u8);
        foreach (var row in page.Events)
            json.WriteRawValue(Splice(row), skipInputValidation: true);
        json.WriteEndArray();
        if (page.Next is not null)
            json.WriteString("next"u8, page.Next);
        json.WriteEndObject();
    }

    public static void WriteStatus(Utf8JsonWriter json, MessageStatus status)
    {
        json.WriteStartObject();
        json.WriteString("messageId"u8, status.MessageId);
        json.WriteString("sourceId"u8, status.SourceId);
        json.WriteString("outcome"u8, status.Outcome);
        if (status.Profile is { } profile)
            json.WriteString("profileId"u8, profile.Value);
        if (status.At is { } at)
            json.WriteString("at"u8, at.ToString());
        if (status.Reason is not null)
            json.WriteString("reason"u8, status.Reason);
        json.WriteEndObject();
    }

    /// <summary>
    /// The event as it is stored, byte by byte, and what the server derived: parsing and writing it again would lose what JSON libraries do
    /// not keep, such as the digits of large numbers and lone surrogates.
    /// </summary>
    private static byte[] Splice(EventRow row)
    {
        var stored = row.Event.Json.Span;
        stored = stored[..stored.LastIndexOf((byte)'}')];
        var derived = Encoding.ASCII.GetBytes(Derived(row));
        var spliced = new byte[stored.Length + derived.Length];
        stored.CopyTo(spliced);
        derived.CopyTo(spliced, stored.Length);
        return spliced;
    }

    /// <summary>Ids alone, which need no escaping.</summary>
    private static string Derived(EventRow row)
    {
        var text = new StringBuilder(",\"firstProfileId\":\"").Append(row.FirstProfile.Value).Append('"');
        var any = false;
        foreach (var change in row.Changes ?? [])
        {
            // Of a trigger: nobody knows that there is a segment behind it.
            if (DefinitionIds.IsHidden(change.SegmentId))
                continue;
            text.Append(any ? "," : ",\"segmentChanges\":[").Append("{\"id\":\"").Append(change.SegmentId).Append("\",\"change\":\"").Append(change.Entered ? "entered" : "exited").Append("\"}");
            any = true;
        }

        if (any)
            text.Append(']');

        return text.Append('}').ToString();
    }

    private static IEnumerable<OwnedIdentifier> Identifiers(Profile profile, IdentityRules rules) => profile.Identifiers
        .OrderBy(owned => rules.Find(owned.Identifier.Type)?.Priority ?? int.MaxValue)
        .ThenBy(owned => owned.Identifier.Type, StringComparer.Ordinal)
        .ThenBy(owned => owned.FirstSeenAt)
        .ThenBy(owned => owned.Identifier.Value, StringComparer.Ordinal);

    private static IEnumerable<KeyValuePair<string, Trait>> Traits(Profile profile) =>
        profile.Traits.Where(trait => !trait.Value.IsDeleted).OrderBy(trait => trait.Key, StringComparer.Ordinal);

    private static void WriteMergedFrom(Utf8JsonWriter json, FoundProfile found)
    {
        // One that is reserved but not fenced is no part of this profile yet.
        var losers = found.Profile.Merges
            .Where(merge => merge.State != MergeState.Undone && (merge.State != MergeState.Fencing || found.Absorbed.Contains(merge.Loser)))
            .Select(merge => merge.Loser.Value)
            .Order(StringComparer.Ordinal)
            .ToList();
        if (losers.Count == 0)
            return;
        json.WriteStartArray("mergedFrom"u8);
        foreach (var loser in losers)
            json.WriteStringValue(loser);
        json.WriteEndArray();
    }

    private static void WriteMerge(Utf8JsonWriter json, MergeRecord merge)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, merge.Id);
        json.WriteString("winner"u8, merge.Winner.Value);
        json.WriteString("loser"u8, merge.Loser.Value);
        json.WriteString("at"u8, merge.At.ToString());
        json.WriteString("messageId"u8, merge.MessageId);
        json.WriteStartArray("link"u8);
        foreach (var identifier in (ReadOnlySpan<Identifier>)[merge.LinkedBy, merge.LinkedTo])
        {
            json.WriteStartObject();
            WriteIdentifier(json, identifier);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("state"u8, merge.State switch
        {
            MergeState.Fencing => "fencing"u8,
            MergeState.Copying => "copying"u8,
            MergeState.Undone => "undone"u8,
            _ => "done"u8,
        });
        if (merge.UndoneAt is { } undone)
            json.WriteString("undoneAt"u8, undone.ToString());
        json.WriteEndObject();
    }

    private static void WriteOwned(Utf8JsonWriter json, OwnedIdentifier owned, ReadOnlySpan<byte> state)
    {
        json.WriteStartObject();
        WriteIdentifier(json, owned.Identifier);
        json.WriteString("firstSeenAt"u8, owned.FirstSeenAt.ToString());
        json.WriteString("lastSeenAt"u8, owned.LastSeenAt.ToString());
        json.WriteString("sourceId"u8, owned.SourceId);
        json.WriteString("messageId"u8, owned.MessageId);
        json.WriteString("state"u8, state);
        json.WriteEndObject();
    }

    private static void WriteIdentifier(Utf8JsonWriter json, Identifier identifier)
    {
        json.WriteString("type"u8, identifier.Type);
        json.WriteString("value"u8, identifier.Value);
    }
}
