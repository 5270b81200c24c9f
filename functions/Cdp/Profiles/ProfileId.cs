using Cdp.Ids;
using Cdp.Storage;

namespace Cdp.Profiles;

/// <summary><c>prf_</c> and a ULID. Immutable; after a merge the loser's id leads to the winner for ever.</summary>
public readonly record struct ProfileId(string Value) : IComparable<ProfileId>
{
    public const string Prefix = "prf_";

    /// <summary>Shards of the profiles table: enough that no partition's 2,000 operations a second is a bottleneck.</summary>
    public const int Shards = 256;

    public static ProfileId New(IdGenerator ids) => new(ids.Next(Prefix));

    public static bool TryParse(string? text, out ProfileId id)
    {
        var valid = text is not null && IdGenerator.IsId(text, Prefix);
        id = valid ? new ProfileId(text!) : default;
        return valid;
    }

    /// <summary>The partition that holds all rows of this profile: two hexadecimal digits.</summary>
    public string Shard => ShardName((int)(Hash128.Of("", Value).High >> 56));

    public static string ShardName(int shard) => shard.ToString("x2");

    public static int ShardNumber(string shard) => int.Parse(shard, System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture);

    public int CompareTo(ProfileId other) => string.CompareOrdinal(Value, other.Value);

    public static bool operator <(ProfileId left, ProfileId right) => left.CompareTo(right) < 0;

    public static bool operator >(ProfileId left, ProfileId right) => left.CompareTo(right) > 0;

    public static bool operator <=(ProfileId left, ProfileId right) => left.CompareTo(right) <= 0;

    public static bool operator >=(ProfileId left, ProfileId right) => left.CompareTo(right) >= 0;

    public override string ToString() => Value;
}
