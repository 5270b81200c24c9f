using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Problems;

namespace Cdp.Collect;

/// <content>One event.</content>
internal sealed partial class BodyScan
{
    /// <summary>The longest text that can be a time; longer ones are not looked at.</summary>
    private const int LongestTime = 64;

    private enum Fault
    {
        None,
        TooLarge,
        TooDeep,
        Duplicate,
        BrokenName,
        BrokenText,
        NotText,
        NotTextOrNumber,
        NotObject,
        NotList,
        NotTime,
        OtherType,
        LongMessageId,
    }

    private static string Describe(Fault fault) => fault switch
    {
        Fault.TooDeep => $"The nesting is deeper than {CollectLimits.Depth} levels.",
        Fault.Duplicate => "The name stands there twice in one object.",
        Fault.BrokenName => "The name has half of a surrogate pair.",
        Fault.BrokenText => "The text has half of a surrogate pair.",
        Fault.NotText => "The value is not a string.",
        Fault.NotTextOrNumber => "The value is neither a string nor a number.",
        Fault.NotObject => "The value is not an object.",
        Fault.NotList => "The value is not a list.",
        Fault.NotTime => "The value is not a time of ISO 8601.",
        Fault.OtherType => "The type is another than the path's.",
        Fault.LongMessageId => $"The value is longer than {CollectLimits.MessageIdLength} characters.",
        _ => fault.ToString(),
    };

    private static Refused Invalid(Fault fault, string path) => new(ProblemType.InvalidField, $"{path}: {Describe(fault)}", path);

    private static Refused TooLarge(int bytes) => new(ProblemType.EventTooLarge, string.Create(
        CultureInfo.InvariantCulture, $"The event is {bytes:N0} bytes; at most {CollectLimits.EventBytes:N0} are taken. Send less in properties."), "");

    /// <summary>Reads an event from its StartObject to its EndObject.</summary>
    private void ScanEvent(ReadOnlySpan<byte> body, ref Utf8JsonReader reader, EventType? route)
    {
        ref var draft = ref NewDraft();
        var start = (int)reader.TokenStartIndex;
        var depth = reader.CurrentDepth;
        draft.FirstMember = members.Count;
        names.Clear();
        var facts = new Facts { Type = route, Route = route };
        var fault = ScanMembers(body, ref reader, ref draft, ref facts, out var at);
        SkipRest(ref reader, ref draft, depth);
        draft.Text = new Slice(start, (int)reader.BytesConsumed);
        draft.MemberCount = members.Count - draft.FirstMember;
        if (draft.Text.Length > CollectLimits.EventBytes)
            draft.Refused = TooLarge(draft.Text.Length);
        else if (fault != Fault.None)
            draft.Refused = Invalid(fault, JsonPath.At(draft.Text.Of(body), at - start));
        else
            Conclude(body, ref draft, facts);
    }

    /// <summary>Goes on to the end of an event that is refused. Its id may still come: a rejection names it.</summary>
    private static void SkipRest(ref Utf8JsonReader reader, ref Draft draft, int depth)
    {
        while (reader.CurrentDepth > depth || reader.TokenType != JsonTokenType.EndObject)
        {
            var isMessageId = draft.MessageId.IsEmpty && reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == depth + 1
                && MemberNames.Find(reader.ValueSpan) == EventMember.MessageId;
            reader.Read();
            if (isMessageId)
                ReadMessageId(ref reader, ref draft);
        }
    }

    private struct Facts
    {
        public EventType? Route;
        public EventType? Type;
        public bool HasName;
        public bool NameIsNoText;
        public bool HasGroupId;
        public bool HasPreviousId;
        public bool HasOriginalTime;

        /// <summary>The value as sent, whatever it is.</summary>
        public Slice MergeProperties;
    }

