using System.Runtime.CompilerServices;
using Cdp.Events;
using Cdp.Exports;
using Cdp.Identity;
using Cdp.Profiles;

namespace Cdp.Tests.Exports;

/// <summary>Profiles and who of them is a member of the only segment, to be changed at will.</summary>
public sealed class ListedMembers : IExportMembers
{
    private readonly SortedDictionary<string, ExportMember> profiles = new(StringComparer.Ordinal);
    private readonly SortedSet<string> members = new(StringComparer.Ordinal);

    public IEnumerable<string> Members => members.Select(static key => MemberKey.Profile(key).Value);

    public IEnumerable<string> Profiles => profiles.Keys.Select(static key => MemberKey.Profile(key).Value);

    public static ProfileId Id(int number) => new($"{ProfileId.Prefix}{number:D26}");

    /// <summary>A profile with identifiers and traits that need care in both formats, different for each version.</summary>
    public static ExportMember Member(int number, int version)
    {
        var profile = new Profile(Id(number));
        void Own(string type, string value, long lastSeen) => profile.Identifiers.Add(
            new OwnedIdentifier(new Identifier(type, value), new Instant(lastSeen), new Instant(lastSeen), "web", "m", new Instant(lastSeen)));
        void Set(string name, string json) => profile.Traits[name] = new Trait(System.Text.Encoding.UTF8.GetBytes(json), new Instant(version), "m", "web");
        Own("user_id", $"=u{number}", 1);
        if (number % 3 > 0)
            Own("email", $"old{number}@shop.example", 1);
        if (number % 3 > 1)
            Own("email", $"new{number}@shop.example", 2);
        if (number % 4 == 0)
            Own("phone", $"+4915{number:D8}", 1);
        Set("name", $"\"{(number % 5 == 0 ? "+" : "")}Ann \\\"{number}\\\", the\\n{version}. \\u00e9\"");
        Set("address", $$"""{ "city" : "Bonn {{number}}",  "tags": [ 1,	2 ] }""");
        if (number % 2 == 0)
            Set("balance", (-1.50m * version).ToString(System.Globalization.CultureInfo.InvariantCulture));
        return new ExportMember(profile, number % 2 == 0
            ? new Dictionary<string, string>(StringComparer.Ordinal) { ["orders-90d"] = "12345678901234567890.10" }
            : ExportMember.NoComputedTraits);
    }

    public void Put(int number, int version, bool member)
    {
        var key = MemberKey.Of(Id(number));
        profiles[key] = Member(number, version);
        if (member)
            members.Add(key);
        else
            members.Remove(key);
    }

    public void Remove(int number)
    {
        profiles.Remove(MemberKey.Of(Id(number)));
        members.Remove(MemberKey.Of(Id(number)));
    }

    public ExportMember? Find(string id) => profiles.GetValueOrDefault(MemberKey.Of(new ProfileId(id)));

    public async IAsyncEnumerable<ExportMember> ReadAsync(ExportRequest request, string? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        // Weakly consistent, as the tables are: looked up again at each step.
        for (var key = Next(after); key is not null; key = Next(key))
        {
            await Task.Yield();
            cancellation.ThrowIfCancellationRequested();
            yield return profiles[key];
        }
    }

    public ValueTask<ExportMember?> FindAsync(ExportRequest request, ProfileId id, CancellationToken cancellation) => ValueTask.FromResult(Find(id.Value));

    private string? Next(string? after) => members.GetViewBetween(after + "\0", "~").Min;
}
