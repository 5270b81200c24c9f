using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Problems;

namespace Cdp.Collect;

/// <summary>
/// Reads a request's body once, checks all that can be checked without knowing the source, and notes where the parts are from
/// which <see cref="EventComposer"/> puts the stored events together. Decodes nothing but what it has to look at.
/// </summary>
/// <remarks>
/// What the whole body suffers from (no JSON, no object, too many events) is thrown as <see cref="ProblemException"/>; what one
/// event suffers from stands in its <see cref="Draft.Refused"/>. The reader's own depth is unlimited (it costs a bit a level), so
/// that an event nested too deeply is refused alone.
/// </remarks>
internal sealed partial class BodyScan
{
    /// <summary>Members of a batch beside the events. Nobody sends more than six.</summary>
    private const int MostBodyMembers = 64;

    // Rented by one request at a time, for its synchronous part.
    [ThreadStatic]
    private static BodyScan? spare;

    private readonly NameTable names = new();
    private readonly NameTable bodyNames = new();
    private readonly List<Slice> members = [];
    private readonly int[] objectAt = new int[CollectLimits.Depth + 2];
    private Draft[] drafts = new Draft[4];
    private byte[] scratch = new byte[256];
    private IdentityRules rules = IdentityRules.Default;

    private BodyScan()
    {
    }

    /// <summary>Events in the body, good and bad.</summary>
    public int Count { get; private set; }

    public string? WriteKey { get; private set; }

    /// <summary>The batch's <c>sentAt</c>, for events that have none.</summary>
    public Instant? BatchSentAt { get; private set; }

    public Slice BatchSentAtText { get; private set; }

    public Slice BatchContext { get; private set; }

    public Slice BatchIntegrations { get; private set; }

    /// <summary>For whoever puts members together from two objects.</summary>
    public NameTable Names => names;

    public ref Draft this[int index] => ref drafts[index];

    public Slice Member(int index) => members[index];

    public static BodyScan Rent()
    {
        var scan = spare ?? new BodyScan();
        spare = null;
        return scan;
    }

    public void Return()
    {
        // What a very large request left behind is not worth keeping.
        if (drafts.Length <= 512 && members.Capacity <= 8192)
            spare = this;
    }

    /// <param name="type">The type the path names.</param>
    public void ReadSingle(ReadOnlySpan<byte> body, EventType type, IdentityRules identityRules)
    {
        Reset(identityRules);
        try
        {
            var reader = Open(ref body);
            ScanEvent(body, ref reader, type);
            // Anything but white space after the object is an error of the reader's.
            reader.Read();
        }
        catch (JsonException exception)
        {
            throw NotJson(exception);
        }
    }

    public void ReadBatch(ReadOnlySpan<byte> body, IdentityRules identityRules)
    {
        Reset(identityRules);
        try
        {
            var reader = Open(ref body);
            ScanBatch(body, ref reader);
            reader.Read();
        }
        catch (JsonException exception)
        {
            throw NotJson(exception);
        }

        if (Count == 0)
            throw new ProblemException(ProblemType.EmptyBatch, "The body has no events; send them as the list 'batch'.");
        var shared = BatchContext.Length + BatchIntegrations.Length;
        for (var i = 0; shared > 0 && i < Count; i++)
        {
            ref var draft = ref drafts[i];
            if (draft.Refused is null && draft.Text.Length + shared > CollectLimits.EventBytes)
                draft.Refused = TooLarge(draft.Text.Length + shared);
        }
    }

