using System.Buffers.Binary;
using Cdp.Events;
using Cdp.Storage;

namespace Cdp.Profiles;

/// <summary>
/// Keys of the profiles table. Everything of one profile is in one partition, so that one transaction spans it:
/// <list type="bullet">
/// <item><c>p|{profile}</c> the document</item>
/// <item><c>e|{profile}|{reverse time}|{message}</c> an event, newest first</item>
/// <item><c>m|{message}|{profile}</c> the message was taken: what makes a retry count once</item>
/// <item><c>s|{segment}|{profile}</c> the profile is in the segment: an index of what its document says</item>
/// <item><c>d|{time}|{profile}</c> when something can change without an event; see <see cref="DueRows"/></item>
/// <item><c>o|{time}|{profile}|{version}</c> effects of a commit that have not left yet</item>
/// <item>
/// <c>a|{profile}|{loser}</c> rows of a merged profile may be copied here, and how far that has come: written with the fold, deleted with the end of
/// the merge
/// </item>
/// <item><c>b|{profile}</c> the document as it was before an unmerge began that is under way: what readers are shown meanwhile</item>
/// <item><c>w|{profile}</c> events may be taken away from here: what deletes of that unmerge are conditioned on</item>
/// <item><c>u|{profile}</c> how far that unmerge has come, and what is folded so far</item>
/// </list>
/// <c>{message}</c> is the 128-bit hash of (source, messageId).
/// </summary>
/// <remarks>
/// The message stands before the profile in <c>m|</c>, so that the question "what became of this message?" needs one range a shard
/// instead of an index of its own. A profile's markers are found through its events.
/// </remarks>
public static class ProfileRows
{
    // 15 digits reach to the year 9999, the last one that .NET knows.
    private const long LastTime = 999_999_999_999_999;

    public static string Document(ProfileId profile) => "p|" + profile.Value;

    public static string Event(ProfileId profile, Instant at, Hash128 message) =>
        $"e|{profile.Value}|{LastTime - at.Milliseconds:D15}|{message}";

    /// <summary>Ranges over events from <paramref name="newest"/> (inclusive) back to <paramref name="oldest"/> (exclusive).</summary>
    public static (string From, string To) Events(ProfileId profile, Instant? newest = null, Instant? oldest = null) =>
        (newest is { } n ? $"e|{profile.Value}|{LastTime - n.Milliseconds:D15}" : $"e|{profile.Value}|",
         oldest is { } o ? $"e|{profile.Value}|{LastTime - o.Milliseconds:D15}" : $"e|{profile.Value}}}");

    public static string Marker(ProfileId profile, Hash128 message) => $"m|{message}|{profile.Value}";

    public static (string From, string To) MarkersOf(Hash128 message) => ($"m|{message}|", $"m|{message}}}");

    public static string Outbox(ProfileId profile, Instant at, long version) => $"o|{at.Milliseconds:D15}|{profile.Value}|{version:D12}";

    public static string Member(string segment, ProfileId profile) => $"s|{segment}|{profile.Value}";

    /// <summary>The members of a segment in one shard, behind a profile (null: all), by profile id.</summary>
    public static (string From, string To) Members(string segment, ProfileId? after) =>
        ($"s|{segment}|{(after is { } id ? id.Value + "!" : "")}", $"s|{segment}}}");

    public static string Due(ProfileId profile, Instant at) => $"d|{Math.Clamp(at.Milliseconds, 0, LastTime):D15}|{profile.Value}";

    public static Instant TimeOfDue(string key) => new(long.Parse(key.AsSpan(2, 15), System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>All that is due at a time, earliest first.</summary>
    public static (string From, string To) DueBy(Instant now) => ("d|", $"d|{now.Milliseconds:D15}}}");

    public static ProfileId ProfileOfLastPart(string key) => new(key[(key.LastIndexOf(RowKeys.Separator) + 1)..]);

    /// <summary>The documents of a shard behind a profile (null: all), by profile id.</summary>
    public static (string From, string To) Documents(ProfileId? after) => ($"p|{(after is { } id ? id.Value + "!" : "")}", "p}");

    public static string CopyPermit(ProfileId winner, ProfileId loser) => $"a|{winner.Value}|{loser.Value}";

    public static string BeforeSplit(ProfileId profile) => "b|" + profile.Value;

    public static string SplitPermit(ProfileId profile) => "w|" + profile.Value;

    public static string SplitProgress(ProfileId profile) => "u|" + profile.Value;

    /// <summary>All effects that were committed before <paramref name="before"/>.</summary>
    public static (string From, string To) OutboxBefore(Instant before) => ("o|", $"o|{before.Milliseconds:D15}");

    public static Hash128 MessageOfEventKey(string key) =>
        new(Convert.ToUInt64(key.Substring(key.Length - 32, 16), 16), Convert.ToUInt64(key.Substring(key.Length - 16, 16), 16));

    public static ProfileId ProfileOfMarkerKey(string key) => ProfileOfLastPart(key);

    public static byte[] MarkerData(Event e)
    {
        var data = new byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(data, e.Timestamp.Milliseconds);
        BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan(8), e.ContentHash);
        return data;
    }

    /// <summary>Where the event row of a marker is, and the hash of its content.</summary>
    public static (Instant At, ulong ContentHash) ReadMarker(ReadOnlySpan<byte> data) =>
        (new Instant(BinaryPrimitives.ReadInt64LittleEndian(data)), BinaryPrimitives.ReadUInt64LittleEndian(data[8..]));
}
