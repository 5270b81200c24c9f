using System.Text.Json;
using Cdp.Problems;
using Cdp.Sources;

namespace Cdp.Identity;

/// <summary>
/// The rules on the wire, and as they are stored. What a type says nothing of is as in <see cref="IdentityRules.Default"/> for the types
/// named there, and a limit of 5 for ever, trimmed, read from <c>context.externalIds</c> and <c>mergeProperties</c> alone, for others.
/// </summary>
public static class IdentityRulesDocument
{
    public const int MostTypes = 30;

    private const int LongestName = 64;
    private const int LowestPriority = 1000;
    private const int HighestLimit = 1000;
    private const int MostPaths = 20;
    private const int LongestPath = 200;
    private const int MostExternalIdTypes = 20;
    private const int MostBlocked = 500;
    private const int MostPatterns = 20;
    private const int MostSources = 100;

    // Each value that an identifier is seen with is kept until there are so many.
    private const int HighestQuarantine = 1000;

    private const string AnySource = "any";
    private const string ServerSources = "server";

    private static readonly IdentifierType Unnamed = new("", LowestPriority, Unique: false, new IdentifierLimit(5), Normalisation.Trim);

    private static readonly string[] Shared = ["own", "first", "latest"];
    private static readonly string[] Periods = ["ever", "day", "week", "month", "year"];
    private static readonly string[] Normalisations = ["trim", "lower", "email", "phone", "digits", "sha256"];

    /// <param name="json">A JSON object. What it says of the version is passed over.</param>
    /// <exception cref="ProblemException">invalid-field, naming every field that cannot be taken.</exception>
    public static IdentityRules Read(JsonElement json, long version)
    {
        var fields = new JsonFields(json);
        fields.Ignore("version");
        var shared = OneOf<SharedIdentifiers>(fields, "sharedIdentifiers", Shared) ?? SharedIdentifiers.Own;
        var types = new List<IdentifierType>();
        var all = new Names();
        var items = fields.Objects("types", MostTypes, required: true);
        for (var i = 0; i < items?.Count; i++)
            types.Add(ReadType(items[i], i + 1, all));
        foreach (var needed in (ReadOnlySpan<string>)[IdentityRules.UserId, IdentityRules.AnonymousId])
        {
            if (items is not null && !types.Exists(type => type.Name == needed))
                fields.Refuse("types", $"{needed} is missing: it cannot be removed");
        }

        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        return new IdentityRules(types, shared, version);
    }

