using System.Globalization;
using Cdp.Deliveries;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Issues;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Segments;

/// <summary>What was sent to the queue <c>deliveries</c> in a <see cref="World"/>, where nobody takes it.</summary>
internal static class ToldChanges
{
    /// <summary>Each once, by its id; the same id never says two things.</summary>
    public static List<Change> Told(this World world)
    {
        var told = new Dictionary<string, Change>(StringComparer.Ordinal);
        foreach (var message in world.Store.Messages(QueueName.Deliveries))
        {
            var change = Change.Parse(message.Body);
            if (!told.TryAdd(change.Id, change))
                Assert.Equal(told[change.Id], change);
        }

        return [.. told.Values.OrderBy(c => c.ProfileId.Value, StringComparer.Ordinal).ThenBy(Number)];
    }

    /// <summary>Such as <c>entered buyer</c>, in the order of a profile's changes.</summary>
    public static List<string> ToldOf(this World world, ProfileId profile) => [.. world.Told().Where(c => c.ProfileId == profile).Select(Text)];

    public static string Text(Change change) => $"{(change.Kind == ChangeKind.SegmentEntered ? "entered" : "exited")} {change.SegmentId}";

    /// <summary>
    /// Every change that a document counts was told, and nothing else; told in their order they lead to the memberships that the document has.
    /// </summary>
    public static void CheckTold(this World world)
    {
        foreach (var profile in world.Live())
        {
            var told = world.Told().Where(c => c.ProfileId == profile.Id).ToList();
            Assert.Equal(Enumerable.Range(1, (int)profile.MembershipChanges).Select(n => (long)n), told.Select(Number));
            Replay(profile, told);
        }
    }

    /// <summary>
    /// The same where profiles were merged: a count goes on from the larger one, and a merged profile's memberships end here. One that an unmerge brought back enters anew
    /// what it is in: while it was away it was in nothing, and its own exits were told of nobody.
    /// </summary>
    public static void CheckToldOfMerged(this World world)
    {
        foreach (var profile in world.Live())
        {
            var merged = profile.Merges.Select(m => m.Loser).ToHashSet();
            var own = world.Told().Where(c => c.ProfileId == profile.Id).ToList();
            Assert.All(own, c => Assert.InRange(Number(c), 1, profile.MembershipChanges));
            Replay(profile, own, world.Told().Where(c => merged.Contains(c.ProfileId)).Select(c => c.SegmentId!).ToHashSet(StringComparer.Ordinal),
                isBack: profile.Merges.Exists(m => m.State == MergeState.Undone && m.Loser == profile.Id));
        }
    }

    public static long Number(Change change) => long.Parse(change.Id[(change.Id.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture);

    private static void Replay(Profile profile, List<Change> told, HashSet<string>? brought = null, bool isBack = false)
    {
        var members = new HashSet<string>(StringComparer.Ordinal);
        foreach (var change in told)
        {
            Assert.Equal($"{change.SegmentId}:{profile.Id}:{Number(change)}", change.Id);
            Assert.InRange(change.ProfileVersion, 1, profile.Version);
            var fits = change.Kind == ChangeKind.SegmentEntered ? members.Add(change.SegmentId!) || isBack : members.Remove(change.SegmentId!) || brought?.Contains(change.SegmentId!) == true;
            Assert.True(fits, $"{Text(change)} twice: {string.Join(", ", told.Select(Text))}");
        }

        Assert.Equal(profile.Memberships.Select(m => m.SegmentId).Order(StringComparer.Ordinal), members.Order(StringComparer.Ordinal));
    }
}
