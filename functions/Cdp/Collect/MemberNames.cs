namespace Cdp.Collect;

internal enum EventMember
{
    Other,
    Type,
    MessageId,
    UserId,
    AnonymousId,
    GroupId,
    PreviousId,
    Event,
    Traits,
    Properties,
    Context,
    Integrations,
    MergeProperties,
    Timestamp,
    OriginalTimestamp,
    SentAt,
    WriteKey,

    /// <summary>Written by the server alone: what a sender says there is dropped.</summary>
    ServerOnly,
}

/// <summary>Members of an event and of a batch that mean something to the collector.</summary>
internal static class MemberNames
{
    public static EventMember Find(ReadOnlySpan<byte> name) => name.Length switch
    {
        4 when name.SequenceEqual("type"u8) => EventMember.Type,
        5 when name.SequenceEqual("event"u8) => EventMember.Event,
        6 when name.SequenceEqual("userId"u8) => EventMember.UserId,
        6 when name.SequenceEqual("traits"u8) => EventMember.Traits,
        6 when name.SequenceEqual("sentAt"u8) => EventMember.SentAt,
        7 when name.SequenceEqual("context"u8) => EventMember.Context,
        7 when name.SequenceEqual("groupId"u8) => EventMember.GroupId,
        8 when name.SequenceEqual("writeKey"u8) => EventMember.WriteKey,
        8 when name.SequenceEqual("sourceId"u8) => EventMember.ServerOnly,
        9 when name.SequenceEqual("messageId"u8) => EventMember.MessageId,
        9 when name.SequenceEqual("timestamp"u8) => EventMember.Timestamp,
        10 when name.SequenceEqual("properties"u8) => EventMember.Properties,
        10 when name.SequenceEqual("previousId"u8) => EventMember.PreviousId,
        10 when name.SequenceEqual("receivedAt"u8) => EventMember.ServerOnly,
        11 when name.SequenceEqual("anonymousId"u8) => EventMember.AnonymousId,
        12 when name.SequenceEqual("integrations"u8) => EventMember.Integrations,
        14 when name.SequenceEqual("firstProfileId"u8) => EventMember.ServerOnly,
        14 when name.SequenceEqual("segmentChanges"u8) => EventMember.ServerOnly,
        15 when name.SequenceEqual("mergeProperties"u8) => EventMember.MergeProperties,
        17 when name.SequenceEqual("originalTimestamp"u8) => EventMember.OriginalTimestamp,
        _ => EventMember.Other,
    };

    public static bool IsBatch(ReadOnlySpan<byte> name) => name.SequenceEqual("batch"u8);
}
