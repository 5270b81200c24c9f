using System.Text.Json;
using Cdp.Events;

namespace Cdp.Imports;

/// <summary>A link to a file, and until when it is good.</summary>
public sealed record ImportLink(Uri Url, DateTimeOffset ExpiresAt);

/// <summary>An import on the wire.</summary>
public static class ImportStatus
{
    /// <param name="upload">Where its file is to be put, where that is to be told.</param>
    /// <param name="report">The rejections, where there are any.</param>
    public static void Write(Utf8JsonWriter json, ImportDocument import, ImportLink? upload = null, ImportLink? report = null)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, import.Id);
        json.WriteString("sourceId"u8, import.Request.SourceId);
        json.WriteString("format"u8, import.Request.Format);
        if (import.Request.Format == ImportFormats.Csv)
            json.WriteString("delimiter"u8, import.Request.Delimiter.ToString());
        if (import.Request.Mapping is { } mapping)
        {
            json.WritePropertyName("mapping"u8);
            json.WriteRawValue(mapping);
        }

        json.WriteBoolean("startOnUpload"u8, import.Request.StartOnUpload);
        json.WriteString("state"u8, import.State switch
        {
            ImportState.Waiting => "waiting"u8,
            ImportState.Done => "done"u8,
            ImportState.Failed => "failed"u8,
            _ => "running"u8,
        });
        if (import is { State: ImportState.Failed, Reason: { } reason })
            json.WriteString("reason"u8, reason);
        if (import.File is { } file)
        {
            json.WriteStartObject("progress"u8);
            json.WriteNumber("bytes"u8, import.Position.Offset);
            json.WriteNumber("of"u8, file.Length);
            json.WriteEndObject();
        }

        json.WriteNumber("rows"u8, import.Rows);
        json.WriteNumber("accepted"u8, import.Accepted);
        json.WriteNumber("rejected"u8, import.Rejected);
        json.WriteString("createdAt"u8, import.CreatedAt.ToString());
        if (import.StartedAt is { } started)
            json.WriteString("startedAt"u8, started.ToString());
        if (import.CompletedAt is { } completed)
            json.WriteString("completedAt"u8, completed.ToString());
        Write(json, "upload", upload);
        if (report is not null)
        {
            Write(json, "report", report);
            if (import.Unreported > 0)
                json.WriteNumber("unreported"u8, import.Unreported);
        }

        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, ImportLink? link)
    {
        if (link is null)
            return;
        json.WriteStartObject(name);
        json.WriteString("url"u8, link.Url.AbsoluteUri);
        json.WriteString("expiresAt"u8, Instant.Of(link.ExpiresAt).ToString());
        json.WriteEndObject();
    }
}