    private static void Conclude(ReadOnlySpan<byte> body, ref Draft draft, in Facts facts)
    {
        if (facts.Type is not { } type)
        {
            draft.Refused = new Refused(ProblemType.UnknownType, $"The event's type is none of {EventTypes.Listed}.", "type");
            return;
        }

        draft.Type = type;
        draft.HasPrevious &= type == EventType.Alias;
        if (type == EventType.Merge)
        {
            draft.Refused = CheckMergeProperties(facts.MergeProperties.Of(body));
            return;
        }

        var missing = type switch
        {
            EventType.Track when !facts.HasName => "event",
            EventType.Group when !facts.HasGroupId => "groupId",
            EventType.Alias when !facts.HasPreviousId => "previousId",
            _ => null,
        };
        if (missing is null)
            return;
        draft.Refused = type == EventType.Track && facts.NameIsNoText
            ? Invalid(Fault.NotText, missing)
            : new Refused(ProblemType.InvalidField, $"{missing}: every {type.Name()} call needs it.", missing);
    }

    /// <param name="at">Where the fault is.</param>
    private Fault ScanMembers(ReadOnlySpan<byte> body, ref Utf8JsonReader reader, ref Draft draft, ref Facts facts, out int at)
    {
        var self = names.OpenObject();
        var start = (int)reader.TokenStartIndex;
        var depth = reader.CurrentDepth;
        at = start;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            at = (int)reader.TokenStartIndex;
            var fault = AddName(body, ref reader, self, start, out var name);
            if (fault != Fault.None)
                return fault;
            var member = MemberNames.Find(name);
            var nameAt = at;
            reader.Read();
            at = (int)reader.TokenStartIndex;
            fault = ScanMember(body, ref reader, ref draft, ref facts, member, depth, start);
            if (fault != Fault.None)
            {
                // Inside of the value for what ScanValue found.
                at = (int)reader.TokenStartIndex;
                return fault;
            }

            if (!IsServers(member))
                members.Add(new Slice(nameAt, (int)reader.BytesConsumed));
        }