    public static void Write(Utf8JsonWriter json, IdentityRules rules)
    {
        json.WriteStartObject();
        json.WriteNumber("version"u8, rules.Version);
        json.WriteString("sharedIdentifiers"u8, Shared[(int)rules.SharedIdentifiers]);
        json.WriteStartArray("types"u8);
        foreach (var type in rules.Types)
            WriteType(json, type);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static IdentifierType ReadType(JsonFields fields, int place, Names all)
    {
        var name = fields.Text("type", LongestName, required: true);
        if (name is not null && !IsName(name))
            fields.Refuse("type", "not lower-case letters, digits and _, the first a letter");
        else if (name is not null && !all.Types.Add(name))
            fields.Refuse("type", "named twice");
        var usual = (name is null ? null : IdentityRules.Default.Find(name)) ?? Unnamed;

        var priority = fields.Whole("priority", 1, LowestPriority) ?? place;
        if (!all.Priorities.Add(priority))
            fields.Refuse("priority", "another type has the same");
        var unique = fields.Flag("unique") ?? usual.Unique;
        var normalisation = OneOf<Normalisation>(fields, "normalise", Normalisations) ?? usual.Normalisation;
        var type = new IdentifierType(name ?? "", priority, unique, ReadLimit(fields, unique, usual), normalisation)
        {
            CountryCode = ReadCountryCode(fields, normalisation),
            Paths = ReadPaths(fields, name, usual),
            ExternalIdTypes = ReadExternalIdTypes(fields, name, all),
            Blocked = ReadBlocked(fields),
            MergeSources = ReadMergeSources(fields),
        };
        // 0 says never; without a word it is as for any type.
        if (fields.Whole("quarantineAfter", 0, HighestQuarantine) is { } quarantine)
            type = type with { QuarantineAfter = quarantine == 0 ? null : quarantine };
        fields.RefuseOthers();
        return type;
    }

    private static IdentifierLimit ReadLimit(JsonFields fields, bool unique, IdentifierType usual)
    {
        if (fields.Object("limit") is not { } limit)
            return unique ? new IdentifierLimit(1) : usual.Unique ? Unnamed.Limit : usual.Limit;
        var count = limit.Whole("count", 1, HighestLimit, required: true);
        var per = OneOf<LimitPeriod>(limit, "per", Periods) ?? LimitPeriod.Ever;
        limit.RefuseOthers();
        // Otherwise events could put into one profile what merges must keep apart.
        if (unique && (count > 1 || per != LimitPeriod.Ever))
            fields.Refuse("limit", "a unique type has one value for ever");
        return new IdentifierLimit(count ?? 1, per);
    }

    private static string? ReadCountryCode(JsonFields fields, Normalisation normalisation)
    {
        var code = fields.Text("countryCode", LongestName);
        if (code is null)
            return null;
        if (normalisation != Normalisation.Phone)
            fields.Refuse("countryCode", "only phone numbers have one");
        else if (code.Length is 0 or > 3 || code[0] == '0' || code.AsSpan().ContainsAnyExceptInRange('0', '9'))
            fields.Refuse("countryCode", "not 1 to 3 digits such as 49, the first no 0");
        return code;
    }

    private static IReadOnlyList<string> ReadPaths(JsonFields fields, string? name, IdentifierType usual)
    {
        var paths = fields.Texts("paths", MostPaths, LongestPath) ?? usual.Paths;
        for (var i = 0; i < paths.Count; i++)
        {
            if (IdentifierPath.Refusal(paths[i]) is { } reason)
                fields.Refuse($"paths[{i}]", reason);
        }

        RefuseRepeated(fields, "paths", paths);
        // Collectors let an event in by its userId or anonymousId without a look at the rest.
        var needed = name switch
        {
            IdentityRules.UserId => IdentifierPath.UserId,
            IdentityRules.AnonymousId => IdentifierPath.AnonymousId,
            _ => null,
        };
        if (needed is not null && !paths.Contains(needed))
            fields.Refuse("paths", $"{needed} is missing: {name} is always read from it");
        return paths;
    }

    private static IReadOnlyList<string> ReadExternalIdTypes(JsonFields fields, string? name, Names all)
    {
        if (name is not null && !all.ExternalTypes.TryAdd(name, name) && all.ExternalTypes[name] != name)
            fields.Refuse("type", $"{all.ExternalTypes[name]} has it among its externalIdTypes");
        var types = fields.Texts("externalIdTypes", MostExternalIdTypes, LongestPath) ?? [];
        for (var i = 0; i < types.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(types[i]))
                fields.Refuse($"externalIdTypes[{i}]", "blank");
            else if (!all.ExternalTypes.TryAdd(types[i], name ?? ""))
                fields.Refuse($"externalIdTypes[{i}]", "the name of a type, or listed twice");
        }

        return types;
    }

    private static BlockedValues ReadBlocked(JsonFields fields)
    {
        if (fields.Object("blocked") is not { } blocked)
            return BlockedValues.Default;
        var values = blocked.Texts("values", MostBlocked, IdentifierType.LongestValue) ?? [];
        for (var i = 0; i < values.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(values[i]))
                blocked.Refuse($"values[{i}]", "blank");
        }

        var patterns = blocked.Texts("patterns", MostPatterns, BlockedValues.LongestPattern) ?? [];
        var valid = true;
        for (var i = 0; i < patterns.Count; i++)
        {
            if (BlockedValues.Refusal(patterns[i]) is not { } reason)
                continue;
            blocked.Refuse($"patterns[{i}]", reason);
            valid = false;
        }

