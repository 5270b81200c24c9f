using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Cdp.Collect;
using Cdp.Problems;

namespace Cdp.Webhooks.Mapping;

/// <summary>An event that a rule made, or why it could not.</summary>
/// <param name="Rule">The rule's name.</param>
/// <param name="Json">The event as a client would send it; empty where it could not be made.</param>
/// <param name="Refused">Null where it was made.</param>
internal sealed record MappedEvent(string Rule, byte[] Json, Refused? Refused);

/// <param name="Reason">The condition that does not hold, or that the list is empty.</param>
internal sealed record SkippedRule(string Rule, string Reason);

/// <summary>One rule of a mapping: which payloads it is about, and the event that it makes, or one for each entry of a list.</summary>
/// <param name="ForEach">Where the list may stand: the first path that leads anywhere counts, and one object there is a list of one. None: the payload itself.</param>
/// <param name="MessageId">Null: made from the payload, so that the same payload counts once.</param>
/// <param name="FreshMessageId">No id at all: the collector makes one, and a repetition counts again.</param>
/// <param name="Interaction">Marks the event as something between a person and the company, such as <c>call</c>; null for others.</param>
internal sealed record MappingRule(
    string Name, MappingCondition? When, IReadOnlyList<MappingPath> ForEach, string Type, MappingValue? MessageId, bool FreshMessageId, MappingValue? Timestamp,
    IReadOnlyList<(string Name, MappingValue Value)> Members, MappingValue? Context, IReadOnlyList<(string Type, MappingValue Value)> ExternalIds, string? Interaction)
{
    private const int HashBytes = 16;

    /// <summary>Makes this rule's events of a payload.</summary>
    /// <param name="most">More events than this are not made.</param>
    /// <returns>False where there would be more.</returns>
    public bool Apply(MappingScope scope, ReadOnlySpan<byte> payload, List<MappedEvent> events, List<SkippedRule>? skipped, int most)
    {
        scope.Item = scope.Payload;
        if (ForEach.Count == 0)
        {
            if (When?.Failing(scope) is { } failing)
            {
                skipped?.Add(new SkippedRule(Name, failing));
                return true;
            }

            if (events.Count == most)
                return false;
            events.Add(Make(scope, payload, 0));
            return true;
        }

        var before = events.Count;
        if (FindList(scope) is not { } list)
        {
            skipped?.Add(new SkippedRule(Name, $"{ForEach[0].Text} is no list"));
            return true;
        }

        var failure = $"{ForEach[0].Text} is empty";
        if (list.ValueKind == JsonValueKind.Object)
        {
            if (!TryMake(scope, payload, list, 0, events, most, ref failure))
                return false;
        }
        else
        {
            var index = 0;
            foreach (var entry in list.EnumerateArray())
            {
                if (!TryMake(scope, payload, entry, index++, events, most, ref failure))
                    return false;
            }
        }

        scope.Item = scope.Payload;
        if (events.Count == before)
            skipped?.Add(new SkippedRule(Name, failure));
        return true;
    }

    private JsonElement? FindList(MappingScope scope)
    {
        foreach (var path in ForEach)
        {
            if (path.TryFind(scope, out var found) && found.ValueKind is JsonValueKind.Array or JsonValueKind.Object)
                return found;
        }

        return null;
    }

    /// <param name="failure">The condition that does not hold of this entry.</param>
    /// <returns>False where there are too many already.</returns>
    private bool TryMake(MappingScope scope, ReadOnlySpan<byte> payload, JsonElement entry, int index, List<MappedEvent> events, int most, ref string failure)
    {
        scope.Item = entry;
        if (When?.Failing(scope) is { } failing)
        {
            failure = failing;
            return true;
        }

        if (events.Count == most)
            return false;
        events.Add(Make(scope, payload, index));
        return true;
    }

    private MappedEvent Make(MappingScope scope, ReadOnlySpan<byte> payload, int index)
    {
        var at = "";
        try
        {
            using var json = new MemoryStream();
            json.Write("{\"type\":\""u8);
            json.Write(Encoding.ASCII.GetBytes(Type));
            json.WriteByte((byte)'"');
            at = "messageId";
            AppendMessageId(json, scope, payload, index);
            at = "timestamp";
            if (Timestamp?.Take(scope) is { } time)
                Append(json, "timestamp", time);
            foreach (var (name, value) in Members)
            {
                at = name;
                if (value.Take(scope) is { } taken)
                    Append(json, name, taken);
            }

            at = "context";
            AppendContext(json, scope);
            json.WriteByte((byte)'}');
            return new MappedEvent(Name, json.ToArray(), null);
        }
        catch (MappingFaultException exception)
        {
            var path = exception.At.Length == 0 ? at : at + "." + exception.At;
            return new MappedEvent(Name, [], new Refused(ProblemType.InvalidField, $"{path}: the rule '{Name}' finds {exception.Message}.", path));
        }
    }

    private void AppendMessageId(MemoryStream json, MappingScope scope, ReadOnlySpan<byte> payload, int index)
    {
        if (FreshMessageId)
            return;
        string id;
        if (MessageId is null)
        {
            id = HashOf(payload, Name + "\n" + index);
        }
        else
        {
            id = TemplateValue.TextOf(MessageId.Take(scope)) ?? throw new MappingFaultException("nothing to tell a repetition by");
            if (id.Length > CollectLimits.MessageIdLength)
                id = HashOf(Encoding.UTF8.GetBytes(id), "");
        }

        Append(json, "messageId", MappingJson.Quote(id));
    }

    private void AppendContext(MemoryStream json, MappingScope scope)
    {
        var given = Context?.Take(scope);
        using var added = new MemoryStream();
        if (Interaction is not null)
            Member(added, "interaction", Encoding.ASCII.GetBytes($"{{\"kind\":\"{Interaction}\"}}"));
        using var ids = new MemoryStream();
        foreach (var (type, value) in ExternalIds)
        {
            if (value.Take(scope) is not { } id || TemplateValue.TextOf(id) is not { Length: > 0 })
                continue;
            if (ids.Length > 0)
                ids.WriteByte((byte)',');
            ids.Write("{\"id\":"u8);
            ids.Write(id);
            ids.Write(Encoding.ASCII.GetBytes($",\"type\":\"{type}\",\"collection\":\"users\",\"encoding\":\"none\"}}"));
        }

        if (ids.Length > 0)
            Member(added, "externalIds", [.. "["u8, .. ids.ToArray(), .. "]"u8]);
        if (given is null && added.Length == 0)
            return;
        // An object value is never empty: it ends with a member and a brace.
        var inner = given is null ? [] : given[1..^1];
        Append(json, "context", [.. "{"u8, .. inner, .. inner.Length > 0 && added.Length > 0 ? ","u8 : ""u8, .. added.ToArray(), .. "}"u8]);
    }

    private static void Member(MemoryStream json, string name, byte[] value)
    {
        if (json.Length > 0)
            json.WriteByte((byte)',');
        json.Write(MappingJson.Quote(name));
        json.WriteByte((byte)':');
        json.Write(value);
    }

    private static void Append(MemoryStream json, string name, byte[] value)
    {
        json.WriteByte((byte)',');
        json.Write(MappingJson.Quote(name));
        json.WriteByte((byte)':');
        json.Write(value);
    }

    private static string HashOf(ReadOnlySpan<byte> content, string what)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(content);
        hash.AppendData(Encoding.UTF8.GetBytes("\n" + what));
        return "h_" + Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, HashBytes));
    }
}
