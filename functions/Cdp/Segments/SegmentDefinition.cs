using System.Collections.Immutable;
using System.Text.Json;
using Cdp.Segments.Language;
using NCrontab;

namespace Cdp.Segments;

/// <summary>A segment as it is written: who is in it, and what is done with it. Immutable.</summary>
/// <param name="Epoch">The definitions epoch in which this version came into use; given by who stores it, not by who writes it.</param>
public sealed record SegmentDefinition(
    string Id, string Name, string? Description, Condition Where, SegmentExport? Export, bool NotifyBackfill, long Epoch = 0)
{
    public static DefinitionResult<SegmentDefinition> Parse(ReadOnlyMemory<byte> json) => DefinitionResult<SegmentDefinition>.Read(json, Read);

    /// <summary>A condition alone, as <c>where</c> of a preview.</summary>
    public static DefinitionResult<Condition> ParseWhere(ReadOnlyMemory<byte> json) =>
        DefinitionResult<Condition>.Read(json, (where, read) => new ConditionParser(read).Condition(where, "where"));

    internal static SegmentDefinition? Read(JsonElement json, DefinitionReader read)
    {
        if (!read.IsObject(json, "", Grammar.Segment, ignoreServerMembers: true))
            return null;
        var id = read.Member(json, "", "id", required: true);
        if (id is not null && !DefinitionIds.IsValid(id))
            read.Refuse("id", $"'{id}' is not an id: up to 63 of a-z, 0-9 and -");
        var name = read.Member(json, "", "name", DefinitionLimits.LongestName);
        var description = read.Member(json, "", "description", DefinitionLimits.LongestDescription);
        Condition? where = null;
        if (DefinitionReader.Find(json, "where") is { } condition)
            where = new ConditionParser(read).Condition(condition, "where");
        else
            read.Refuse("where", "is missing");
        var export = DefinitionReader.Find(json, "export") is { } e ? SegmentExport.Read(e, read) : null;
        var notify = false;
        if (DefinitionReader.Find(json, "backfill") is { } backfill && read.IsObject(backfill, "backfill", Grammar.Backfill))
            notify = DefinitionReader.Find(backfill, "notify") is { } flag && read.Flag(flag, "backfill.notify") == true;
        return id is null || where is null ? null : new SegmentDefinition(id, name ?? id, description, where, export, notify);
    }
}

/// <param name="Schedule">Six fields of a cron expression, seconds first; null for exports on demand alone.</param>
public sealed record SegmentExport(string? Schedule, string Format, string Mode, string Compression, ImmutableArray<string> Fields)
{
    /// <summary>Columns of an export.</summary>
    public const int MostFields = 200;

    internal static SegmentExport? Read(JsonElement json, DefinitionReader read)
    {
        if (!read.IsObject(json, "export", Grammar.Export))
            return null;
        var schedule = read.Member(json, "export", "schedule");
        if (schedule is not null && CrontabSchedule.TryParse(schedule, new CrontabSchedule.ParseOptions { IncludingSeconds = true }) is null)
            read.Refuse("export.schedule", $"'{schedule}' is not a schedule of six fields, such as 0 0 6 * * *");
        string? Choice(string name, ImmutableArray<string> choices) =>
            DefinitionReader.Find(json, name) is { } value ? read.Choice(value, "export." + name, choices) : choices[0];
        var format = Choice("format", Grammar.ExportFormats);
        var mode = Choice("mode", Grammar.ExportModes);
        var compression = Choice("compression", Grammar.ExportCompressions);
        var fields = ImmutableArray.CreateBuilder<string>();
        if (DefinitionReader.Find(json, "fields") is { } list && read.List(list, "export.fields", MostFields) is { } items)
        {
            var index = 0;
            foreach (var item in items)
            {
                if (read.Text(item, $"export.fields[{index++}]", PathLength) is { } field)
                    fields.Add(field);
            }
        }

        return format is null || mode is null || compression is null ? null : new SegmentExport(schedule, format, mode, compression, fields.ToImmutable());
    }

    private const int PathLength = PropertyPath.Longest;
}