        var defaults = blocked.Flag("defaults") ?? true;
        blocked.RefuseOthers();
        return new BlockedValues(values, valid ? patterns : [], defaults);
    }

    private static MergeSources ReadMergeSources(JsonFields fields)
    {
        const string Name = "mergeSources";
        if (fields.Any(Name) is not { } value)
            return MergeSources.Any;
        if (value.ValueKind != JsonValueKind.Array)
        {
            var text = value.ValueKind == JsonValueKind.String ? fields.Text(Name, LongestName) : null;
            if (text is not AnySource and not ServerSources)
                fields.Refuse(Name, $"neither {AnySource} nor {ServerSources} nor a list of source ids");
            return text == ServerSources ? MergeSources.Server : MergeSources.Any;
        }

        var ids = fields.Texts(Name, MostSources, LongestName) ?? [];
        for (var i = 0; i < ids.Count; i++)
        {
            if (!SourceIds.IsValid(ids[i]))
                fields.Refuse($"{Name}[{i}]", "not the id of a source");
        }

        RefuseRepeated(fields, Name, ids);
        return MergeSources.Of(ids);
    }

    private static void RefuseRepeated(JsonFields fields, string name, IReadOnlyList<string> texts)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < texts.Count; i++)
        {
            if (!seen.Add(texts[i]))
                fields.Refuse($"{name}[{i}]", "listed twice");
        }
    }

    private static T? OneOf<T>(JsonFields fields, string name, string[] texts)
        where T : struct, Enum
    {
        if (fields.Text(name, LongestName) is not { } text)
            return null;
        var index = Array.IndexOf(texts, text);
        if (index >= 0)
            return Enum.GetValues<T>()[index];
        fields.Refuse(name, $"none of {string.Join(", ", texts)}");
        return null;
    }

    private static bool IsName(string name) => char.IsAsciiLetterLower(name[0])
        && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_');

    private static void WriteType(Utf8JsonWriter json, IdentifierType type)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, type.Name);
        json.WriteNumber("priority"u8, type.Priority);
        json.WriteBoolean("unique"u8, type.Unique);
        json.WriteStartObject("limit"u8);
        json.WriteNumber("count"u8, type.Limit.Count);
        json.WriteString("per"u8, Periods[(int)type.Limit.Period]);
        json.WriteEndObject();
        json.WriteString("normalise"u8, Normalisations[(int)type.Normalisation]);
        if (type.CountryCode is not null)
            json.WriteString("countryCode"u8, type.CountryCode);
        WriteTexts(json, "paths", type.Paths);
        if (type.ExternalIdTypes.Count > 0)
            WriteTexts(json, "externalIdTypes", type.ExternalIdTypes);
        json.WriteStartObject("blocked"u8);
        WriteTexts(json, "values", type.Blocked.Values);
        WriteTexts(json, "patterns", type.Blocked.Patterns);
        json.WriteBoolean("defaults"u8, type.Blocked.Defaults);
        json.WriteEndObject();
        if (type.MergeSources.Ids is { } ids)
            WriteTexts(json, "mergeSources", ids);
        else
            json.WriteString("mergeSources"u8, ReferenceEquals(type.MergeSources, MergeSources.Server) ? ServerSources : AnySource);
        if (type.QuarantineAfter is { } quarantine)
            json.WriteNumber("quarantineAfter"u8, quarantine);
        else if (!type.Unique)
            json.WriteNumber("quarantineAfter"u8, 0);
        json.WriteEndObject();
    }

    private static void WriteTexts(Utf8JsonWriter json, string name, IReadOnlyList<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts)
            json.WriteStringValue(text);
        json.WriteEndArray();
    }

    /// <summary>What types must not have in common.</summary>
    private sealed class Names
    {
        public HashSet<string> Types { get; } = new(StringComparer.Ordinal);

        public HashSet<int> Priorities { get; } = [];

        /// <summary>Names in <c>context.externalIds</c>, with the type that has them.</summary>
        public Dictionary<string, string> ExternalTypes { get; } = new(StringComparer.Ordinal);
    }
}