        return Fault.None;
    }

    private static bool IsServers(EventMember member) => member is EventMember.Type or EventMember.MessageId or EventMember.Timestamp
        or EventMember.OriginalTimestamp or EventMember.WriteKey or EventMember.ServerOnly;

    private Fault ScanMember(ReadOnlySpan<byte> body, ref Utf8JsonReader reader, ref Draft draft, ref Facts facts, EventMember member, int depth, int start)
    {
        switch (member)
        {
            case EventMember.Type:
                return ReadType(ref reader, ref facts);
            case EventMember.MessageId:
                return ReadMessageId(ref reader, ref draft);
            case EventMember.Timestamp or EventMember.OriginalTimestamp:
                return ReadTime(ref reader, ref draft, ref facts, member == EventMember.OriginalTimestamp);
            case EventMember.SentAt:
                return ReadSentAt(ref reader, ref draft);
            case EventMember.UserId:
                return ReadId(ref reader, IdentityRules.UserId, ref draft.Identified, out _);
            case EventMember.AnonymousId:
                return ReadId(ref reader, IdentityRules.AnonymousId, ref draft.Identified, out _);
            case EventMember.PreviousId:
                return ReadId(ref reader, IdentityRules.AnonymousId, ref draft.HasPrevious, out facts.HasPreviousId);
            case EventMember.GroupId:
                var ignored = true;
                return ReadId(ref reader, IdentityRules.UserId, ref ignored, out facts.HasGroupId);
            case EventMember.Event when reader.TokenType == JsonTokenType.String:
                facts.HasName = reader.ValueSpan.ContainsAnyExcept((byte)' ', (byte)'\t');
                return TextFault(ref reader);
            case EventMember.Event when reader.TokenType != JsonTokenType.Null:
                facts.NameIsNoText = true;
                return ScanValue(body, ref reader, depth, start);
            case EventMember.Context:
                return ScanContext(body, ref reader, ref draft, depth, start);
            case EventMember.Traits or EventMember.Properties when reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.Null):
                return Fault.NotObject;
            case EventMember.Integrations when reader.TokenType is JsonTokenType.StartObject or JsonTokenType.Null:
                var from = (int)reader.TokenStartIndex;
                var fault = ScanValue(body, ref reader, depth, start);
                draft.Integrations = new Slice(from, (int)reader.BytesConsumed);
                return fault;
            case EventMember.Integrations:
                draft.HasOtherIntegrations = true;
                return ScanValue(body, ref reader, depth, start);
            case EventMember.MergeProperties:
                var listed = (int)reader.TokenStartIndex;
                var inList = ScanValue(body, ref reader, depth, start);
                facts.MergeProperties = new Slice(listed, (int)reader.BytesConsumed);
                return inList;
            // A batch has one key, beside its events.
            case EventMember.WriteKey when facts.Route is not null:
                ReadWriteKey(ref reader);
                return ScanValue(body, ref reader, depth, start);
            default:
                return ScanValue(body, ref reader, depth, start);
        }
    }

    /// <summary>Checks a value of any kind, down to its last leaf.</summary>
    /// <param name="depth">The depth of the event's own object.</param>
    /// <param name="start">Where the event starts; what is beyond its limit is not looked at.</param>
    private Fault ScanValue(ReadOnlySpan<byte> body, ref Utf8JsonReader reader, int depth, int start)
    {
        if (reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.StartArray))
            return Fault.None;
        var outer = reader.CurrentDepth;
        do
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject or JsonTokenType.StartArray:
                    var level = reader.CurrentDepth - depth;
                    if (level >= CollectLimits.Depth)
                        return Fault.TooDeep;
                    if (reader.TokenType == JsonTokenType.StartObject)
                        objectAt[level + 1] = names.OpenObject();
                    break;
                case JsonTokenType.PropertyName:
                    var fault = AddName(body, ref reader, objectAt[reader.CurrentDepth - depth], start, out _);
                    if (fault != Fault.None)
                        return fault;
                    break;
            }
        }
        while (reader.Read() && reader.CurrentDepth > outer);
        return Fault.None;
    }

    private Fault ScanContext(ReadOnlySpan<byte> body, ref Utf8JsonReader reader, ref Draft draft, int depth, int start)
    {
        var from = (int)reader.TokenStartIndex;
        draft.ContextIsEmpty = true;
        if (reader.TokenType == JsonTokenType.StartObject)
        {
            var self = names.OpenObject();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                draft.ContextIsEmpty = false;
                var fault = AddName(body, ref reader, self, start, out var name);
                if (fault != Fault.None)
                    return fault;
                draft.ContextHasAddress |= name.SequenceEqual("ip"u8);
                draft.ContextHasUserAgent |= name.SequenceEqual("userAgent"u8);
                reader.Read();
                fault = ScanValue(body, ref reader, depth, start);
                if (fault != Fault.None)
                    return fault;
            }
        }
        else if (reader.TokenType != JsonTokenType.Null)
        {
            return Fault.NotObject;
        }

        draft.Context = new Slice(from, (int)reader.BytesConsumed);
        return Fault.None;
    }

    private Fault AddName(ReadOnlySpan<byte> body, ref Utf8JsonReader reader, int inObject, int start, out ReadOnlySpan<byte> name)
    {
        if (!TryName(body, ref reader, out name))
            return Fault.BrokenName;
        if (reader.BytesConsumed - start > CollectLimits.EventBytes)
            return Fault.TooLarge;
        return names.TryAdd(body, inObject, name, reader.ValueIsEscaped ? -1 : (int)reader.TokenStartIndex + 1) ? Fault.None : Fault.Duplicate;
    }

    /// <summary>The name, unescaped; false where it is no text.</summary>
    private bool TryName(ReadOnlySpan<byte> body, ref Utf8JsonReader reader, out ReadOnlySpan<byte> name)
    {
        var length = reader.ValueSpan.Length;
        if (!reader.ValueIsEscaped)
        {
            name = body.Slice((int)reader.TokenStartIndex + 1, length);
            return true;
        }

        if (scratch.Length < length)
            scratch = new byte[length];
        try
        {
            name = scratch.AsSpan(0, reader.CopyString(scratch));
            return true;
        }
        catch (InvalidOperationException)
        {
            name = default;
            return false;
        }
    }

    private static Slice Token(ref Utf8JsonReader reader) => new((int)reader.TokenStartIndex, (int)reader.BytesConsumed);

    private static bool TryText(ref Utf8JsonReader reader, out string text)
    {
        try
        {
            text = reader.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            text = "";
            return false;
        }
    }

    // Without escapes there are no surrogates at all: the body is valid UTF-8.
    private static Fault TextFault(ref Utf8JsonReader reader) =>
        !reader.ValueIsEscaped || TryText(ref reader, out _) ? Fault.None : Fault.BrokenText;

    private static bool TryTime(ref Utf8JsonReader reader, out Instant time)
    {
        time = default;
        if (reader.TokenType != JsonTokenType.String)
            return false;
        if (!reader.ValueIsEscaped)
            return IsoTime.TryParse(reader.ValueSpan, out time);
        return reader.ValueSpan.Length <= LongestTime * 6 && TryText(ref reader, out var text) && text.Length <= LongestTime
            && IsoTime.TryParse(Encoding.UTF8.GetBytes(text), out time);
    }

    private static Fault ReadType(ref Utf8JsonReader reader, ref Facts facts)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return Fault.None;
        EventType? found = null;
        for (var type = EventType.Track; reader.TokenType == JsonTokenType.String && type <= EventType.Merge; type++)
        {
            if (reader.ValueTextEquals(type.Name()))
                found = type;
        }

        if (facts.Route is { } route && found != route)
            return Fault.OtherType;
        facts.Type = found;
        reader.Skip();
        return Fault.None;
    }

    private static Fault ReadMessageId(ref Utf8JsonReader reader, ref Draft draft)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return Fault.None;
        if (reader.TokenType != JsonTokenType.String)
            return Fault.NotText;
        var length = reader.ValueSpan.Length;
        if (reader.ValueIsEscaped)
        {
            if (!TryText(ref reader, out var text))
                return Fault.BrokenText;
            length = text.Length;
        }
        else if (length > CollectLimits.MessageIdLength)
        {
            length = Encoding.UTF8.GetCharCount(reader.ValueSpan);
        }

        if (length > CollectLimits.MessageIdLength)
            return Fault.LongMessageId;
        if (length > 0)
            draft.MessageId = Token(ref reader);
        return Fault.None;
    }

    private static Fault ReadTime(ref Utf8JsonReader reader, ref Draft draft, ref Facts facts, bool isOriginal)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return Fault.None;
        if (!TryTime(ref reader, out var time))
            return Fault.NotTime;
        if (facts.HasOriginalTime)
            return Fault.None;
        facts.HasOriginalTime = isOriginal;
        draft.ClientTime = time;
        draft.ClientTimeText = Token(ref reader);
        return Fault.None;
    }

    private static Fault ReadSentAt(ref Utf8JsonReader reader, ref Draft draft)
    {
        draft.SentAtText = Token(ref reader);
        if (reader.TokenType == JsonTokenType.Null)
            return Fault.None;
        if (!TryTime(ref reader, out var time))
            return Fault.NotTime;
        draft.SentAt = time;
        return Fault.None;
    }

    /// <param name="usable">Set where the value can identify somebody; not looked at again once it is.</param>
    /// <param name="present">There is a value, and it is not blank.</param>
    private Fault ReadId(ref Utf8JsonReader reader, string identifierType, ref bool usable, out bool present)
    {
        present = reader.TokenType == JsonTokenType.Number;
        switch (reader.TokenType)
        {
            case JsonTokenType.Null:
                return Fault.None;
            case JsonTokenType.Number:
                // The few senders with numbers are looked at again, as the resolver reads them.
                usable |= rules.Find(identifierType)?.Normalise(Encoding.ASCII.GetString(reader.ValueSpan)) is not null && reader.ValueSpan.IndexOfAny((byte)'.', (byte)'e', (byte)'E') < 0;
                return Fault.None;
            case JsonTokenType.String:
                if (!TryText(ref reader, out var text))
                    return Fault.BrokenText;
                present = !string.IsNullOrWhiteSpace(text);
                usable = usable || rules.Find(identifierType)?.Normalise(text) is not null;
                return Fault.None;
            default:
                return Fault.NotTextOrNumber;
        }
    }

    private void ReadWriteKey(ref Utf8JsonReader reader)
    {
        if (WriteKey is null && reader.TokenType == JsonTokenType.String && TryText(ref reader, out var key) && key.Length > 0)
            WriteKey = key;
    }
}
