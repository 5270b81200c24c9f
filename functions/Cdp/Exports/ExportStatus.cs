using System.Text.Json;

namespace Cdp.Exports;

/// <summary>Links to the files of an export, good until <paramref name="ExpiresAt"/>.</summary>
public sealed record ExportDownload(DateTimeOffset ExpiresAt, Uri Manifest, IReadOnlyList<Uri> Parts);

/// <summary>An export on the wire.</summary>
public static class ExportStatus
{
    /// <param name="download">Of one that is done.</param>
    public static void Write(Utf8JsonWriter json, ExportDocument export, ExportDownload? download)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, export.Id);
        json.WriteString("segmentId"u8, export.Request.SegmentId);
        json.WriteString("state"u8, export.State switch
        {
            ExportState.Done => "done"u8,
            ExportState.Failed => "failed"u8,
            _ => "running"u8,
        });
        if (export.Reason is { } reason)
            json.WriteString("reason"u8, reason);
        json.WriteString("mode"u8, export.Request.Mode);
        if (export.Since is { } since)
            json.WriteString("since"u8, since);
        if (!export.Request.IsOfAllProfiles)
            json.WriteNumber("definitionVersion"u8, export.Request.DefinitionVersion);
        json.WriteString("asOf"u8, export.AsOf.ToString());
        json.WriteNumber("rows"u8, export.Rows);
        json.WriteNumber("parts"u8, export.Parts.Length);
        json.WriteString("startedAt"u8, export.AsOf.ToString());
        if (export is { State: ExportState.Done, CompletedAt: { } completed })
            json.WriteString("completedAt"u8, completed.ToString());
        if (download is not null)
        {
            json.WriteStartObject("download"u8);
            json.WriteString("expiresAt"u8, Events.Instant.Of(download.ExpiresAt).ToString());
            json.WriteString("manifest"u8, download.Manifest.AbsoluteUri);
            json.WriteStartArray("parts"u8);
            foreach (var part in download.Parts)
                json.WriteStringValue(part.AbsoluteUri);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
