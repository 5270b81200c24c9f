using System.Text.Json;
using Cdp.Problems;
using Cdp.Sources;

namespace Cdp.Imports;

/// <summary>The request for an import, as it comes over the wire.</summary>
public static class ImportInput
{
    private const int LongestText = 100;

    /// <param name="json">A JSON object.</param>
    /// <exception cref="ProblemException">invalid-field or mapping-invalid, naming every field that cannot be taken.</exception>
    public static ImportRequest Read(JsonElement json)
    {
        var fields = new JsonFields(json);
        var source = fields.Text("sourceId", LongestText, required: true);
        if (source is not null && !SourceIds.IsValid(source))
            fields.Refuse("sourceId", "not the id of a source");
        var format = fields.Text("format", LongestText, required: true);
        if (format is not null and not (ImportFormats.Csv or ImportFormats.JsonLines))
            fields.Refuse("format", $"none of {ImportFormats.Csv}, {ImportFormats.JsonLines}");
        var delimiter = fields.Text("delimiter", LongestText);
        if (delimiter is not null && format != ImportFormats.Csv)
            fields.Refuse("delimiter", "only a CSV has one");
        else if (delimiter is not null and not ("," or ";" or "\t" or "|"))
            fields.Refuse("delimiter", "not a comma, a semicolon, a tab or a vertical bar");
        var mapping = fields.Any("mapping");
        var startOnUpload = fields.Flag("startOnUpload") ?? true;
        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        if (mapping is { } rules)
            RecordMapping.Check(rules);
        return new ImportRequest(source!, format!, delimiter is null ? ',' : delimiter[0], mapping?.GetRawText(), startOnUpload);
    }
}
