using Cdp.Events;
using Cdp.Identity;
using Cdp.Profiles;
using Cdp.Segments;
using Cdp.Segments.Definitions;
using Cdp.Storage;
using Cdp.Tests.Events;

namespace Cdp.Tests.Exports;

/// <summary>People as the app stores them, written in bulk: documents and membership rows by the fold and the codec that commits use.</summary>
public static class StoredPeople
{
    public static readonly string[] Fields = ["user_id", "email", "phone", "traits.name", "traits.address", "traits.plan"];

    private const int RowsPerWrite = 90;

    private const int Parallel = 8;

    public static ProfileId Id(int number) => ListedMembers.Id(number);

    /// <summary>What somebody says of themself: names with formulas, quotes and line breaks among them.</summary>
    public static Event Identify(int number, string plan, string? name = null, int second = 0) => TestEvents.Make(
        $"i{number}-{plan}-{name}", "identify", userId: $"u{number}",
        traits: new Dictionary<string, object>
        {
            ["email"] = $"person{number}@shop.example",
            ["phone"] = $"+4915{number:D8}",
            ["name"] = name ?? Name(number),
            ["address"] = new { city = $"Bonn \"{number}\"", tags = new[] { 1, 2 } },
            ["plan"] = plan,
        },
        second: second);

    /// <summary>The cells of a CSV.</summary>
    public static Dictionary<string, string> Row(int number, string plan = "gold", string? name = null) => new(StringComparer.Ordinal)
    {
        ["profileId"] = Id(number).Value,
        ["user_id"] = $"u{number}",
        ["email"] = $"person{number}@shop.example",
        ["phone"] = $"+4915{number:D8}",
        ["traits.name"] = ((name ?? Name(number))[0] == '=' ? "'" : "") + (name ?? Name(number)),
        ["traits.address"] = $$"""{"city":"Bonn \u0022{{number}}\u0022","tags":[1,2]}""",
        ["traits.plan"] = plan,
    };

    /// <summary>Writes people that nobody knew before.</summary>
    public static async Task WriteAsync(IRowStore rows, DefinitionSet set, IEnumerable<(ProfileId Id, Event Event)> people, Instant now)
    {
        await System.Threading.Tasks.Parallel.ForEachAsync(
            people.GroupBy(static person => person.Id.Shard, StringComparer.Ordinal), new ParallelOptions { MaxDegreeOfParallelism = Parallel },
            async (shard, cancellation) =>
            {
                var writes = new List<RowWrite>();
                foreach (var (id, e) in shard)
                {
                    var profile = new Profile(id);
                    writes.Add(await FoldAsync(rows, set, profile, null, e, now, writes));
                    if (writes.Count < RowsPerWrite)
                        continue;
                    await WriteAsync(rows, shard.Key, writes);
                }

                if (writes.Count > 0)
                    await WriteAsync(rows, shard.Key, writes);
            });
    }

    /// <summary>Something happens to somebody who is there.</summary>
    public static async Task ChangeAsync(IRowStore rows, DefinitionSet set, ProfileId id, Event e, Instant now)
    {
        var row = (await rows.GetAsync(TableName.Profiles, id.Shard, ProfileRows.Document(id), default))!;
        var writes = new List<RowWrite>();
        writes.Add(await FoldAsync(rows, set, ProfileCodec.Decode(id, row.Data), row.Version, e, now, writes));
        await WriteAsync(rows, id.Shard, writes);
    }

    private static async Task WriteAsync(IRowStore rows, string shard, List<RowWrite> writes)
    {
        var result = await rows.CommitAsync(TableName.Profiles, shard, writes, default);
        Assert.True(result.Committed);
        writes.Clear();
    }

    private static async Task<RowWrite> FoldAsync(IRowStore rows, DefinitionSet set, Profile profile, string? version, Event e, Instant now, List<RowWrite> writes)
    {
        var fold = SegmentFold.Open(set, profile, new RowTimeline(rows, profile.Id), now)!;
        var traits = System.Text.Json.JsonDocument.Parse(e.Traits).RootElement;
        profile.Apply(e, [new(IdentityRules.UserId, e.UserId!), new("email", traits.GetProperty("email").GetString()!), new("phone", traits.GetProperty("phone").GetString()!)]);
        await fold.ApplyAsync(e, default);
        fold.Finish(writes, exactly: true);
        profile.Version++;
        return ProfileStore.Write(profile, version, out _);
    }

    private static string Name(int number) => (number % 4) switch
    {
        0 => $"=HYPERLINK(\"http://x/{number}\")",
        1 => $"Ann \"{number}\", the\nfirst",
        2 => $"Zoë;{number}",
        _ => $"Bo {number}",
    };
}