    private static Utf8JsonReader Open(ref ReadOnlySpan<byte> body)
    {
        if (!Utf8.IsValid(body))
            throw new ProblemException(ProblemType.NotJson, "The body is not UTF-8.");
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = int.MaxValue });
        reader.Read();
        return reader.TokenType == JsonTokenType.StartObject
            ? reader
            : throw new ProblemException(ProblemType.NotAnObject, "The body is JSON but no object.");
    }

    private static ProblemException NotJson(JsonException exception) => new(ProblemType.NotJson, string.Create(
        CultureInfo.InvariantCulture, $"The body is not valid JSON: line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}."));

    private static ProblemException Invalid(string path, string detail) =>
        new(new Problem(ProblemType.InvalidField, $"{path}: {detail}", [new ProblemError(path, detail)]));

    private void Reset(IdentityRules identityRules)
    {
        rules = identityRules;
        Array.Clear(drafts, 0, Count);
        Count = 0;
        members.Clear();
        WriteKey = null;
        BatchSentAt = null;
        BatchSentAtText = BatchContext = BatchIntegrations = default;
    }

    private void ScanBatch(ReadOnlySpan<byte> body, ref Utf8JsonReader reader)
    {
        bodyNames.Clear();
        var self = bodyNames.OpenObject();
        for (var n = 0; reader.Read() && reader.TokenType == JsonTokenType.PropertyName; n++)
        {
            var at = (int)reader.TokenStartIndex;
            if (!TryName(body, ref reader, out var name))
                throw Invalid(JsonPath.At(body, at), Describe(Fault.BrokenName));
            if (!bodyNames.TryAdd(body, self, name, reader.ValueIsEscaped ? -1 : at + 1))
                throw Invalid(JsonPath.At(body, at), Describe(Fault.Duplicate));
            if (n == MostBodyMembers)
                throw Invalid(JsonPath.At(body, at), $"There are more than {MostBodyMembers} members beside the events.");
            var isBatch = MemberNames.IsBatch(name);
            var member = MemberNames.Find(name);
            reader.Read();
            if (isBatch)
                ScanEvents(body, ref reader);
            else
                ReadShared(body, ref reader, member);
        }
    }

    private void ReadShared(ReadOnlySpan<byte> body, ref Utf8JsonReader reader, EventMember member)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return;
        switch (member)
        {
            case EventMember.WriteKey:
                ReadWriteKey(ref reader);
                CheckDropped(body, ref reader);
                break;
            case EventMember.SentAt:
                if (!TryTime(ref reader, out var time))
                    throw Invalid("sentAt", Describe(Fault.NotTime));
                BatchSentAt = time;
                BatchSentAtText = Token(ref reader);
                break;
            case EventMember.Context:
                BatchContext = ScanShared(body, ref reader, "context");
                break;
            case EventMember.Integrations:
                BatchIntegrations = ScanShared(body, ref reader, "integrations");
                break;
            default:
                CheckDropped(body, ref reader);
                break;
        }
    }

    /// <summary>What stands beside the events and means nothing here is dropped; what is wrong with it is said all the same.</summary>
    private void CheckDropped(ReadOnlySpan<byte> body, ref Utf8JsonReader reader)
    {
        names.Clear();
        // It starts where no event's limit can be passed: the request's limit is its only one.
        var fault = ScanValue(body, ref reader, reader.CurrentDepth - 1, start: int.MaxValue);
        if (fault != Fault.None)
            throw Invalid(JsonPath.At(body, (int)reader.TokenStartIndex), Describe(fault));
    }

    private void ScanEvents(ReadOnlySpan<byte> body, ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return;
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Invalid("batch", "The value is not a list.");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (Count == CollectLimits.BatchEvents)
                throw new ProblemException(ProblemType.RequestTooLarge, $"The batch has more than {CollectLimits.BatchEvents:N0} events. Send it in parts.");
            if (reader.TokenType == JsonTokenType.StartObject)
            {
                ScanEvent(body, ref reader, null);
                continue;
            }

            NewDraft().Refused = new Refused(ProblemType.NotAnObject, "The event is not an object.", "");
            reader.Skip();
        }
    }

    // context and integrations of a batch stand for those of each event, at the second level of nesting there.
    private Slice ScanShared(ReadOnlySpan<byte> body, ref Utf8JsonReader reader, string name)
    {
        var start = (int)reader.TokenStartIndex;
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Invalid(name, Describe(Fault.NotObject));
        names.Clear();
        var fault = ScanValue(body, ref reader, reader.CurrentDepth - 1, start);
        return fault switch
        {
            Fault.None => new Slice(start, (int)reader.BytesConsumed),
            Fault.TooLarge => throw new ProblemException(ProblemType.RequestTooLarge, $"The batch's {name} is larger than an event may be, {CollectLimits.EventBytes:N0} bytes."),
            _ => throw Invalid(JsonPath.At(body, (int)reader.TokenStartIndex), Describe(fault)),
        };
    }

    private ref Draft NewDraft()
    {
        if (Count == drafts.Length)
            Array.Resize(ref drafts, drafts.Length * 2);
        return ref drafts[Count++];
    }
}
