using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Cdp.Identity;

namespace Cdp.Exports;

/// <summary>What stands in a column.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ExportColumnKind>))]
public enum ExportColumnKind
{
    ProfileId,

    /// <summary>The value of an identifier type that was seen last.</summary>
    Identifier,

    /// <summary>All values of an identifier type.</summary>
    Identifiers,

    /// <summary>A trait, or what lies below it.</summary>
    Trait,
    ComputedTrait,

    /// <summary>All identifiers, by type.</summary>
    AllIdentifiers,
    AllTraits,
    AllComputedTraits,

    /// <summary>The ids of the segments that the profile is in.</summary>
    Segments,
    CreatedAt,
    FirstSeenAt,
    LastSeenAt,
}

/// <summary>A column of an export. Resolved once, when the export starts, so that all its parts have the same ones whatever is configured meanwhile.</summary>
/// <param name="Name">As the definition names it, and as the header does.</param>
/// <param name="Source">The identifier type, the path of the trait, or the id of the computed trait.</param>
public sealed record ExportColumn(string Name, ExportColumnKind Kind, string Source)
{
    private const string Traits = "traits.";
    private const string Profile = "profileId";
    private const string List = "[]";

    /// <summary>Fields that are there whatever is configured; they go before an identifier type or a computed trait of the same name.</summary>
    private static readonly FrozenDictionary<string, ExportColumnKind> Fixed = new Dictionary<string, ExportColumnKind>(StringComparer.Ordinal)
    {
        ["identifiers"] = ExportColumnKind.AllIdentifiers,
        ["traits"] = ExportColumnKind.AllTraits,
        ["computedTraits"] = ExportColumnKind.AllComputedTraits,
        ["segments"] = ExportColumnKind.Segments,
        ["createdAt"] = ExportColumnKind.CreatedAt,
        ["firstSeenAt"] = ExportColumnKind.FirstSeenAt,
        ["lastSeenAt"] = ExportColumnKind.LastSeenAt,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Whether values of computed traits have to be found for it.</summary>
    public bool IsComputed => Kind is ExportColumnKind.ComputedTrait or ExportColumnKind.AllComputedTraits;

    /// <summary>
    /// The columns of <paramref name="fields"/>. The profile's id is the first one always: without it nobody could tell whom a row is about.
    /// </summary>
    /// <param name="isComputedTrait">Whether there is a computed trait with this id.</param>
    /// <param name="unknown">
    /// Fields that name nothing there is. They become columns without values: a schedule does not stop because a computed trait was deleted.
    /// </param>
    public static ImmutableArray<ExportColumn> Of(
        IEnumerable<string> fields, IdentityRules rules, Func<string, bool> isComputedTrait, out ImmutableArray<string> unknown)
    {
        var missing = ImmutableArray.CreateBuilder<string>();
        var columns = ImmutableArray.CreateBuilder<ExportColumn>();
        columns.Add(new ExportColumn(Profile, ExportColumnKind.ProfileId, ""));
        foreach (var field in fields.Distinct(StringComparer.Ordinal))
        {
            if (field == Profile)
                continue;
            if (Fixed.TryGetValue(field, out var known))
            {
                columns.Add(new ExportColumn(field, known, ""));
                continue;
            }

            var type = field.EndsWith(List, StringComparison.Ordinal) ? field[..^List.Length] : field;
            if (field.StartsWith(Traits, StringComparison.Ordinal) && field.Length > Traits.Length)
                columns.Add(new ExportColumn(field, ExportColumnKind.Trait, field[Traits.Length..]));
            else if (rules.Find(type) is not null)
                columns.Add(new ExportColumn(field, type == field ? ExportColumnKind.Identifier : ExportColumnKind.Identifiers, type));
            else
            {
                columns.Add(new ExportColumn(field, ExportColumnKind.ComputedTrait, field));
                if (!isComputedTrait(field))
                    missing.Add(field);
            }
        }

        unknown = missing.ToImmutable();
        return columns.ToImmutable();
    }
}
