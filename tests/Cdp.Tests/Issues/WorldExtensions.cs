using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Processing;

namespace Cdp.Tests.Issues;

internal static class WorldExtensions
{
    public static string Batch(params string[] events) => $$"""{"batch":[{{string.Join(',', events)}}]}""";

    public static List<Profile> Profiles(this World world) =>
        [.. world.Store.Snapshot().Where(r => r.Table == TableName.Profiles && r.Key.StartsWith("p|", StringComparison.Ordinal))
            .Select(r => ProfileCodec.Decode(new ProfileId(r.Key[2..]), r.Data))];

    /// <summary>The profiles that list the identifier and were not merged into another one.</summary>
    public static List<Profile> Owners(this World world, string type, string value) =>
        [.. world.Profiles().Where(p => p.MergedInto is null && p.Identifiers.Exists(i => i.Identifier == new Identifier(type, value)))];

    /// <summary>The profiles that were not merged into another one.</summary>
    public static List<Profile> Live(this World world) =>
        [.. world.Profiles().Where(p => p.MergedInto is null && !(p.IsEmpty && p.Identifiers.Count == 0))];

    /// <summary>The messages on a profile's timeline, in the order of their ids.</summary>
    public static List<string> Timeline(this World world, ProfileId profile) =>
        [.. world.Store.Snapshot().Where(r => r.Key.StartsWith($"e|{profile}|", StringComparison.Ordinal))
            .Select(r => EventRow.Decode(profile, r.Data).Event.MessageId).Order(StringComparer.Ordinal)];

    /// <summary>What the archive has of decisions.</summary>
    public static List<string> ControlLines(this World world) =>
        [.. world.Store.Blobs(ContainerName.Raw).Where(b => b.Key.StartsWith(Archive.ControlLog.Folder, StringComparison.Ordinal))
            .SelectMany(b => System.Text.Encoding.UTF8.GetString(b.Value).Split('\n', StringSplitOptions.RemoveEmptyEntries))];

    /// <summary>Asks for an unmerge, as the API does.</summary>
    public static Task RequestUnmergeAsync(this World world, Profile profile, string mergeId) =>
        new Unmerges(new ProfileStore(world.Store), new IdentityIndex(world.Store, world.Time), world.Store)
            .RequestAsync(profile, mergeId, CancellationToken.None);

    /// <summary>Asks for an unmerge and works it off.</summary>
    public static async Task UnmergeAsync(this World world, Profile profile, string mergeId)
    {
        await world.RequestUnmergeAsync(profile, mergeId);
        await world.DrainAsync();
    }

    public static List<string> Failures(this World world) =>
        [.. world.Store.Snapshot().Where(r => r.Table == TableName.Failures).Select(r => System.Text.Encoding.UTF8.GetString(r.Data))];

    /// <summary>Sends and works off, then lets the clock go on, so that the next profile's id is larger.</summary>
    public static async Task SettleAsync(this World world, params string[] events)
    {
        await world.SendAsync(Batch(events));
        await world.DrainAsync();
    }
}
